//! What only a program with test switches can show: a corrupt BPF object, one that is refused, and a panic of the view.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess},
    skip,
    terminal::{Modes, Terminal},
    wait::SOON,
};
use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
};

/// The object of this checkout, embedded so that the test can run elsewhere.
const WHOLE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../rstmon/bpf/rstmon.bpf.o"));

#[test]
fn a_corrupt_bpf_object_is_reported() {
    let Some(program) = daemon::program_with_switches("corrupt object") else { return };
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("rstmon.toml");
    fs::write(&config, "").unwrap();
    let mut flipped = WHOLE.to_vec();
    flipped.iter_mut().skip(64).step_by(97).for_each(|byte| *byte ^= 0xff);
    let objects: [(&str, &[u8]); 4] =
        [("empty", b""), ("text", b"not an object\n"), ("half", &WHOLE[..WHOLE.len() / 2]), ("flipped", &flipped)];
    for (name, bytes) in objects {
        let object = directory.path().join(name);
        fs::write(&object, bytes).unwrap();
        let listen = format!("--web.listen-address={}", daemon::free_address().unwrap());
        let socket = format!("--socket={}", directory.path().join("s").display());
        let object = format!("--bpf-object={}", object.display());
        let output =
            Command::new(&program).args(["run", &listen, &socket, &object, "--config"]).arg(&config).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {message}");
        assert!(message.contains("BPF") && message.contains("object") && !message.contains("panicked"), "{message}");
    }
}

#[test]
fn the_terminal_is_given_back_after_a_panic() {
    let Some(program) = daemon::program_with_switches("panic of top") else { return };
    let daemon = DaemonProcess::start().unwrap();
    let terminal = Terminal::open(80, 24).unwrap();
    // A backtrace would fill the screen.
    let top = format!("RUST_BACKTRACE=0 '{}' top", program.display());
    let command = format!("{top} --socket {} --panic", daemon.socket().display());
    terminal.enter(&format!("{command}; echo ended with $?")).unwrap();
    let screen = terminal.wait("the end", SOON, |screen| screen.contains("ended with 101")).unwrap();
    assert!(screen.contains("asked for by --panic"), "the message is readable:\n{screen}");
    assert_eq!(terminal.modes().unwrap(), Modes::SHELL);
}

#[test]
fn a_privileged_program_refuses_another_bpf_object() {
    let name = "AT_SECURE";
    let Some(program) = daemon::program_with_switches(name) else { return };
    if !skip::unless_installed(name, &["setcap"]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (copy, object, config) =
        (directory.path().join("rstmon"), directory.path().join("object"), directory.path().join("rstmon.toml"));
    fs::copy(program, &copy).unwrap();
    fs::write(&object, WHOLE).unwrap();
    fs::write(&config, "").unwrap();
    let granted = Command::new("setcap").arg("cap_bpf,cap_perfmon+ep").arg(&copy).output().unwrap();
    if !granted.status.success() {
        return skip::not_possible(name, "this file system has no capabilities");
    }
    let output = Command::new(&copy)
        .arg("run")
        .arg(format!("--bpf-object={}", object.display()))
        .arg(format!("--web.listen-address={}", daemon::free_address().unwrap()))
        .arg(format!("--socket={}", directory.path().join("s").display()))
        .arg(format!("--config={}", config.display()))
        .uid(63_001)
        .gid(63_001)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("AT_SECURE") && message.contains("--bpf-object"), "{message}");
}
