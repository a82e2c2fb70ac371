//! Segments that match no connection, injected from an address that no host has.

use super::talk::{LATE, Side, Talk};
use crate::{
    actor::Actor,
    connection,
    firewall::Firewall,
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

/// A segment of the peer's whose address was not translated, as when the NAT between them takes it for invalid: the
/// port has a living connection, but to another address.
///
/// # Errors
/// When a step fails.
pub(crate) fn untranslated(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    stage.server().tool(&format!("ip route add {} dev lo", STRANGER.ip()))?;
    let target = talk.pair.client_address;
    talk.server(&format!("inject {STRANGER} {target} PA 5000 7000 20"))?;
    let end = End { remote: STRANGER, ..talk.pair.client_end() };
    let sent = Expected { state: None, ..Expected::sent(&end, "no_socket", "") };
    let sent = sent.judged("unknown_connection", "notice").perhaps_unowned();
    let other = format!("a living connection from that port to {}", talk.pair.server_address);
    let sent = sent.saying(&other).saying("nf_conntrack_tcp_be_liberal");
    let mut scene = talk.ends(vec![sent]);
    scene.growth[0].counters.push(("EstabResets", 0));
    Ok(scene)
}

/// A firewall's rule of this host rejects what a listener would take: no process sends this reset.
///
/// # Errors
/// When a step fails.
pub(crate) fn rejected_connect(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut server = stage.server_actor("web")?;
    let service = connection::listen(stage, &mut server, None, 16)?;
    let rule = Firewall::rejecting(stage.server(), &format!("--dport {}", service.port()))?;
    let mut client = stage.client_actor("caller")?;
    client.ask("socket c v4")?;
    let local = client.ask(&format!("bind c {}", stage.client_address(0)))?.get("local")?;
    let errno = client.refused(&format!("connect c {service}"))?;
    let received = Expected::received(&End::of(&client, local, service), "syn_sent");
    Ok(Scene::new(vec![received.judged("refused", "notice").saying("no process sent the reset, a firewall rule did")])
        .grew(watch, &[("OutRsts", 0), ("AttemptFails", 1)])
        .saw(libc::ECONNREFUSED, errno)
        .keep((server, client, rule)))
}

/// A server aborts a connection whose client knows it by another port: the two ends have no pair of addresses in
/// common, only the numbers of the reset.
///
/// # Errors
/// When a step fails.
pub(crate) fn translated(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    let known = stage.server_address(stage.closed_port()?);
    let rule = Firewall::translating(stage.client(), known, talk.pair.server_address.port())?;
    talk.keep(rule);
    talk.pair.client_address = connection::dial(stage, &mut talk.pair.client, None, "c", known)?;
    talk.server("accept l c")?;
    talk.exchange()?;
    talk.abort(Side::Acceptor)?;
    let sender = talk.pair.server_end();
    let met = End { remote: known, ..talk.pair.client_end() };
    let resets = vec![
        talk.sent(Side::Acceptor, "tcp_state", "established").judged("linger_abort", "notice"),
        Expected::received(&met, "established")
            .judged("peer_reset", "notice")
            .saying(&format!("{}[{}] on this host sent it", sender.comm, sender.pid)),
    ];
    let errno = talk.pair.client.refused("recv c 1")?;
    Ok(talk.ends(resets).saw(libc::ECONNRESET, errno))
}

/// A firewall's rule comes between the ends of a connection: what the client writes next is rejected.
///
/// # Errors
/// When a step fails.
pub(crate) fn banned(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    let rule = Firewall::rejecting(stage.server(), &format!("--dport {}", talk.pair.server_address.port()))?;
    talk.keep(rule);
    talk.late(Side::Opener, LATE)?;
    let received = talk.received(Side::Opener, "established");
    let received = received.judged("request_reset", "harmful").given(&["role=opened", "phase=request"]);
    let resets = vec![received.saying("no process sent the reset, a firewall rule did")];
    let errno = talk.pair.client.refused("recv c 1")?;
    Ok(talk.ends(resets).saw(libc::ECONNRESET, errno))
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
