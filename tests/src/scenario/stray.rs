//! Segments that match no connection, injected from an address that no host has.

use crate::{
    actor::Actor,
    connection,
    scene::{End, Expected, Scene, Watch},
    stage::Stage,
};
use anyhow::Result;
use std::net::{Ipv4Addr, SocketAddr};

/// The source address of the segments (TEST-NET-2). Replies to it are routed to the loopback device, where they are
/// lost.
const STRANGER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 4000);

/// A data segment, of a connection that never existed, to a port whose listener has just been closed.
///
/// # Errors
/// When a step fails.
pub(crate) fn unknown_connection(stage: &Stage) -> Result<Scene> {
    let (mut server, service, watch) = set_up(stage)?;
    server.ask("close l")?;
    inject(&mut server, service, "PA", 5000, 7000, 20)?;
    Ok(Scene::new(vec![
        Expected::sent_without_socket(service, STRANGER, "no_socket").because("unknown_connection", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("EstabResets", 0)])
    .keep(server))
}

/// The same to a port with a listener whose queue has room: there was no handshake.
///
/// # Errors
/// When a step fails.
pub(crate) fn ack_to_listener(stage: &Stage) -> Result<Scene> {
    let (mut server, service, watch) = set_up(stage)?;
    inject(&mut server, service, "PA", 5000, 7000, 20)?;
    let listener = End::of(&server, service, STRANGER);
    Ok(Scene::new(vec![Expected::sent(&listener, "tcp_flags", "listen").because("unknown_connection", "likely")])
        .grew(watch, &[("OutRsts", 1), ("EmbryonicRsts", 0), ("ListenOverflows", 0)])
        .keep(server))
}

/// A second SYN within the window of a half-open connection.
///
/// # Errors
/// When a step fails.
pub(crate) fn bad_syn(stage: &Stage) -> Result<Scene> {
    let (mut server, service, watch) = set_up(stage)?;
    inject(&mut server, service, "S", 5000, 0, 0)?;
    inject(&mut server, service, "S", 5010, 0, 0)?;
    let listener = End::of(&server, service, STRANGER);
    Ok(Scene::new(vec![Expected::sent(&listener, "invalid_syn", "listen").because("protocol_violation", "certain")])
        .grew(watch, &[("OutRsts", 1), ("EmbryonicRsts", 1), ("AttemptFails", 1), ("ListenOverflows", 0)])
        .keep(server))
}

/// Segments that no connection makes, to a closed port: as a port scanner sends them.
///
/// # Errors
/// When a step fails.
pub(crate) fn port_scan(stage: &Stage) -> Result<Scene> {
    let (mut server, _, watch) = set_up(stage)?;
    let target = stage.server_address(stage.closed_port()?);
    let mut resets = Vec::new();
    for (flags, port) in ["F", "-", "FPU", "SF"].into_iter().zip(4000..) {
        let scanner = SocketAddr::new(STRANGER.ip(), port);
        server.ask(&format!("inject {scanner} {target} {flags} 5000 0 0"))?;
        resets.push(Expected::sent_without_socket(target, scanner, "no_socket").judged("port_scan", "benign"));
    }
    Ok(Scene::new(resets).grew(watch, &[("OutRsts", 4)]).keep(server))
}

fn set_up(stage: &Stage) -> Result<(Actor, SocketAddr, Watch)> {
    stage.server().tool(&format!("ip route add {} dev lo", STRANGER.ip()))?;
    let mut server = stage.server_actor("web")?;
    let service = connection::listen(stage, &mut server, None, 16)?;
    Ok((server, service, Watch::on(stage.server())?))
}

fn inject(actor: &mut Actor, to: SocketAddr, flags: &str, seq: u32, ack: u32, payload: u16) -> Result<()> {
    actor.ask(&format!("inject {STRANGER} {to} {flags} {seq} {ack} {payload}")).map(drop)
}
