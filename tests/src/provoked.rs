//! Checks that a scenario provokes exactly the resets it claims: by the kernel's counters and tracepoints, and by the
//! error numbers of the applications.

use crate::{
    scenario::Scenario,
    scene::{Direction, Expected, Scene},
    stage::Stage,
    trace::{Hit, Trace},
    wait::{self, SOON},
};
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeSet;

/// Plays a scenario and checks error numbers, counters and tracepoints.
///
/// # Errors
/// When a step fails or something differs.
pub fn check(scenario: &Scenario, stage: &Stage) -> Result<()> {
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
