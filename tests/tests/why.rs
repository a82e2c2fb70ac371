//! `rstmon why`: with the daemon and alone, as text and as JSON.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, StderrLog, rstmon},
    scenario,
    scene::Direction,
    stage::{Family, Stage},
    wait::{self, SOON},
    watched::WatchedDaemon,
};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::process::{Command, Stdio};

fn why(watched: &WatchedDaemon, more: &[&str]) -> String {
    let socket = watched.daemon.socket();
    let output = rstmon(&[&["why", "--socket", socket.to_str().unwrap()], more].concat()).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_reset_becomes_a_finding_with_its_evidence_and_remedies() {
    if !daemon::unless_ready("why") {
        return;
    }
    let watched = WatchedDaemon::start().unwrap();
    let stage = Stage::loopback(Family::V4).unwrap();
    let scene = scenario::close::with_unread_data(&stage).unwrap();
    let sent = scene.resets.iter().find(|reset| reset.direction == Direction::Sent).unwrap();
    // The daemon has both events before it is asked.
    watched.all_facts(&scene).unwrap();
    let (comm, pid) = sent.owner.clone().unwrap();
    let filter = format!("process={comm}");

    let report: Value = serde_json::from_str(&why(&watched, &["--json", &filter])).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["cause"] == "closed_with_unread_data");
    let finding = finding.unwrap_or_else(|| panic!("no such finding in {report:#}"));
    assert_eq!(report["schema"], 1);
    assert_eq!(finding["process"], comm.as_str());
    assert_eq!(finding["port"], sent.local.port());
    assert_eq!(finding["example"]["owner"]["pid"], pid);
    assert!(!finding["remedies"].as_array().unwrap().is_empty(), "{finding:#}");
    let received = report["findings"].as_array().unwrap().iter().any(|finding| finding["direction"] == "received");
    assert!(!received, "the received end is joined to the sender's reset: {report:#}");

    let page = why(&watched, &[&filter]);
    for part in [
        "closed_with_unread_data (harmful, certain)",
        &format!("{comm}[{pid}] closed the connection with"),
        "rstmon causes",
    ] {
        assert!(page.contains(part), "{part:?} is not in:\n{page}");
    }
}

#[test]
fn no_resets_is_an_answer() {
    if !daemon::unless_ready("why nothing") {
        return;
    }
    let watched = WatchedDaemon::start().unwrap();
    let page = why(&watched, &["process=no-such-process"]);
    assert!(page.starts_with("No resets in the last 10.0 min"), "{page}");
}

#[test]
fn without_a_daemon_it_watches() {
    if !daemon::unless_ready("why alone") {
        return;
    }
    let mut watching = Command::new(daemon::binary().unwrap())
        .args(["why", "--for", "60s", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = StderrLog::collect(watching.stderr.take().unwrap());
    wait::until_true("why to watch", SOON, || Ok(said.text().contains("watching"))).unwrap();
    let stage = Stage::loopback(Family::V4).unwrap();
    let _scene = scenario::close::with_unread_data(&stage).unwrap();
    // Ctrl-C ends the watch early, with a report.
    rustix::process::kill_process(Pid::from_child(&watching), Signal::INT).unwrap();
    let output = watching.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, said.text());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let causes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|finding| &finding["cause"]).collect();
    assert!(causes.iter().any(|cause| **cause == "closed_with_unread_data"), "{report:#}");
}
