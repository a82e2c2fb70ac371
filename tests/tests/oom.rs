//! A process that the OOM killer kills, in a cgroup with a memory limit of the test's own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    cgroup::Cgroup,
    connection::Connection,
    daemon,
    scene::Expected,
    skip,
    stage::{Family, Stage},
    watched::WatchedDaemon,
};
use serde_json::Value;

const LIMIT: u64 = 64 << 20;
/// Bytes that the server leaves unread.
const UNREAD: u64 = 100;

/// The event of a server with unread data in these cgroups that ends so.
fn event_of(watched: &WatchedDaemon, groups: &[&Cgroup], end: impl FnOnce(&mut Connection)) -> Value {
    let stage = Stage::loopback(Family::V4).unwrap();
    let mut pair = Connection::open(&stage).unwrap();
    for group in groups {
        group.add(pair.server.pid()).unwrap();
    }
    pair.client_writes(UNREAD).unwrap();
    let dying = pair.server_end();
    end(&mut pair);
    let expected = Expected::sent(&dying, "tcp_abort_on_close", "established").because("process_exit", "certain");
    watched.facts(&expected).unwrap()
}

fn is_named(event: &Value) -> bool {
    let facts =
        event["evidence"]["facts"].as_array().is_some_and(|facts| facts.iter().any(|fact| fact == "oom_killed"));
    assert_eq!(facts, event["sentence"].as_str().unwrap().contains("OOM killer"), "{event:#}");
    assert_eq!(event["evidence"]["exit_signal"], 9, "{event:#}");
    facts
}

#[test]
fn an_oom_kill_is_named_as_one_and_no_other_kill_is() {
    if !daemon::unless_ready("oom kill") {
        return;
    }
    let unit = format!("oom-{}.service", std::process::id());
    let (Some(group), Some(memory)) = (Cgroup::new(&unit).unwrap(), Cgroup::memory(&unit).unwrap()) else {
        skip::note("oom kill", "no cgroup hierarchy with a memory controller is mounted");
        return;
    };
    memory.limit_memory(LIMIT).unwrap();
    let watched = WatchedDaemon::start().unwrap();
    let groups = [&group, &memory];
    let killed = event_of(&watched, &groups, |pair| pair.server.kill().unwrap());
    assert!(!is_named(&killed), "before any OOM kill: {killed:#}");
    let eaten = event_of(&watched, &groups, |pair| pair.server.begin("eat").unwrap());
    assert!(is_named(&eaten), "{eaten:#}");
    let killed = event_of(&watched, &groups, |pair| pair.server.kill().unwrap());
    assert!(!is_named(&killed), "after another's OOM kill: {killed:#}");
}
