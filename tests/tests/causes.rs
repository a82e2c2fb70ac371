//! The verdict of every scenario: cause, confidence, owner and the numbers of the evidence in events; the cause in
//! counters.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::{Result, ensure};
use rstmon_tests::{
    daemon, judge,
    scenario::{self, Scenario},
    scene::{Direction, Expected},
    sight::{Sight, unless_unseen},
    skip,
    stage::{Family, Stage},
    watched::{RESETS, WatchedDaemon},
};

/// Thresholds for a test: idle are connections after nginx' keep-alive of 1 s, and after a silence of 1.5 s.
const CONFIG: &str = "[events]
rate_per_second = 0
[thresholds]
idle_seconds = 1.2
keepalive_idle_seconds = 0.8
";

#[test]
fn every_scenario_has_its_cause() {
    if !daemon::unless_ready("causes") {
        return;
    }
    let watched = WatchedDaemon::configured(CONFIG).unwrap();
    let mut failed = Vec::new();
    for scenario in scenario::ALL {
        if !skip::unless_installed(scenario.name, scenario.tools) {
            continue;
        }
        let result = scenario.ground.stage().and_then(|stage| check(&watched, scenario, &stage));
        failed.extend(result.err().map(|error| format!("{}: {error:#}", scenario.name)));
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
    let metrics = watched.daemon.scrape().unwrap();
    let (all, unexplained) = (metrics.count(RESETS, &[]), metrics.count(RESETS, &[("cause", "unexplained")]));
    assert!(unexplained * 100 < all, "{unexplained} of {all} resets are unexplained");
    assert_eq!(metrics.count("rstmon_uncounted_resets", &[]), 0, "the kernel's count differs");
}

#[test]
fn without_tombstones_nothing_is_remembered() {
    if !daemon::unless_ready("no tombstones") || !unless_unseen("no tombstones", &["sent_time_wait"]) {
        return;
    }
    let watched = WatchedDaemon::configured("[tombstones]\nentries = 0\n").unwrap();
    let stage = Stage::loopback(Family::V4).unwrap();
    let scene = scenario::late::in_time_wait(&stage).unwrap();
    let sent = scene.resets.iter().find(|reset| reset.direction == Direction::Sent).unwrap();
    let unowned = Expected { owner: None, evidence: Vec::new(), ..sent.clone() };
    let event = watched.facts(&unowned).unwrap();
    assert_eq!(event["cause"], "write_after_close", "the minisock itself shows the cause: {event:#}");
    assert_eq!(event["evidence"]["closed_ms_ago"], serde_json::Value::Null, "{event:#}");
}

fn check(watched: &WatchedDaemon, scenario: &Scenario, stage: &Stage) -> Result<()> {
    let scene = (scenario.play)(stage)?;
    let sight = Sight::of_kernel()?;
    for reset in &sight.of_scene(scenario.name, &scene) {
        let event = watched.tail.expect(reset)?;
        let wrong = judge::facts(reset, &event) + &judge::verdict(reset, &event);
        ensure!(wrong.is_empty(), "{}: {wrong}in {event:#}", reset.direction.word());
        let port = event["service_port"].as_u64().map(|port| port.to_string());
        let mut labels = vec![("direction", reset.direction.word()), ("cause", reset.verdict.0)];
        labels.extend(port.as_deref().map(|port| ("port", port)));
        let counted = watched.daemon.scrape()?.count(RESETS, &labels);
        ensure!(counted >= 1, "no count for {labels:?}");
    }
    Ok(())
}
