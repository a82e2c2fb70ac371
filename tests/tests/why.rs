//! `rstmon why`: with the daemon and alone, as text and as JSON.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    actor::Actor,
    daemon::{self, DaemonProcess, StderrLog, rstmon},
    hostile::closed_address,
    machine::MachineLock,
    netns::NetworkPlace,
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
    assert!(page.starts_with("No resets ") && page.contains("when the daemon started"), "{page}");
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

/// The finding about the process in a report.
fn finding_of<'a>(report: &'a Value, process: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["process"] == process);
    found.unwrap_or_else(|| panic!("no finding about {process} in {report:#}"))
}

#[test]
fn what_is_counted_and_not_remembered_is_said() {
    const RESETS: u64 = 3000;
    if !daemon::unless_ready("why counted") {
        return;
    }
    let _machine = MachineLock::exclusive().unwrap();
    let daemon = DaemonProcess::configured("[events]\nrate_per_second = 1\n").unwrap();
    let mut actor = Actor::spawn(&NetworkPlace::Host, "plain").unwrap();
    // The name "insist".
    actor.ask("comm-hex 696e73697374").unwrap();
    let refused: u64 = actor.ask(&format!("flood {} {RESETS}", closed_address())).unwrap().get("refused").unwrap();
    let socket = daemon.socket();
    let why = |more: &[&str]| {
        let output = rstmon(&[&["why", "--since", "1h", "--socket", socket.to_str().unwrap()], more].concat()).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let mut report = Value::Null;
    wait::until_true("all events that are sent", SOON, || {
        report = serde_json::from_str(&why(&["--json"]))?;
        // Each reset is refused at one end and received at the other.
        let known = report["remembered"].as_u64().unwrap() + report["lost"].as_u64().unwrap();
        let counted = ["sent", "received"].map(|direction| report["counted"][direction].as_u64().unwrap());
        Ok(known >= 2 * refused && known == counted.iter().sum::<u64>())
    })
    .unwrap();
    assert_eq!(report["since"], report["started"], "{report:#}");
    let [sent, received] = ["sent", "received"].map(|direction| report["counted"][direction].as_u64().unwrap());
    assert!(sent >= refused && received >= refused, "{sent} and {received} of {refused} are counted");
    let finding = finding_of(&report, "insist");
    assert_eq!(finding["counted"], refused, "{finding:#}");
    assert!(finding["count"].as_u64().unwrap() < refused, "the rate limit has had an effect: {finding:#}");

    let page = why(&["process=insist"]).split_whitespace().collect::<Vec<_>>().join(" ");
    let begin = format!("{refused} resets counted since ");
    assert!(page.starts_with(&begin), "expected {begin:?} in {page}");
    for part in [", when the daemon started, ", "of them remembered and explained", &format!("{refused} counted, ")] {
        assert!(page.contains(part), "{part:?} is not in {page}");
    }
    daemon.stop().unwrap();
}

#[test]
fn with_a_daemon_it_watches_through_it() {
    if !daemon::unless_ready("why follows") {
        return;
    }
    let watched = WatchedDaemon::start().unwrap();
    let stage = Stage::loopback(Family::V4).unwrap();
    // Before the watch: not part of the report.
    let _before = scenario::close::with_unread_data(&stage).unwrap();
    let mut watching = Command::new(daemon::binary().unwrap())
        .args(["why", "--for", "60s", "--json", "--socket"])
        .arg(watched.daemon.socket())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = StderrLog::collect(watching.stderr.take().unwrap());
    wait::until_true("why to watch", SOON, || Ok(said.text().contains("watching resets through the daemon"))).unwrap();
    let scene = scenario::close::with_unread_data(&stage).unwrap();
    watched.all_facts(&scene).unwrap();
    rustix::process::kill_process(Pid::from_child(&watching), Signal::INT).unwrap();
    let output = watching.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, said.text());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sent = scene.resets.iter().find(|reset| reset.direction == Direction::Sent).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["port"] == sent.local.port());
    let finding = finding.unwrap_or_else(|| panic!("no finding in {report:#}"));
    assert_eq!((&finding["cause"], &finding["count"]), (&"closed_with_unread_data".into(), &1.into()), "{finding:#}");
    assert_eq!(report["lost"], 0, "{report:#}");
    assert!(report["counted"]["sent"].as_u64() >= Some(1), "{report:#}");
}
