//! Checks every scenario against the kernel, without rstmon: its counters, its tracepoints, its error numbers.
//!
//! A scenario that passes provokes exactly the resets it claims; the tests of rstmon rely on that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use anyhow::{Context as _, Result, bail, ensure};
use rstmon_tests::{
    scenario::{self, Ground, Scenario},
    scene::{Direction, Expected, Scene},
    skip,
    stage::{Family, Stage},
    trace::{Hit, Trace},
    wait::{self, SOON},
};
use std::collections::BTreeSet;

#[test]
fn every_scenario_provokes_what_it_claims() {
    let only = std::env::var("RSTMON_SCENARIO").ok();
    let chosen = |scenario: &&&Scenario| only.as_deref().is_none_or(|only| scenario.name.contains(only));
    let mut failed = Vec::new();
    for (scenarios, at_once) in [(scenario::ALL, false), (scenario::VERDICTS, true)] {
        let runnable: Vec<&Scenario> = scenarios.iter().filter(|one| chosen(&one) && can_play(one)).collect();
        let play = |scenario: &Scenario| check(scenario, &scenario.ground.stage()?);
        if at_once {
            failed.extend(scenario::failures(&runnable, play));
        } else {
            let results = runnable.into_iter().map(|scenario| (scenario.name, play(scenario)));
            failed.extend(results.filter_map(|(name, result)| Some(format!("{name}: {:#}", result.err()?))));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

fn can_play(scenario: &Scenario) -> bool {
    skip::unless_root(scenario.name) && skip::unless_installed(scenario.name, &[&["ip"], scenario.tools].concat())
}

#[test]
fn loopback_scenarios_play_in_ipv6_and_mapped_ipv4_alike() {
    let all = scenario::ALL.iter().chain(scenario::VERDICTS);
    let loopback: Vec<&Scenario> =
        all.filter(|scenario| scenario.ground == Ground::Loopback && can_play(scenario)).collect();
    let mut failed = Vec::new();
    for family in [Family::V6, Family::Mapped] {
        let failures = scenario::failures(&loopback, |scenario| check(scenario, &Stage::loopback(family)?));
        failed.extend(failures.into_iter().map(|failure| format!("{family:?}: {failure}")));
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn resets_cross_from_one_namespace_to_the_other() {
    for family in [Family::V4, Family::V6] {
        if skip::unless_root("joined namespaces") {
            let stage = Stage::joined(family).unwrap();
            let scenario = Scenario {
                name: "joined",
                ground: Ground::JoinedV4,
                tools: &[],
                play: scenario::close::with_unread_data,
            };
            check(&scenario, &stage).unwrap();
        }
    }
}

#[test]
fn every_connection_of_a_flood_is_refused() {
    if skip::unless_root("flood") {
        let stage = Stage::undisturbed(Family::V4).unwrap();
        let watch = rstmon_tests::scene::Watch::on(stage.server()).unwrap();
        let each = wait::feasible(10_000);
        scenario::open::flood(&stage, &["flood-a", "flood-b"], each).unwrap();
        let growth = watch.growth().unwrap();
        assert_eq!((growth.get("OutRsts"), growth.get("AttemptFails")), (2 * each, 2 * each));
    }
}

fn check(scenario: &Scenario, stage: &Stage) -> Result<()> {
    let trace = Trace::start()?;
    let scene = (scenario.play)(stage)?;
    for (claimed, found) in &scene.errnos {
        ensure!(claimed == found, "expected errno {claimed} in the application, found {found}");
    }
    let counted = check_counters(&scene);
    let traced = trace.map_or(Ok(()), |trace| check_trace(&scene, &trace));
    counted.and(traced)
}

/// The counters grow by what is claimed, and not further.
fn check_counters(scene: &Scene) -> Result<()> {
    for growth in &scene.growth {
        let mut found = Vec::new();
        let reached = wait::until_true("the counters", SOON, || {
            found = growth.found()?;
            Ok(found.iter().zip(&growth.counters).all(|((_, found), (_, claimed))| found >= claimed))
        });
        if reached.is_err() || found != growth.counters {
            bail!("the counters grew by {found:?}, expected {:?}", growth.counters);
        }
    }
    Ok(())
}

/// The ports in the tracepoint of a reset: that of a listener has no peer.
fn traced_ports(reset: &Expected) -> (u16, u16) {
    let remote = if reset.state == Some("listen") { 0 } else { reset.remote.port() };
    (reset.local.port(), remote)
}

/// Each reset is traced once, with its reason, and there is no other between the same ports.
fn check_trace(scene: &Scene, trace: &Trace) -> Result<()> {
    let pairs: BTreeSet<(u16, u16)> = scene
        .resets
        .iter()
        .flat_map(|reset| [traced_ports(reset), (reset.remote.port(), reset.local.port())])
        .collect();
    let hits = || -> Result<Vec<Hit>> {
        let hits = trace.hits()?.into_iter();
        Ok(hits.filter(|hit| pairs.contains(&(hit.local_port, hit.remote_port))).collect())
    };
    let claimed = scene.resets.len() + scene.false_receives;
    wait::until_true("the trace", SOON, || Ok(hits()?.len() >= claimed))
        .with_context(|| format!("traced were {:?}", hits()))?;
    let hits = hits()?;
    ensure!(hits.len() == claimed, "expected {claimed} hits, found {hits:#?}");
    for (index, reset) in scene.resets.iter().enumerate() {
        let alike = |one: &&Expected| one.direction == reset.direction && traced_ports(one) == traced_ports(reset);
        let earlier = scene.resets[..index].iter().filter(alike).count();
        let mut along = hits
            .iter()
            .filter(|hit| hit.direction == reset.direction && (hit.local_port, hit.remote_port) == traced_ports(reset));
        let hit = along.nth(earlier);
        let hit = hit.with_context(|| format!("{reset:?} is not among {hits:?}"))?;
        if let (Direction::Sent, Some(reason), Some(traced)) = (reset.direction, reset.reason, &hit.reason) {
            ensure!(traced == reason, "expected the reason {reason}, found {traced}");
        }
    }
    Ok(())
}
