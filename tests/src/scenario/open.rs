//! Resets while a connection is being opened.

use super::talk::{Side, Talk};
use crate::{
    scene::{End, Expected, Scene, Watch},
    sockets::{self, Orphan},
    stage::Stage,
    sysctl::Sysctl,
    wait::{self, SOON},
};
use anyhow::{Result, ensure};
use std::net::SocketAddr;

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

/// A SYN to a port that is listened to, but on another address of this host.
///
/// # Errors
/// When a step fails.
pub(crate) fn refused_on_another_address(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut server = stage.server_actor("web")?;
    let service = crate::connection::listen(stage, &mut server, None, 16)?;
    let mut client = stage.client_actor("caller")?;
    client.ask("socket c v4")?;
    let local = client.ask(&format!("bind c {}", stage.client_address(0)))?.get("local")?;
    let remote = SocketAddr::from(([127, 0, 0, 2], service.port()));
    let errno = client.refused(&format!("connect c {remote}"))?;
    Ok(Scene::new(vec![
        Expected::sent_without_socket(remote, local, "no_socket")
            .judged("refused", "notice")
            .surely("certain")
            .saying("another address"),
        Expected::received(&End::of(&client, local, remote), "syn_sent").judged("refused", "notice").surely("certain"),
    ])
    .grew(watch, &[("OutRsts", 1), ("AttemptFails", 1)])
    .saw(libc::ECONNREFUSED, errno)
    .keep((server, client)))
}

/// A client opens a connection from the port of its last one, which the server's `TIME_WAIT` remembers: that answers
/// with an acknowledgement, which the client resets. Its next SYN succeeds.
///
/// # Errors
/// When a step fails.
pub(crate) fn port_reuse_at_time_wait(stage: &Stage) -> Result<Scene> {
    // With timestamps the new connection is recognised as new.
    let timestamps = Sysctl::set(stage.server(), "ipv4/tcp_timestamps", "0")?;
    let watch = Watch::on(stage.server())?;
    let mut server = stage.server_actor("web")?;
    let service = crate::connection::listen(stage, &mut server, None, 16)?;
    let mut client = stage.client_actor("caller")?;
    let mut from = stage.client_address(0);
    for (slot, start) in [("c", 3_000_000_000u32), ("d", 2_900_000_000)] {
        client.ask(&format!("socket {slot} {}", stage.client_socket()))?;
        client.ask(&format!("set {slot} reuseaddr 1"))?;
        from = client.ask(&format!("bind {slot} {from}"))?.get("local")?;
        client.ask(&format!("start-at {slot} {start}"))?;
        client.ask(&format!("connect {slot} {service}"))?;
        server.ask(&format!("accept l {slot}"))?;
        if slot == "c" {
            server.ask("close c")?;
            client.ask("recv c 1")?;
            client.ask("close c")?;
            wait::until_true("TIME_WAIT", SOON, || {
                let left = |local: SocketAddr, remote: SocketAddr| {
                    sockets::orphan(stage.server(), local.port(), remote.port())
                };
                Ok((left(service, from)?, left(from, service)?) == (Orphan::Mini, Orphan::Gone))
            })?;
        }
    }
    let sent = Expected::sent(&End::of(&client, from, service), "tcp_invalid_ack_sequence", "syn_sent");
    Ok(Scene::new(vec![sent.judged("port_reuse", "benign")])
        .grew(watch, &[("OutRsts", 1), ("EstabResets", 0)])
        .keep((server, client, timestamps)))
}

/// A SYN of a new connection meets the other half of an old one, which waits for the peer's FIN and goes on refusing.
///
/// # Errors
/// When a step fails.
pub(crate) fn port_reuse_at_fin_wait2(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    talk.close(Side::Acceptor)?;
    let next: u32 = talk.client("sequences c")?.get("sent")?;
    talk.forge(Side::Opener, "S", next.wrapping_add(1000), 0, 0)?;
    // The SYN is not of the connection that this process had.
    let resets = vec![talk.sent_by_mini(Side::Acceptor).judged("port_reuse", "notice").perhaps_unowned()];
    Ok(talk.ends(resets))
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
