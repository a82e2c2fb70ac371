//! One end gives up on the other: a client on an answer, a server on a request.

use super::talk::{ANSWER, FAREWELL, LATE, QUIET_MS, REQUEST, SILENT_MS, Side, Talk};
use crate::{
    firewall::Firewall,
    scene::{End, Expected, ExpectedNumber, Scene, Watch},
    sockets::{self, Orphan},
    stage::Stage,
    wait::{self, LATER, SOON},
};
use anyhow::Result;
use std::net::SocketAddr;

/// `TCP_SYN_RECV` of `include/net/tcp_states.h`, which tables show for a half-open connection.
const SYN_RECV: u8 = 3;

/// A client waits for an answer, or not, and closes; the answer comes afterwards.
///
/// # Errors
/// When a step fails.
pub(crate) fn opener_closes(
    stage: &Stage,
    waits: bool,
    bytes: u64,
    verdict: (&'static str, &'static str),
) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.request(REQUEST)?;
    if waits {
        talk.quiet()?;
    }
    talk.close(Side::Opener)?;
    talk.late(Side::Acceptor, bytes)?;
    let sent = talk.sent_by_mini(Side::Opener).judged(verdict.0, verdict.1).given(&["role=opened", "phase=request"]);
    let received = talk.received(Side::Acceptor, "close_wait").given(&["role=accepted"]);
    // This end cannot distinguish a small answer from a farewell.
    let received = if bytes > 64 {
        received.judged("wrote_to_closed_peer", "notice")
    } else {
        Expected { severity: None, ..received.judged("wrote_to_closed_peer", "") }
    };
    let errno = talk.pair.server.refused("send c 1")?;
    Ok(talk.ends(vec![sent, received]).saw(libc::EPIPE, errno))
}

/// A client waits for an answer and aborts.
///
/// # Errors
/// When a step fails.
pub(crate) fn opener_aborts(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.request(REQUEST)?;
    talk.quiet()?;
    talk.abort(Side::Opener)?;
    let resets = vec![
        talk.sent(Side::Opener, "tcp_state", "established")
            .judged("gave_up_waiting", "notice")
            .given(&["role=opened", "phase=request"])
            .with("send_idle_ms", ExpectedNumber::AtLeast(QUIET_MS - 50)),
        talk.received(Side::Acceptor, "established")
            .judged("peer_aborted", "notice")
            .given(&["role=accepted", "phase=request"]),
    ];
    let errno = talk.pair.server.refused("recv c 1")?;
    Ok(talk.ends(resets).saw(libc::ECONNRESET, errno))
}

/// A client gives up on a connect whose SYN-ACK is lost; the server's next one meets nothing.
///
/// # Errors
/// When a step fails.
pub(crate) fn abandoned_connect(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut server = stage.server_actor("web")?;
    let service = crate::connection::listen(stage, &mut server, None, 16)?;
    let deaf = Firewall::dropping(stage.client(), &format!("--sport {} --tcp-flags SYN,ACK SYN,ACK", service.port()))?;
    let mut client = stage.client_actor("caller")?;
    client.ask("socket c v4")?;
    let local: SocketAddr = client.ask(&format!("bind c {}", stage.client_address(0)))?.get("local")?;
    client.ask(&format!("dial c {service}"))?;
    wait::until_true("the server to answer", SOON, || {
        Ok(sockets::orphan(stage.server(), service.port(), local.port())? == Orphan::Full(SYN_RECV))
    })?;
    client.ask("close c")?;
    drop(deaf);
    wait::until_true("the next SYN-ACK", LATER, || Ok(watch.growth()?.get("OutRsts") > 0))?;
    let sent = Expected::sent(&End::of(&client, local, service), "no_socket", "");
    let sent = Expected { state: None, ..sent }.judged("gave_up_waiting", "notice");
    Ok(Scene::new(vec![sent.given(&["role=opened", "phase=handshake"])])
        .grew(watch, &[("OutRsts", 1)])
        .keep((server, client)))
}

/// How much of a request a server got before it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Nothing,
    Part,
    /// A part, which the server rejects by a last word before it closes, as by a 408.
    Rejected,
    /// More than a few KB without any answer: perhaps a stream that wants none.
    Stream,
}

/// A server closes on a request that is not whole; the rest of it comes afterwards.
///
/// # Errors
/// When a step fails.
pub(crate) fn acceptor_closes(stage: &Stage, request: Request) -> Result<Scene> {
    /// More than the few KB of a request.
    const STREAM: u64 = 10_000;
    let mut talk = Talk::open(stage)?;
    match request {
        Request::Nothing => {}
        Request::Part | Request::Rejected => talk.request(30)?,
        Request::Stream => talk.request(STREAM)?,
    }
    talk.quiet()?;
    if request == Request::Rejected {
        talk.client("set c quickack 0")?;
        talk.server(&format!("send-and-close c {ANSWER}"))?;
        talk.closed(Side::Acceptor)?;
        talk.client(&format!("recv c {ANSWER}"))?;
    } else {
        talk.close(Side::Acceptor)?;
    }
    talk.late(Side::Opener, LATE)?;
    let phase = if request == Request::Nothing { "phase=fresh" } else { "phase=request" };
    let sent = talk.sent_by_mini(Side::Acceptor).judged("request_timeout", "notice").given(&["role=accepted", phase]);
    let sent = if request == Request::Stream { sent.surely("guess") } else { sent };
    let resets = vec![
        sent,
        talk.received(Side::Opener, "close_wait").judged("wrote_to_closed_peer", "harmful").given(&["role=opened"]),
    ];
    let errno = talk.pair.client.refused("send c 1")?;
    Ok(talk.ends(resets).saw(libc::EPIPE, errno))
}

/// Which end says goodbye when the other has closed after an answer.
///
/// # Errors
/// When a step fails.
pub(crate) fn farewell(stage: &Stage, from: Side) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    talk.close(from.other())?;
    talk.late(from, FAREWELL)?;
    let resets = vec![
        talk.sent_by_mini(from.other()).judged("late_goodbye", "benign").given(&[from.other().role(), "phase=answer"]),
        talk.received(from, "close_wait").judged("wrote_to_closed_peer", "benign").given(&[from.role()]),
    ];
    Ok(talk.ends(resets))
}

/// A server writes on to a subscriber that left after an answer.
///
/// # Errors
/// When a step fails.
pub(crate) fn subscriber_left(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    talk.close(Side::Opener)?;
    talk.late(Side::Acceptor, LATE)?;
    let resets = vec![
        talk.sent_by_mini(Side::Opener).judged("write_after_close", "notice").given(&["role=opened", "phase=answer"]),
        talk.received(Side::Acceptor, "close_wait").judged("wrote_to_closed_peer", "notice").given(&["role=accepted"]),
    ];
    Ok(talk.ends(resets))
}

/// A server that has taken a request is silent for long and then aborts: the request was acknowledged.
///
/// # Errors
/// When a step fails.
pub(crate) fn no_answer(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.request(REQUEST)?;
    talk.quiet_for(Side::Opener, SILENT_MS)?;
    talk.abort(Side::Acceptor)?;
    let resets = vec![
        talk.sent(Side::Acceptor, "tcp_state", "established")
            .judged("linger_abort", "notice")
            .given(&["role=accepted", "phase=request"]),
        talk.received(Side::Opener, "established")
            .judged("request_reset", "harmful")
            .given(&["role=opened", "phase=request"])
            .saying("no answer for 2."),
    ];
    let errno = talk.pair.client.refused("recv c 1")?;
    Ok(talk.ends(resets).saw(libc::ECONNRESET, errno))
}
