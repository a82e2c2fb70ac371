//! The systemd unit and the container of an owner.

use crate::{reset_by, watched};
use anyhow::{Result, ensure};
use rstmon_tests::{cgroup::Cgroup, connection, scene::End, skip, watched::RESETS};
use serde_json::Value;

#[test]
fn a_reset_is_attributed_to_the_systemd_unit() {
    attributed_to_unit("unit", Cgroup::new);
}

#[test]
fn a_reset_is_attributed_to_the_systemd_unit_of_a_v1_hierarchy() {
    attributed_to_unit("unit-v1", Cgroup::legacy);
}

#[test]
fn a_reset_is_attributed_to_the_container() {
    let id = format!("{:064x}", u128::from(std::process::id()) << 64 | 0xc0_ffee);
    let event = attributed_to("container", &format!("docker-{id}.scope"), Cgroup::new);
    if let Some(event) = event {
        assert_eq!(event["owner"]["container"], id.as_str(), "{event:#}");
    }
}

fn attributed_to_unit(name: &str, make: fn(&str) -> Result<Option<Cgroup>>) {
    attributed_to(name, &format!("{name}-{}.service", std::process::id()), make);
}

/// The event of a reset of a process in the cgroup of `unit`; `None` if there can be no such cgroup.
fn attributed_to(name: &str, unit: &str, make: fn(&str) -> Result<Option<Cgroup>>) -> Option<Value> {
    let mut seen = None;
    watched(name, |watched, stage| {
        let Some(group) = make(unit)? else {
            skip::note(name, "no such cgroup hierarchy is mounted");
            return Ok(());
        };
        let mut server = stage.server_actor("web")?;
        group.add(server.pid())?;
        let service = connection::listen(stage, &mut server, None, 16)?;
        let mut client = stage.client_actor("caller")?;
        let remote = connection::dial(stage, &mut client, None, "c", service)?;
        server.ask("accept l c")?;
        let reset = reset_by(&mut client, &End::of(&server, service, remote))?;
        let event = watched.facts(&reset)?;
        ensure!(event["owner"]["unit"] == unit, "owner.unit: expected {unit}, found {}", event["owner"]["unit"]);
        let counted = watched.daemon.scrape()?.count(RESETS, &[("unit", unit), ("direction", "received")]);
        ensure!(counted == 1, "resets counted for {unit}: expected 1, found {counted}");
        drop(server);
        seen = Some(event);
        Ok(())
    });
    seen
}
