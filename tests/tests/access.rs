//! Access to the daemon's socket: allowed for its group, with each subcommand; all others get an error with the fix.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess},
    scenario::victim,
    scratch,
    service::{ServiceProcess, ServiceSetup},
    skip,
    stage::{Family, Stage},
    wait::{self, SOON},
};
use rustix::{
    fs::{CWD, Gid, Mode, RenameFlags, Uid, renameat_with},
    process::umask,
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
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

/// Makes the calling thread, and no other, that user without any group or capability.
fn become_user() {
    let (user, group) = (Uid::from_raw(USER.parse().unwrap()), Gid::from_raw(OTHER.parse().unwrap()));
    set_thread_groups(&[]).unwrap();
    set_thread_res_gid(group, group, group).unwrap();
    set_thread_res_uid(user, user, user).unwrap();
}

/// Runs `attack` as that user in a loop, for as long as `work` takes.
fn under_attack<T>(attack: impl Fn() + Sync, work: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            become_user();
            while !ended.load(Ordering::Relaxed) {
                attack();
            }
        });
        let result = work();
        ended.store(true, Ordering::Relaxed);
        attacker.join().unwrap();
        result
    })
}

#[test]
fn no_start_lets_another_user_in_whatever_the_umask() {
    const STARTS: usize = 8;
    if !daemon::unless_ready("umask") {
        return;
    }
    for start in 0..STARTS {
        let directory = scratch::directory().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        let socket = directory.path().join("rstmon.sock");
        let new = directory.path().join("rstmon.sock.new");
        let places = [socket.clone(), new.join("rstmon.sock"), new];
        let got_in = AtomicBool::new(false);
        let attack = || {
            for place in &places {
                if UnixStream::connect(place).is_ok() {
                    got_in.store(true, Ordering::Relaxed);
                }
            }
        };
        let wide = || {
            umask(Mode::empty());
            Ok(())
        };
        let daemon = under_attack(attack, || DaemonProcess::prepared(directory, wide)).unwrap();
        assert_eq!(mode(&socket).0, 0o660);
        daemon.stop().unwrap();
        assert!(!got_in.load(Ordering::Relaxed), "start {start} let another user in");
    }
}

#[test]
fn a_start_makes_files_that_it_can_open_whatever_the_umask() {
    if !daemon::unless_ready("narrow umask") {
        return;
    }
    let narrow = || {
        umask(Mode::from_raw_mode(0o777));
        Ok(())
    };
    let daemon = DaemonProcess::prepared(scratch::directory().unwrap(), narrow).unwrap();
    let socket = daemon.socket();
    assert_eq!(mode(&socket).0, 0o660);
    assert_eq!(mode(&socket.with_extension("sock.lock")).0 & 0o600, 0o600);
    daemon.stop().unwrap();
}

#[test]
fn the_owner_of_the_directory_cannot_have_another_file_changed() {
    const STARTS: usize = 6;
    if !daemon::unless_ready("replaced names") {
        return;
    }
    let (user, other) = (USER.parse().unwrap(), OTHER.parse().unwrap());
    let precious = scratch::directory().unwrap();
    fs::set_permissions(precious.path(), Permissions::from_mode(0o711)).unwrap();
    let victims = [precious.path().join("file"), precious.path().join("directory")];
    fs::write(&victims[0], "").unwrap();
    fs::create_dir(&victims[1]).unwrap();
    for victim in &victims {
        fs::set_permissions(victim, Permissions::from_mode(0o600)).unwrap();
    }
    let mut published = 0;
    for start in 0..STARTS {
        let directory = scratch::directory().unwrap();
        fs::write(directory.path().join("rstmon.toml"), format!("[socket]\ngroup = \"{GROUP}\"\n")).unwrap();
        chown(directory.path(), Some(user), Some(other)).unwrap();
        let (new, trap) = (directory.path().join("rstmon.sock.new"), directory.path().join("trap"));
        let attack = || {
            let _ = symlink(&victims[start % victims.len()], &trap);
            if renameat_with(CWD, &trap, CWD, &new, RenameFlags::EXCHANGE).is_ok() {
                let _ = fs::rename(&trap, new.with_extension("taken"));
            }
        };
        match under_attack(attack, || DaemonProcess::prepared(directory, || Ok(()))) {
            Ok(daemon) => {
                published += 1;
                // Without capabilities not even root can remove the socket from that directory.
                daemon.end_by(rustix::process::Signal::TERM).unwrap();
            }
            // Without a socket, but then for this reason.
            Err(error) => assert!(format!("{error:#}").contains("rstmon.sock"), "{error:#}"),
        }
        for victim in &victims {
            assert_eq!(mode(victim), (0o600, 0), "{} after start {start}, {published} published", victim.display());
        }
    }
}

#[test]
fn a_crowd_on_the_socket_keeps_no_member_out() {
    const CROWD: usize = 130;
    /// The deadline of a silent connection would be ten seconds.
    const SOON_ENOUGH: Duration = Duration::from_secs(5);
    if !unless_ready("crowd") {
        return;
    }
    let (service, tool) = (service(), BinaryCopy::new());
    let socket = socket(&service);
    let crowd: Vec<UnixStream> = (0..CROWD).map(|_| UnixStream::connect(service.socket()).unwrap()).collect();
    for arguments in [&["why", &socket][..], &["top", "--once", &socket]] {
        let started = Instant::now();
        let output = tool.as_member(GROUP, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?} said:\n{said}");
        assert!(started.elapsed() < SOON_ENOUGH * wait::slowness(), "{arguments:?} took {:?}", started.elapsed());
    }
    drop(crowd);
}
