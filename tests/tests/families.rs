//! IPv4, IPv6 and IPv4 on IPv6 sockets, on the host's loopback, on that of a namespace, and between two joined ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::{Result, ensure};
use rstmon_tests::{
    daemon,
    scenario::{close, open, victim},
    scene::Scene,
    stage::{Family, Stage},
    watched::{RESETS, WatchedDaemon},
};

fn every_family(name: &str, ground: fn(Family) -> Result<Stage>) {
    if !daemon::unless_ready(name) {
        return;
    }
    let watched = WatchedDaemon::start().unwrap();
    let mut failed = Vec::new();
    for family in [Family::V4, Family::V6, Family::Mapped] {
        let stage = ground(family).unwrap();
        for (scenario, play) in [
            ("refused", open::refused as fn(&Stage) -> Result<Scene>),
            ("closed with unread data", close::with_unread_data),
            ("reset by the client", victim::established),
        ] {
            let result = play(&stage).and_then(|scene| check(&watched, &stage, &scene));
            failed.extend(result.err().map(|error| format!("{scenario} over {family:?}: {error:#}")));
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// The event and its counter have the addresses, the family, the service port and the namespace of the right end.
fn check(watched: &WatchedDaemon, stage: &Stage, scene: &Scene) -> Result<()> {
    for reset in &scene.resets {
        let event = watched.facts(reset)?;
        let service = stage.server_address(0).ip();
        let at_server = (reset.local.ip(), reset.local.port()) == (service, service_port(scene));
        let place = if at_server { stage.server() } else { stage.client() };
        let netns = place.inode()?;
        ensure!(event["netns"] == netns, "netns: expected {netns}, found {}", event["netns"]);
        let port = service_port(scene);
        ensure!(event["service_port"] == port, "service_port: expected {port}, found {}", event["service_port"]);

        let family = if reset.local.is_ipv4() { "ipv4" } else { "ipv6" };
        let port = port.to_string();
        let labels = [("direction", reset.direction.word()), ("family", family), ("port", port.as_str())];
        let counted = watched.daemon.scrape()?.count(RESETS, &labels);
        ensure!(counted >= 1, "no count for {labels:?}");
    }
    Ok(())
}

/// The server's port.
fn service_port(scene: &Scene) -> u16 {
    let client = scene.resets.iter().find(|reset| reset.owner.as_ref().is_some_and(|(comm, _)| comm == "caller"));
    let client = client.unwrap_or(&scene.resets[0]);
    client.remote.port()
}

#[test]
fn on_the_hosts_loopback() {
    every_family("host loopback", Stage::host);
}

#[test]
fn on_a_namespaces_loopback() {
    every_family("namespace loopback", Stage::loopback);
}

#[test]
fn between_two_namespaces() {
    every_family("joined namespaces", Stage::joined);
}
