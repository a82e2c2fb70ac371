//! The verdicts of a senior engineer: role, phase, means and what was lost decide the cause, its confidence and its
//! severity, in the event and in the counter.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{daemon, scenario, verdict, watched::RESETS};

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
    assert_eq!(metrics.count("rstmon_uncounted_resets", &[]), 0, "the kernel's count differs");
}
