//! A kernel with unknown types: a copy of the running kernel's BTF with a renamed field, mounted over the real one in a
//! mount namespace. The evidence from that field is left out, and nothing is read from a wrong offset.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon,
    scenario::close,
    scene::Direction,
    skip,
    stage::{Family, Stage},
    tail::Tail,
    wait::SOON,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const BTF: &str = "/sys/kernel/btf/vmlinux";

/// The exit code for a host that cannot be monitored.
const HOST: i32 = 3;

/// Mounts another file over the kernel's BTF, in this mount namespace only, and executes the program given after it.
const DISGUISE: &str = "mount --bind \"$0\" /sys/kernel/btf/vmlinux && exec \"$@\"";

fn ready(name: &str) -> bool {
    daemon::unless_ready(name) && skip::unless_installed(name, &["unshare", "mount", "sh"])
}

/// A copy of the kernel's BTF in which every `member` has another name of the same length.
fn renamed(directory: &Path, member: &str) -> PathBuf {
    let mut types = fs::read(BTF).unwrap();
    let name: Vec<u8> = [b"\0", member.as_bytes(), b"\0"].concat();
    let places: Vec<usize> = (0..types.len() - name.len()).filter(|&at| types[at..].starts_with(&name)).collect();
    assert!(!places.is_empty(), "this kernel's BTF has no name {member}");
    for at in places {
        types[at + 1] = b'X';
    }
    let path = directory.join("vmlinux");
    fs::write(&path, types).unwrap();
    path
}

/// A command for rstmon that sees `types` as the kernel's BTF.
fn disguised(types: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(skip::find("unshare").unwrap());
    command.args(["--mount", "sh", "-c", DISGUISE]).arg(types).arg(daemon::binary().unwrap()).args(arguments);
    command
}

fn doctor(types: &Path) -> (Output, Value) {
    let output = disguised(types, &["doctor", "--json"]).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output, report)
}

#[test]
fn without_a_field_its_evidence_is_left_out_and_the_rest_holds() {
    if !ready("renamed field") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let types = renamed(directory.path(), "copied_seq");
    let (output, report) = doctor(&types);
    assert!(output.status.success(), "{report:#}");
    let degraded: Vec<&Value> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["name"] == "field tcp_sock.copied_seq")
        .collect();
    assert_eq!(degraded.len(), 1, "{report:#}");
    assert_eq!(degraded[0]["standing"], "degraded", "{report:#}");

    let stage = Stage::loopback(Family::V4).unwrap();
    let tail = Tail::of(disguised(&types, &["tail", "--json", "--standalone"])).unwrap();
    let scene = close::with_unread_data(&stage).unwrap();
    let sent = scene.resets.iter().find(|reset| reset.direction == Direction::Sent).unwrap();
    let event = tail.wait_for("the reset", SOON, |event| rstmon_tests::judge::is_of(sent, event)).unwrap();
    let evidence = event["evidence"].as_object().unwrap();
    assert!(!evidence.contains_key("unread_bytes"), "what cannot be read is absent, not guessed: {event:#}");
    // Evidence from other fields is unchanged.
    let (comm, pid) = sent.owner.clone().unwrap();
    assert_eq!((&event["owner"]["process"], &event["owner"]["pid"]), (&comm.into(), &pid.into()), "{event:#}");
    let received = sent.evidence.iter().find(|(name, _)| *name == "received_bytes").unwrap().1;
    assert!(received.holds(evidence["received_bytes"].as_u64().unwrap()), "{event:#}");
}

#[test]
fn without_a_field_that_all_depends_on_it_refuses() {
    if !ready("renamed required field") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let types = renamed(directory.path(), "skc_state");
    let (output, report) = doctor(&types);
    assert_eq!((output.status.code(), &report["usable"]), (Some(HOST), &false.into()), "{report:#}");
    let output = disguised(&types, &["tail", "--standalone"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(HOST), "{said}");
    assert!(said.contains("sock_common.skc_state") && said.trim().lines().count() == 1, "{said}");
}
