//! The verdicts of a senior engineer: role, phase, means and what was lost decide the cause, its confidence and its
//! severity, in the event and in the counter.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::{Result, ensure};
use rstmon_tests::{
    daemon, judge,
    scenario::{self, Scenario, talk},
    scene::{ANY, Direction, Expected, Scene},
    sight::{Hidden, Sight},
    skip,
    watched::{RESETS, WatchedDaemon},
};
use serde_json::Value;

#[test]
fn every_scenario_has_its_verdict() {
    if !daemon::unless_ready("verdicts") {
        return;
    }
    let watched = WatchedDaemon::configured(&format!("[events]\nrate_per_second = 0\n{}", talk::THRESHOLDS)).unwrap();
    let only = std::env::var("RSTMON_SCENARIO").unwrap_or_default();
    let possible: Vec<&Scenario> = scenario::VERDICTS
        .iter()
        .filter(|scenario| scenario.name.contains(&only) && skip::unless_installed(scenario.name, scenario.tools))
        .collect();
    let failed = scenario::failures(&possible, |scenario| check(&watched, scenario));
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), possible.len(), failed.join("\n"));

    let metrics = watched.daemon.scrape().unwrap();
    assert_eq!(metrics.count(RESETS, &[("cause", "unexplained")]), 0, "every reset of these scenarios has a story");
    let echoes = |severity| metrics.count(RESETS, &[("cause", "already_reset"), ("severity", severity)]);
    assert_eq!((echoes("harmful"), echoes("notice")), (0, 0), "an echo is no new harm");
    assert_eq!(metrics.count("rstmon_uncounted_resets", &[]), 0, "the kernel's count differs");
}

/// The difference between the sender that a received reset names, if it is on this host, and the process that really
/// sent it: the first reset of the connection, not an echo.
fn sender(scene: &Scene, reset: &Expected, event: &Value) -> String {
    let across = |sent: &&Expected| (sent.local, sent.remote) == (reset.remote, reset.local);
    let first = scene.resets.iter().filter(|sent| sent.direction == Direction::Sent).find(across);
    match first.filter(|sent| reset.direction == Direction::Received && sent.verdict.0 != ANY) {
        Some(sent) if event["peer"]["cause"] != sent.verdict.0 => {
            format!("peer.cause: expected {:?}, found {}\n", sent.verdict.0, event["peer"]["cause"])
        }
        _ => String::new(),
    }
}

fn check(watched: &WatchedDaemon, scenario: &Scenario) -> Result<()> {
    let stage = scenario.ground.stage()?;
    let scene = (scenario.play)(&stage)?;
    let sight = Sight::of_kernel()?;
    let mut wrong = String::new();
    for (earlier, reset) in scene.numbered() {
        let expected = match sight.expect(reset) {
            Ok(expected) => expected,
            Err(Hidden(why)) => {
                skip::left_out(&format!("{}, {}", scenario.name, reset.direction.word()), &why);
                continue;
            }
        };
        let event = watched.tail.expect_after(earlier, &expected)?;
        let found =
            judge::facts(&expected, &event) + &judge::verdict(&expected, &event) + &sender(&scene, reset, &event);
        if !found.is_empty() {
            wrong +=
                &format!("{} {}:\n{found}in {event}\n", if earlier > 0 { "echo" } else { "" }, reset.direction.word());
            continue;
        }
        ensure!(event["verdict"]["rule"].as_str().is_some_and(|rule| !rule.is_empty()), "no rule in {event}");
        let port = event["service_port"].as_u64().map(|port| port.to_string());
        let mut labels = vec![("direction", reset.direction.word())];
        labels.extend(Some(("cause", expected.verdict.0)).filter(|(_, cause)| *cause != ANY));
        labels.extend(expected.severity.filter(|severity| *severity != ANY).map(|severity| ("severity", severity)));
        labels.extend(port.as_deref().map(|port| ("port", port)));
        let counted = watched.daemon.scrape()?.count(RESETS, &labels);
        ensure!(counted >= 1, "no count for {labels:?}");
    }
    ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}
