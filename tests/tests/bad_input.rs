//! Error messages name the mistake and its location in a few lines; the exit code gives the kind of mistake.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, rstmon},
    skip,
};
use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Output},
};

/// Exit code of a failure at run time.
const FAILED: i32 = 1;
/// Exit code of wrong usage or configuration.
const USAGE: i32 = 2;
/// Exit code of a host that cannot be monitored.
const HOST: i32 = 3;

/// Most lines of a message: the cause, the fix, a pointer to help.
const MESSAGE_LINES: usize = 6;

/// The command fails with this code and its message, which is not a stack trace, contains all of these words.
fn check(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "exit code; stderr:\n{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert!(said.lines().filter(|line| !line.is_empty()).count() <= MESSAGE_LINES, "too long:\n{said}");
}

fn config(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.toml");
    fs::write(&path, text).unwrap();
    let option = format!("--config={}", path.display());
    (directory, option)
}

#[test]
fn an_unknown_configuration_key_is_named_with_its_line() {
    if !daemon::unless_ready("unknown key") {
        return;
    }
    let (_directory, option) = config("[events]\nrate_per_second = 5\nring_byts = 4096\n");
    check(&rstmon(&["run", "--check", &option]).unwrap(), USAGE, &["ring_byts", "rstmon.toml", "3"]);
}

#[test]
fn a_configuration_value_of_the_wrong_kind_is_named() {
    if !daemon::unless_ready("wrong value") {
        return;
    }
    let (_directory, option) = config("[thresholds]\nidle_seconds = \"long\"\n");
    check(&rstmon(&["run", "--check", &option]).unwrap(), USAGE, &["idle_seconds", "rstmon.toml", "2"]);
}

#[test]
fn a_missing_configuration_file_is_named() {
    if !daemon::unless_ready("missing file") {
        return;
    }
    check(
        &rstmon(&["run", "--check", "--config=/nonexistent/rstmon.toml"]).unwrap(),
        USAGE,
        &["/nonexistent/rstmon.toml"],
    );
}

#[test]
fn a_good_configuration_passes_the_check() {
    if !daemon::unless_ready("check") {
        return;
    }
    let (_directory, option) = config(
        "[events]\nring_bytes = 4096\nrate_per_second = 0\n[tombstones]\nentries = 64\n[thresholds]\nidle_seconds = 1.5\n",
    );
    let output = rstmon(&["run", "--check", &option]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_wrong_listen_address_is_usage() {
    if !daemon::unless_ready("wrong port") {
        return;
    }
    for address in ["127.0.0.1:99999", "nonsense", "127.0.0.1:http"] {
        let output = rstmon(&["run", "--check", &format!("--web.listen-address={address}")]).unwrap();
        check(&output, USAGE, &[address, "web.listen-address"]);
    }
}

#[test]
fn a_port_in_use_is_reported() {
    if !daemon::unless_ready("port in use") {
        return;
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let socket = format!("--socket={}", directory.path().join("s").display());
    let (_config, option) = config("");
    let output = rstmon(&["run", &format!("--web.listen-address={address}"), &socket, &option]).unwrap();
    check(&output, FAILED, &[&address, "in use"]);
}

#[test]
fn the_shipped_program_has_no_test_switches() {
    if !daemon::unless_ready("test switches") {
        return;
    }
    check(&rstmon(&["run", "--bpf-object=/dev/null"]).unwrap(), USAGE, &["--bpf-object"]);
    check(&rstmon(&["top", "--panic"]).unwrap(), USAGE, &["--panic"]);
    let help = rstmon(&["run", "--help"]).unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("BPF_OBJECT"));
}

#[test]
fn an_impossible_socket_path_is_reported() {
    if !daemon::unless_ready("socket path") {
        return;
    }
    let (_config, option) = config("");
    let address = daemon::free_address().unwrap();
    let listen = format!("--web.listen-address={address}");
    let output = rstmon(&["run", &listen, "--socket=/proc/rstmon.sock", &option]).unwrap();
    check(&output, FAILED, &["/proc/rstmon.sock"]);
}

#[test]
fn a_wrong_filter_lists_the_right_ones() {
    if !daemon::unless_ready("filters") {
        return;
    }
    let fields = ["process", "unit", "container", "port", "cause", "reason", "direction", "family", "local", "remote"];
    check(&rstmon(&["tail", "--json", "colour=red"]).unwrap(), USAGE, &[&["colour"], fields.as_slice()].concat());
    check(&rstmon(&["tail", "--json", "direction=up"]).unwrap(), USAGE, &["direction", "up", "sent", "received"]);
    check(&rstmon(&["tail", "--json", "port=http"]).unwrap(), USAGE, &["port", "http"]);
    check(&rstmon(&["tail", "--json", "remote=10.0.0.0/40"]).unwrap(), USAGE, &["remote", "10.0.0.0/40"]);
    check(&rstmon(&["tail", "--json", "word"]).unwrap(), USAGE, &["word"]);
    check(&rstmon(&["tail", "cause=keepalive"]).unwrap(), USAGE, &["did you mean keepalive_race?"]);
    check(&rstmon(&["why", "serverity=harmful"]).unwrap(), USAGE, &["did you mean severity?"]);
}

#[test]
fn a_slip_is_answered_with_what_it_is_like() {
    if !daemon::unless_ready("slips") {
        return;
    }
    check(&rstmon(&["tpo"]).unwrap(), USAGE, &["tpo", "'top'"]);
    check(&rstmon(&["causes", "keepalive"]).unwrap(), USAGE, &["did you mean keepalive_race?"]);
    let page = rstmon(&["causes", "Keepalive-Race", "-o", "json"]).unwrap();
    assert_eq!(page.status.code(), Some(0), "{}", String::from_utf8_lossy(&page.stderr));
    let page: serde_json::Value = serde_json::from_slice(&page.stdout).unwrap();
    assert_eq!(page["id"], "keepalive_race", "{page}");
}

#[test]
fn a_missing_daemon_is_reported() {
    if !daemon::unless_ready("no daemon") {
        return;
    }
    let output = rstmon(&["tail", "--json", "--socket", "/nonexistent/rstmon.sock"]).unwrap();
    check(&output, FAILED, &["/nonexistent/rstmon.sock"]);
}

#[test]
fn an_unknown_command_is_usage() {
    if !daemon::unless_ready("unknown command") {
        return;
    }
    check(&rstmon(&["dance"]).unwrap(), USAGE, &["dance"]);
}

#[test]
fn a_missing_capability_is_named() {
    if !daemon::unless_ready("capability") {
        return;
    }
    // A directory that every user may read: the build directory need not be one.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("rstmon");
    fs::copy(daemon::binary().unwrap(), &copy).unwrap();
    let (config_directory, option) = config("");
    fs::set_permissions(config_directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let listen = format!("--web.listen-address={}", daemon::free_address().unwrap());
    let unprivileged = 65534;
    let output = Command::new(copy)
        .args(["run", &listen, "--socket=/tmp/rstmon-unprivileged.sock", &option])
        .uid(unprivileged)
        .gid(unprivileged)
        .output();
    check(&output.unwrap(), HOST, &["CAP_BPF"]);
}

#[test]
fn a_kernel_without_btf_is_reported() {
    if !daemon::unless_ready("no BTF") || !skip::unless_installed("no BTF", &["unshare", "mount", "sh"]) {
        return;
    }
    // The kernel's BTF is hidden in a mount namespace.
    let script = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    let (_config, option) = config("");
    let listen = format!("--web.listen-address={}", daemon::free_address().unwrap());
    let output = Command::new(skip::find("unshare").unwrap())
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(daemon::binary().unwrap())
        .args(["run", &listen, "--socket=/tmp/rstmon-no-btf.sock", &option])
        .output()
        .unwrap();
    check(&output, HOST, &["BTF", "/sys/kernel/btf/vmlinux"]);
}
