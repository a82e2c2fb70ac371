//! Joining of both ends on this host: a received reset names the local process that sent it, and that process' cause.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon,
    scenario::{self, Scenario},
    scene::Direction,
    skip,
    watched::WatchedDaemon,
};

/// Scenarios with active and passive resets, on loopback, and with a proxy and its backend.
const STORIES: &[&str] = &[
    "close_with_unread_data",
    "linger_zero",
    "write_after_close_in_fin_wait2",
    "refused",
    "backend_aborts_behind_proxy",
];

#[test]
fn both_ends_on_one_host_are_one_story() {
    if !daemon::unless_ready("joined") {
        return;
    }
    let watched = WatchedDaemon::start().unwrap();
    for name in STORIES {
        let scenario = scenario::ALL
            .iter()
            .find(|scenario| scenario.name == *name)
            .unwrap_or_else(|| panic!("unknown scenario {name}; the scenarios are {:?}", names()));
        if skip::unless_installed(scenario.name, scenario.tools) {
            check(&watched, scenario);
        }
    }
}

fn names() -> Vec<&'static str> {
    scenario::ALL.iter().map(|scenario| scenario.name).collect()
}

fn check(watched: &WatchedDaemon, scenario: &Scenario) {
    let stage = scenario.ground.stage().unwrap();
    let scene = (scenario.play)(&stage).unwrap();
    let mut joined = 0;
    for received in scene.resets.iter().filter(|reset| reset.direction == Direction::Received) {
        let mirrored = scene.resets.iter().find(|sent| {
            sent.direction == Direction::Sent && (sent.local, sent.remote) == (received.remote, received.local)
        });
        let Some(sent) = mirrored else { continue };
        let event = watched.facts(received).unwrap();
        let peer = &event["peer"];
        assert_eq!(peer["cause"], sent.verdict.0, "{}: {event:#}", scenario.name);
        if let Some((comm, pid)) = &sent.owner {
            assert_eq!(
                (&peer["pid"], &peer["process"]),
                (&(*pid).into(), &comm.as_str().into()),
                "{}: {event:#}",
                scenario.name
            );
            let sentence = event["sentence"].as_str().unwrap();
            assert!(sentence.contains(&format!("{comm}[{pid}] on this host sent it")), "{}: {sentence}", scenario.name);
        }
        joined += 1;
    }
    assert!(joined > 0, "{}: no received reset has its sender in the scene", scenario.name);
}
