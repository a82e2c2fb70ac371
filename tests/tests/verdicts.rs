//! The verdicts of a senior engineer: role, phase, means and what was lost decide the cause, its confidence and its
//! severity, in the event and in the counter.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{daemon, scenario, sight::unless_unseen, verdict, watched::RESETS};
use serde_json::Value;

#[test]
fn every_scenario_has_its_verdict() {
    if !daemon::unless_ready("verdicts") {
        return;
    }
    let watched = verdict::daemon().unwrap();
    let possible = scenario::chosen(scenario::VERDICTS);
    let failed = scenario::failures(&possible, |scenario| verdict::check(&watched, scenario));
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), possible.len(), failed.join("\n"));

    let metrics = watched.daemon.scrape().unwrap();
    assert_eq!(metrics.count(RESETS, &[("cause", "unexplained")]), 0, "every reset of these scenarios has a story");
    let echoes = |severity| metrics.count(RESETS, &[("cause", "already_reset"), ("severity", severity)]);
    assert_eq!((echoes("harmful"), echoes("notice")), (0, 0), "an echo is no new harm");
    let missed = verdict::missed_runs(&metrics);
    assert_eq!(metrics.count("rstmon_uncounted_resets", &[]), missed, "the kernel's count differs");
}

#[test]
fn the_cause_ranks_above_its_aftermath_and_one_reset_is_one_finding() {
    if !daemon::unless_ready("aftermath") || !unless_unseen("aftermath", &["sent_time_wait", "sent_without_socket"]) {
        return;
    }
    let watched = verdict::daemon().unwrap();
    for name in ["race_of_a_split_request", "forgotten_while_quiet"] {
        let scenario = scenario::VERDICTS.iter().find(|scenario| scenario.name == name).unwrap();
        let stage = scenario.ground.stage().unwrap();
        let scene = (scenario.play)(&stage).unwrap();
        for (earlier, reset) in scene.numbered() {
            watched.tail.expect_after(earlier, reset).unwrap();
        }
        let cause = scene.resets[0].verdict.0;
        let port = format!("port={}", scene.resets[0].local.port());
        let socket = watched.daemon.socket();
        let output = daemon::rstmon(&["why", "--socket", socket.to_str().unwrap(), "--json", &port]).unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        assert_eq!(findings[0]["cause"], cause, "{name}: {report:#}");
        let received = findings.iter().any(|finding| finding["direction"] == "received");
        assert!(!received, "{name}: both ends of a reset are one finding: {report:#}");
    }
}
