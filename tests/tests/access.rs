//! Access to the daemon's socket: allowed for its group, with each subcommand; all others get an error with the fix.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon,
    scenario::victim,
    service::{ServiceProcess, ServiceSetup},
    skip,
    stage::{Family, Stage},
    wait::{self, SOON},
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The id of a user and the ids of groups that own nothing on any system.
const USER: &str = "61337";
const GROUP: &str = "61338";
const OTHER: &str = "61339";

/// A copy of the binary that every user may execute, because the build directory need not be accessible.
struct BinaryCopy {
    directory: tempfile::TempDir,
    setpriv: PathBuf,
}

impl BinaryCopy {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(daemon::binary().unwrap(), directory.path().join("rstmon")).unwrap();
        // An empty configuration, so that the host's own is not used.
        fs::write(directory.path().join("empty.toml"), "").unwrap();
        Self { directory, setpriv: skip::find("setpriv").unwrap() }
    }

    /// The command as that user, in that group and no other.
    fn as_member(&self, group: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg("30")
            .arg(&self.setpriv)
            .args([&format!("--reuid={USER}"), &format!("--regid={OTHER}"), &format!("--groups={group}")])
            .args(["--inh-caps=-all", "--bounding-set=-all"])
            .arg(self.directory.path().join("rstmon"))
            .args(arguments)
            .env("RSTMON_CONFIG", self.directory.path().join("empty.toml"));
        command
    }
}

fn service() -> ServiceProcess {
    let service = ServiceProcess::start(ServiceSetup {
        toml: format!("[socket]\ngroup = \"{GROUP}\"\n[events]\nrate_per_second = 0\n"),
        ..ServiceSetup::default()
    })
    .unwrap();
    // The test's own directory. The daemon creates that of the socket.
    fs::set_permissions(service.file(""), Permissions::from_mode(0o755)).unwrap();
    service
}

fn socket(service: &ServiceProcess) -> String {
    format!("--socket={}", service.socket().display())
}

fn unless_ready(name: &str) -> bool {
    daemon::unless_ready(name) && skip::unless_installed(name, &["setpriv", "timeout"])
}

fn mode(path: &Path) -> (u32, u32) {
    let metadata = fs::metadata(path).unwrap();
    (metadata.mode() & 0o7777, metadata.gid())
}

#[test]
fn the_socket_and_its_directory_are_the_groups() {
    if !unless_ready("modes") {
        return;
    }
    let service = service();
    let group = GROUP.parse().unwrap();
    assert_eq!(mode(&service.socket()), (0o660, group));
    assert_eq!(mode(&service.file("run")), (0o750, group));
}

#[test]
fn each_subcommand_works_for_a_member_of_the_group() {
    if !unless_ready("members") {
        return;
    }
    let (service, tool) = (service(), BinaryCopy::new());
    let socket = socket(&service);
    let stage = Stage::loopback(Family::V4).unwrap();
    victim::established(&stage).unwrap();

    let works = |arguments: &[&str], words: &[&str]| {
        let Output { status, stdout, stderr } = tool.as_member(GROUP, arguments).output().unwrap();
        let (said, noted) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert_eq!(status.code(), Some(0), "{arguments:?} said:\n{said}{noted}");
        for word in words {
            assert!(
                said.contains(word) || noted.contains(word),
                "{word:?} is not in the output of {arguments:?}:\n{said}{noted}"
            );
        }
    };
    works(&["why", &socket], &["the daemon at"]);
    works(&["why", "--json", &socket], &["\"schema\""]);
    works(&["why", "--for", "1s", &socket], &["through the daemon at", "counted", "seen by the daemon at"]);
    works(&["doctor", &socket], &["as the daemon at", "hook tcp_receive_reset", "sandbox: seccomp"]);
    works(&["doctor", "--json", &socket], &["\"usable\": true"]);
    works(&["top", "--once", &socket], &["the daemon at", "exact counts", "TOTAL"]);
    works(&["top", "--json", &socket], &["\"exact\": true"]);
    works(&["causes"], &["refused"]);

    // Ends with the first event.
    let output = service.file("tail.txt");
    let mut tail =
        tool.as_member(GROUP, &["tail", "--json", &socket]).stdout(fs::File::create(&output).unwrap()).spawn().unwrap();
    let seen = wait::until_true("an event through the socket", SOON, || {
        victim::established(&stage)?;
        Ok(fs::read_to_string(&output)?.contains("\"direction\""))
    });
    // `timeout` passes the signal on. If it were killed, its child `tail` would wait for a daemon for ever.
    let pid = rustix::process::Pid::from_child(&tail);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    tail.wait().unwrap();
    seen.unwrap();
}

#[test]
fn other_users_are_refused_with_the_fix() {
    if !unless_ready("others") {
        return;
    }
    let (service, tool) = (service(), BinaryCopy::new());
    let (path, socket) = (service.socket().display().to_string(), socket(&service));
    for arguments in [
        &["tail", &socket][..],
        &["tail", "--json", &socket],
        &["top", "--once", &socket],
        &["why", &socket],
        &["why", "--json", &socket],
        &["doctor", &socket],
    ] {
        let output = tool.as_member(OTHER, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?} said:\n{said}");
        for word in ["not allowed to connect to", &path, "join the group that owns the socket"] {
            assert!(said.contains(word), "{word:?} is not in the output of {arguments:?}:\n{said}");
        }
        assert_eq!(said.lines().count(), 1, "one line: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?} printed {}", String::from_utf8_lossy(&output.stdout));
    }
    // Without the daemon the user only lacks the capabilities.
    let output = tool.as_member(OTHER, &["tail", "--standalone"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("CAP_BPF"));
}
