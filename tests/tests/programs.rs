//! The verdicts about programs of others, and behind a packet filter: servers, proxies and clients as they are
//! installed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{daemon, provoked, scenario, skip, verdict};

#[test]
fn every_program_provokes_what_is_claimed() {
    if !skip::unless_root("programs") {
        return;
    }
    let possible = scenario::chosen(scenario::PROGRAMS);
    let failed = scenario::failures(&possible, |scenario| provoked::check(scenario, &scenario.ground.stage()?));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_program_has_its_verdict() {
    if !daemon::unless_ready("programs") {
        return;
    }
    let watched = verdict::daemon().unwrap();
    let possible = scenario::chosen(scenario::PROGRAMS);
    let failed = scenario::failures(&possible, |scenario| verdict::check(&watched, scenario));
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), possible.len(), failed.join("\n"));
}
