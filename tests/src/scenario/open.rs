//! Resets while a connection is being opened.

use crate::{
    scene::{End, Expected, Scene, Watch},
    stage::Stage,
};
use anyhow::{Result, ensure};

/// A SYN to a closed port: the reset is sent without a socket and received by the process that connected.
///
/// # Errors
/// When a step fails.
pub fn refused(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut client = stage.client_actor("caller")?;
    let port = stage.closed_port()?;
    client.ask(&format!("socket c {}", stage.client_socket()))?;
    // Bound first, because the local port of a refused socket cannot be read.
    let local = client.ask(&format!("bind c {}", stage.client_address(0)))?.get("local")?;
    let remote = stage.server_address(port);
    let errno = client.refused(&format!("connect c {remote}"))?;
    let end = End::of(&client, local, remote);
    Ok(Scene::new(vec![
        Expected::sent_without_socket(remote, local, "no_socket").because("refused", "certain"),
        Expected::received(&end, "syn_sent").because("refused", "certain"),
    ])
    .grew(watch, &[("OutRsts", 1), ("AttemptFails", u64::from(on_one_host(stage))), ("EstabResets", 0)])
    .saw(libc::ECONNREFUSED, errno)
    .keep(client))
}

/// `each` refused connections from every one of several processes, as fast as possible. Returns the port they were sent
/// to, and the processes.
///
/// # Errors
/// When a connection attempt has another result than a refusal.
pub fn flood(stage: &Stage, comms: &[&str], each: u64) -> Result<(u16, Vec<End>)> {
    let port = stage.closed_port()?;
    let target = stage.server_address(port);
    let mut actors = comms.iter().map(|comm| stage.client_actor(comm)).collect::<Result<Vec<_>>>()?;
    for actor in &mut actors {
        actor.begin(&format!("flood {target} {each}"))?;
    }
    let mut ends = Vec::new();
    for actor in &mut actors {
        let done = actor.finish_within(FLOOD_DEADLINE)?;
        let (refused, other): (u64, u64) = (done.get("refused")?, done.get("other")?);
        ensure!(refused == each && other == 0, "{}: {refused} refused, {other} otherwise", actor.comm());
        ends.push(End::of(actor, stage.client_address(0), target));
    }
    Ok((port, ends))
}

/// Time limit for one process of a flood.
const FLOOD_DEADLINE: std::time::Duration = std::time::Duration::from_mins(2);

fn on_one_host(stage: &Stage) -> bool {
    stage.server().inode().ok() == stage.client().inode().ok()
}
