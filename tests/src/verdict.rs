//! Compares the verdicts about a scenario with the expected ones: in the events and in the counters.

use crate::{
    judge,
    metrics::Metrics,
    scenario::{Scenario, talk},
    scene::{ANY, Direction, Expected, Scene},
    sight::{Hidden, Sight},
    skip,
    watched::{RESETS, WatchedDaemon},
};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::fmt::Write as _;

/// Starts a daemon with the thresholds that the scenarios are made for.
///
/// # Errors
/// When it does not get ready.
pub fn daemon() -> Result<WatchedDaemon> {
    WatchedDaemon::configured(&format!("[events]\nrate_per_second = 0\n{}", talk::THRESHOLDS))
}

/// Plays a scenario and compares each of its resets.
///
/// # Errors
/// When a step fails or something differs; every difference is in the message.
pub fn check(watched: &WatchedDaemon, scenario: &Scenario) -> Result<()> {
    let stage = scenario.ground.stage()?;
    let missed_before = missed_runs(&watched.daemon.scrape()?);
    let scene = (scenario.play)(&stage)?;
    let sight = Sight::of_kernel()?;
    let mut wrong = String::new();
    let mut not_run = 0;
    for (earlier, reset) in scene.numbered() {
        let expected = match sight.expect(reset) {
            Ok(expected) => expected,
            Err(Hidden(why)) => {
                skip::left_out(&format!("{}, {}", scenario.name, reset.direction.word()), &why);
                continue;
            }
        };
        let event = match watched.tail.expect_after(earlier.saturating_sub(not_run), &expected) {
            Ok(event) => event,
            Err(error) if expected.direction == Direction::Sent => {
                // The kernel skips a hook that would interrupt itself, and says how many times.
                not_run += 1;
                let missed = missed_runs(&watched.daemon.scrape()?) - missed_before;
                ensure!(missed >= not_run as u64, "{missed} runs were missed; {error:#}");
                skip::left_out(&format!("{}, {}", scenario.name, reset.direction.word()), "the kernel missed a run");
                continue;
            }
            Err(error) => return Err(error),
        };
        let found = judge::facts(&expected, &event)
            + &judge::verdict(&expected, &event)
            + &sender(sight, &scene, reset, &event);
        if !found.is_empty() {
            let _ = writeln!(
                wrong,
                "{} {}:\n{found}in {event}",
                if earlier > 0 { "echo" } else { "" },
                reset.direction.word()
            );
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

/// How many sent resets the kernel has run no hook for: their hook would have interrupted itself.
#[must_use]
pub fn missed_runs(metrics: &Metrics) -> u64 {
    metrics.count("rstmon_probe_missed_runs_total", &[("hook", "tcp_send_reset")])
}

/// The difference between the sender that a received reset names, if it is on this host, and the process that really
/// sent it: the first reset of the connection, not an echo.
fn sender(sight: &Sight, scene: &Scene, reset: &Expected, event: &Value) -> String {
    let across = |sent: &&Expected| (sent.local, sent.remote) == (reset.remote, reset.local);
    let first = scene.resets.iter().filter(|sent| sent.direction == Direction::Sent).find(across);
    let seen = first.filter(|_| reset.direction == Direction::Received).and_then(|sent| sight.expect(sent).ok());
    match seen.map(|sent| sent.verdict.0) {
        Some(cause) if cause != ANY && event["peer"]["cause"] != cause => {
            format!("peer.cause: expected {cause:?}, found {}\n", event["peer"]["cause"])
        }
        _ => String::new(),
    }
}
