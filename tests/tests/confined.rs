//! Processes that are confined from outside: in a user or time namespace, with little memory, with file capabilities
//! instead of root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, StderrLog},
    http, scratch, skip,
    wait::{self, SOON},
};
use rustix::fs::{Gid, Uid};
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// Exit code of a host that cannot be monitored.
const HOST: i32 = 3;
/// What the boot clock of the time namespace is ahead: eleven days.
const AHEAD: &str = "950400";

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The arguments of a daemon with its own files and port.
struct Place {
    directory: TempDir,
    address: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let directory = scratch::directory().unwrap();
        fs::write(directory.path().join("rstmon.toml"), "").unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Self { directory, address: daemon::free_address().unwrap() }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    fn run(&self) -> [String; 4] {
        [
            "run".to_owned(),
            format!("--web.listen-address={}", self.address),
            format!("--socket={}", self.socket().display()),
            format!("--config={}", self.directory.path().join("rstmon.toml").display()),
        ]
    }

    /// Starts `command` and waits until the daemon in it is ready.
    fn start(&self, command: &mut Command) -> (Ended, StderrLog) {
        let mut child = Ended(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let said = StderrLog::collect(child.0.stderr.take().unwrap());
        let ready = wait::until_true("rstmon to be ready", SOON, || {
            anyhow::ensure!(child.0.try_wait()?.is_none(), "it ended");
            Ok(rstmon_tests::sockets::is_listened_to(self.address.port()).unwrap_or(false)
                && http::get(self.address, daemon::READY).is_ok_and(|answer| answer.status == 200))
        });
        assert!(ready.is_ok(), "{ready:?}; it said:\n{}", said.text());
        (child, said)
    }
}

fn unshare(arguments: &[&str]) -> Command {
    let mut command = Command::new(skip::find("unshare").unwrap());
    command.args(arguments).arg(daemon::binary().unwrap());
    command
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_user_namespace_is_a_host_that_cannot_be_monitored() {
    if !daemon::unless_ready("user namespace") || !skip::unless_installed("user namespace", &["unshare"]) {
        return;
    }
    let place = Place::new();
    let namespace = ["--user", "--map-root-user"];
    for arguments in [place.run().to_vec(), vec!["doctor".to_owned()], ["why", "--for", "1s"].map(str::to_owned).into()]
    {
        let output = unshare(&namespace).args(&arguments).output().unwrap();
        let said = message(&output);
        assert_eq!(output.status.code(), Some(HOST), "{arguments:?} said:\n{said}");
        assert!(said.contains("user namespace"), "{arguments:?} said:\n{said}");
    }
}

#[test]
fn events_have_their_time_in_a_time_namespace() {
    let name = "time namespace";
    if !daemon::unless_ready(name) || !skip::unless_installed(name, &["unshare"]) {
        return;
    }
    if !Path::new("/proc/self/ns/time").exists() {
        return skip::not_possible(name, "this kernel has no time namespaces");
    }
    let place = Place::new();
    let namespace = ["--time", "--boottime", AHEAD, "--fork", "--kill-child=KILL"];
    let (_daemon, said) = place.start(unshare(&namespace).args(place.run()));
    assert!(said.text().contains("times of resets are translated"), "{}", said.text());

    let socket = place.socket().display().to_string();
    let mut tail = Command::new(daemon::binary().unwrap());
    tail.args(["tail", "--json", "--socket", &socket])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut tail = Ended(tail.spawn().unwrap());
    let watching = StderrLog::collect(tail.0.stderr.take().unwrap());
    let lines = StderrLog::collect(tail.0.stdout.take().unwrap());
    wait::until_true("tail to watch", SOON, || Ok(watching.text().contains("watching"))).unwrap();
    let closed = daemon::free_address().unwrap();
    assert!(TcpStream::connect(closed).is_err());
    let port = closed.port().to_string();
    let line = wait::until("the event", SOON, || {
        Ok(lines.text().lines().find(|line| line.contains(&port)).map(str::to_owned))
    })
    .unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    let time = event["time"].as_str().unwrap_or_else(|| panic!("no time in {line}"));
    let now = SystemTime::now();
    let days: Vec<String> = [now - Duration::from_mins(2), now].map(day).into();
    assert!(days.iter().any(|day| time.starts_with(day.as_str())), "{time} is not of {days:?}");

    // The event is within the last minutes, so the report has it; the owner is found by its start time.
    let output = daemon::rstmon(&["why", "--json", "--socket", &socket]).unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains(&port), "no finding about port {port} in:\n{report}");
}

/// The date of a time, as in an event.
fn day(time: SystemTime) -> String {
    let output = Command::new("date")
        .args(["--utc", "+%Y-%m-%d", "--date"])
        .arg(format!("@{}", time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A control group of this test with a limit of its memory, v1 or v2.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn new(limit: u64) -> Option<Self> {
        for (root, file) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
            let path = Path::new(root).join(format!("rstmon-test-memory-{}-{limit}", std::process::id()));
            if !Path::new(root).join("cgroup.procs").exists() || fs::create_dir(&path).is_err() {
                continue;
            }
            let group = Self(path);
            // The file is there if the controller is.
            if group.0.join(file).exists() && fs::write(group.0.join(file), limit.to_string()).is_ok() {
                return Some(group);
            }
        }
        None
    }

    /// Runs rstmon in the group: the shell enters it, then becomes rstmon.
    fn command(&self) -> Command {
        let mut command = Command::new("sh");
        let enter = format!("echo $$ > '{}/cgroup.procs' && exec \"$@\"", self.0.display());
        command.args(["-c", &enter, "sh"]).arg(daemon::binary().unwrap());
        command
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let removed = wait::until_true("the control group to be empty", SOON, || Ok(fs::remove_dir(&self.0).is_ok()));
        drop(removed);
    }
}

#[test]
fn the_least_memory_is_enough_and_less_is_said() {
    let name = "least memory";
    if !daemon::unless_ready(name) || !skip::unless_installed(name, &["sh"]) {
        return;
    }
    // Maps with a slot for each CPU grow with the machine.
    let more_cpus = std::thread::available_parallelism().map_or(0, |cpus| cpus.get().saturating_sub(2) as u64);
    let Some(enough) = MemoryGroup::new((40 + 8 * more_cpus) << 20) else {
        return skip::not_possible(name, "no memory controller to limit memory with");
    };
    let place = Place::new();
    let (daemon, said) = place.start(enough.command().args(place.run()));
    assert!(!said.text().contains("memory is limited"), "{}", said.text());
    drop(daemon);

    let little = MemoryGroup::new(16 << 20).unwrap();
    let place = Place::new();
    let mut child = Ended(little.command().args(place.run()).stderr(Stdio::piped()).spawn().unwrap());
    let said = StderrLog::collect(child.0.stderr.take().unwrap());
    let is_said = || said.text().contains("memory is limited to 16 MiB");
    let waited = wait::until_true("the limit to be mentioned", SOON, || Ok(is_said()));
    waited.unwrap_or_else(|error| panic!("{error}; it said:\n{}", said.text()));
}

#[test]
fn file_capabilities_serve_one_group() {
    let name = "file capabilities";
    if !daemon::unless_ready(name) || !skip::unless_installed(name, &["setcap"]) {
        return;
    }
    // Numbers that no user of the machine has.
    let (user, member, stranger) = (63_001, 63_002, 63_003);
    let place = Place::new();
    let copy = place.directory.path().join("rstmon");
    fs::copy(daemon::binary().unwrap(), &copy).unwrap();
    rustix::fs::chown(&copy, None::<Uid>, Some(Gid::from_raw(member))).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o750)).unwrap();
    let granted =
        Command::new(skip::find("setcap").unwrap()).arg("cap_bpf,cap_perfmon+ep").arg(&copy).output().unwrap();
    if !granted.status.success() {
        return skip::not_possible(name, "this file system has no capabilities");
    }
    let refused = Command::new(&copy).arg("doctor").uid(user).gid(stranger).output();
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
    let doctor = Command::new(&copy).args(["doctor", "--json"]).uid(user).gid(member).output().unwrap();
    let found: serde_json::Value =
        serde_json::from_slice(&doctor.stdout).unwrap_or_else(|_| panic!("{}", message(&doctor)));
    assert_eq!(found["usable"], true, "{found}");
    // The switch does not exist, and so no other object can be named.
    let object = Command::new(&copy).args(["run", "--bpf-object=/dev/null"]).uid(user).gid(member).output().unwrap();
    assert_eq!(object.status.code(), Some(2), "{}", message(&object));
    let environment = Command::new(&copy)
        .args(["run", "--check", "--config=/nonexistent"])
        .env("RSTMON_BPF_OBJECT", "/dev/null")
        .uid(user)
        .gid(member)
        .output()
        .unwrap();
    assert!(!message(&environment).contains("/dev/null"), "{}", message(&environment));
}

#[test]
fn the_advice_about_capabilities_names_a_group_and_a_mode() {
    if !daemon::unless_ready("advice") {
        return;
    }
    let place = Place::new();
    let copy = place.directory.path().join("rstmon");
    fs::copy(daemon::binary().unwrap(), &copy).unwrap();
    for arguments in [place.run().to_vec(), vec!["doctor".to_owned(), format!("--socket={}", place.socket().display())]]
    {
        let output = Command::new(&copy).args(&arguments).uid(63_001).gid(63_001).output().unwrap();
        let said = message(&output) + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(HOST), "{said}");
        assert!(said.contains("chgrp") && said.contains("chmod 0750") && said.contains("setcap"), "{said}");
    }
}
