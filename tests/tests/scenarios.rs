//! Checks every scenario against the kernel, without rstmon: its counters, its tracepoints, its error numbers.
//!
//! A scenario that passes provokes exactly the resets it claims; the tests of rstmon rely on that.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use rstmon_tests::{
    provoked,
    scenario::{self, Ground, Scenario},
    skip,
    stage::{Family, Stage},
    wait,
};

#[test]
fn every_scenario_provokes_what_it_claims() {
    if !skip::unless_root("scenarios") {
        return;
    }
    let all = [scenario::chosen(scenario::ALL), scenario::chosen(scenario::VERDICTS)].concat();
    let failed = scenario::failures(&all, |scenario| provoked::check(scenario, &scenario.ground.stage()?));
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn loopback_scenarios_play_in_ipv6_and_mapped_ipv4_alike() {
    if !skip::unless_root("scenarios in IPv6") {
        return;
    }
    let mut loopback = [scenario::chosen(scenario::ALL), scenario::chosen(scenario::VERDICTS)].concat();
    loopback.retain(|scenario| scenario.ground == Ground::Loopback);
    let mut failed = Vec::new();
    for family in [Family::V6, Family::Mapped] {
        let failures = scenario::failures(&loopback, |scenario| provoked::check(scenario, &Stage::loopback(family)?));
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
            provoked::check(&scenario, &stage).unwrap();
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
