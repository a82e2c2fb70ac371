//! A step of the wall clock changes no count; ages are the kernel's own; an event's time is the clock's at that moment.
//! Runs only in a guest of the kernel matrix: on any other machine all other processes would see the step.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    clock::{self, ClockStep, SteppedClock},
    connection::Connection,
    daemon, skip,
    stage::{Family, Stage},
    wait::SOON,
    watched::{RESETS, WatchedDaemon},
};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// An upper bound of the age of the connections of this test, in milliseconds.
const OLD_MS: u64 = 12 * 3_600_000;

#[test]
fn a_step_of_the_wall_clock_changes_no_count_and_no_age() {
    if !daemon::unless_ready("clock") {
        return;
    }
    if !clock::is_ours() {
        return skip::not_possible("clock", "the clock is stepped only in guests of `cargo xtask vm`");
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let watched = WatchedDaemon::start().unwrap();
    let received = [("direction", "received"), ("process", "web")];
    let count = || watched.daemon.scrape().unwrap().count(RESETS, &received);
    let mut dates = Vec::new();
    for (number, step) in [None, Some(ClockStep::Ahead(DAY)), Some(ClockStep::Back(DAY)), None].into_iter().enumerate()
    {
        let number = number as u64;
        let mut pair = Connection::open(&stage).unwrap();
        // The connection is opened before the step.
        let stepped = step.map(|step| SteppedClock::by(step).unwrap());
        pair.client.ask("set c linger 0").unwrap();
        pair.client.ask("close c").unwrap();
        let port = pair.client_address.port();
        let event = watched
            .tail
            .wait_for("the reset", SOON, |event| event["direction"] == "received" && event["remote"]["port"] == port);
        let event = event.unwrap();
        let age = event["evidence"]["age_ms"].as_u64().unwrap_or_default();
        assert!(age < OLD_MS, "the connection is {age} ms old: {event:#}");
        dates.push(event["time"].as_str().unwrap().split('T').next().unwrap().to_owned());
        // While the clock is off, and after it has been set back.
        assert_eq!(count(), number + 1);
        drop(stepped);
        assert_eq!(count(), number + 1);
    }
    assert!(dates[1] > dates[0] && dates[2] < dates[0] && dates[3] >= dates[0], "{dates:?}");
}
