//! Further segments of a connection that has ended by a reset, or without any.

use super::talk::{ANSWER, LATE, REQUEST, STALE_MS, Side, Talk};
use crate::{
    actor::TcpState,
    firewall::Firewall,
    scene::Scene,
    stage::Stage,
    sysctl::Sysctl,
    wait::{self, LATER},
};
use anyhow::Result;

/// How the server's end had ended before the client's next segment reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It set `SO_LINGER` of 0 seconds and closed.
    Abort,
    /// It closed with a request unread.
    Unread,
    /// It was killed with a request unread.
    Killed,
}

/// The server ends the connection by a reset that the client does not get in time, because there is a path between
/// them (here a filter, which makes it certain); a segment of the client's meets what is left.
///
/// # Errors
/// When a step fails.
pub(crate) fn after_our_reset(stage: &Stage, end: End) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    let deaf = format!("--dport {} --tcp-flags RST RST", talk.pair.client_address.port());
    let deaf = Firewall::dropping(stage.client(), &deaf)?;
    talk.keep(deaf);
    if end != End::Abort {
        talk.pair.client_writes(REQUEST)?;
    }
    match end {
        End::Abort => talk.abort(Side::Acceptor)?,
        End::Unread => talk.server("close c").map(drop)?,
        End::Killed => talk.pair.server.kill()?,
    }
    talk.late(Side::Opener, LATE)?;
    // The client vanishes without a trace before it sends the segment again.
    talk.client("set c repair 1")?;
    talk.client("close c")?;
    let (reason, (cause, severity)) = match end {
        End::Abort => ("tcp_state", ("linger_abort", "notice")),
        End::Unread => ("tcp_abort_on_close", ("closed_with_unread_data", "harmful")),
        End::Killed => ("tcp_abort_on_close", ("process_exit", "harmful")),
    };
    let first = talk.sent(Side::Acceptor, reason, "established").judged(cause, severity).given(&["role=accepted"]);
    let echo = match end {
        End::Abort | End::Unread => talk.sent(Side::Acceptor, "tcp_flags", "listen"),
        End::Killed => talk.sent_by_none(Side::Acceptor),
    };
    Ok(talk.ends(vec![first, echo.judged("already_reset", "benign").given(&["ended=reset_sent"])]))
}

/// Without timestamps a peer that writes on is one a second after the reset.
pub(crate) const WITHOUT_TIMESTAMPS_MS: u64 = STALE_MS;
/// With timestamps it is one as soon as its clock shows it.
pub(crate) const WITH_TIMESTAMPS_MS: u64 = 100;

/// A reset in the peer's name ends the connection at one end; the peer knows nothing of it and writes on, so much
/// later: what proves that the reset was not the peer's.
///
/// # Errors
/// When a step fails.
pub(crate) fn peer_writes_on(stage: &Stage, victim: Side, after_ms: u64) -> Result<Scene> {
    let stamps = if after_ms == WITHOUT_TIMESTAMPS_MS { "0" } else { "1" };
    let stamps = Sysctl::set(stage.server(), "ipv4/tcp_timestamps", stamps)?;
    let mut talk = Talk::open(stage)?;
    talk.keep(stamps);
    talk.exchange()?;
    let expected: u32 = talk.actor(victim).ask("sequences c")?.get("received")?;
    talk.forge(victim.other(), "R", expected, 0, 0)?;
    talk.actor(victim).await_state("c", TcpState::Close)?;
    talk.later(victim.other(), after_ms)?;
    talk.late(victim.other(), LATE)?;
    let answer = match victim {
        Side::Opener => talk.sent_by_none(victim),
        Side::Acceptor => talk.sent(victim, "tcp_flags", "listen"),
    };
    let met = match victim {
        Side::Opener => ("peer_aborted", "notice"),
        Side::Acceptor => ("request_reset", "harmful"),
    };
    let resets = vec![
        talk.received(victim, "established").judged("peer_reset", "notice").given(&[victim.role(), "phase=answer"]),
        answer.judged("cut_on_the_path", "harmful").given(&["ended=reset_received", "written_after_reset"]),
        talk.received(victim.other(), "established").judged(met.0, met.1).given(&[victim.other().role()]),
    ];
    let errno = talk.actor(victim).refused("send c 1")?;
    Ok(talk.ends(resets).saw(libc::ECONNRESET, errno))
}

/// A reset and payload of the peer come in the wrong order: the payload was written before. Both are forged, the client
/// has no peer.
///
/// # Errors
/// When a step fails.
pub(crate) fn overtaken_payload(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    let look = talk.client("sequences c")?;
    let (next, expected): (u32, u32) = (look.get("sent")?, look.get("received")?);
    talk.server("set c repair 1")?;
    talk.server("close c")?;
    talk.forge(Side::Acceptor, "R", expected, 0, 0)?;
    talk.pair.client.await_state("c", TcpState::Close)?;
    talk.forge(Side::Acceptor, "PA", expected, next, LATE)?;
    let resets = vec![
        talk.received(Side::Opener, "established").judged("peer_reset", "notice").given(&["role=opened"]),
        talk.sent_by_none(Side::Opener).judged("already_reset", "benign").given(&["ended=reset_received"]),
    ];
    Ok(talk.ends(resets))
}

/// The same with timestamps, and a path that holds the payload back for more than a second.
///
/// # Errors
/// When a step fails.
pub(crate) fn overtaken_payload_with_timestamps(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    let look = talk.client("sequences c")?;
    let (next, expected): (u32, u32) = (look.get("sent")?, look.get("received")?);
    let stamp: u32 = talk.server("clock c")?.get("clock")?;
    talk.forge(Side::Acceptor, "R", expected, 0, 0)?;
    talk.pair.client.await_state("c", TcpState::Close)?;
    talk.later(Side::Acceptor, STALE_MS)?;
    talk.server("set c repair 1")?;
    talk.server("close c")?;
    talk.forge_with(Side::Acceptor, "PA", expected, next, LATE, Some(stamp))?;
    let resets = vec![
        talk.received(Side::Opener, "established").judged("peer_reset", "notice").given(&["role=opened"]),
        talk.sent_by_none(Side::Opener).judged("already_reset", "benign").given(&["ended=reset_received"]),
    ];
    Ok(talk.ends(resets))
}

/// The client's connection ends without FIN or reset: it is cut off and `TCP_USER_TIMEOUT` passes. When the path is
/// whole again the server writes.
///
/// # Errors
/// When a step fails.
pub(crate) fn after_user_timeout(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    talk.client("set c user-timeout 300")?;
    let cut = Firewall::dropping(stage.server(), &format!("--dport {}", talk.pair.server_address.port()))?;
    talk.client(&format!("send c {REQUEST}"))?;
    wait::until_true("the client to give up", LATER, || {
        Ok(talk.pair.client.ask("look c")?.get::<u8>("state")? == TcpState::Close as u8)
    })?;
    drop(cut);
    talk.late(Side::Acceptor, LATE)?;
    let resets = vec![
        talk.sent_by_none(Side::Opener)
            .judged("unknown_connection", "notice")
            .given(&["role=opened", "ended=silent"])
            .saying("given up"),
        talk.received(Side::Acceptor, "established").judged("peer_aborted", "notice").given(&["role=accepted"]),
    ];
    let errno = talk.pair.client.refused("recv c 1")?;
    Ok(talk.ends(resets).saw(libc::ETIMEDOUT, errno))
}

/// The server's end disappears without a trace, and the client writes: at once, or when it has been quiet for a while,
/// but not for long.
///
/// # Errors
/// When a step fails.
pub(crate) fn forgotten(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    talk.server("set c repair 1")?;
    talk.server("close c")?;
    talk.quiet()?;
    talk.late(Side::Opener, ANSWER)?;
    let resets = vec![
        talk.sent(Side::Acceptor, "tcp_flags", "listen")
            .judged("unknown_connection", "notice")
            .given(&["role=accepted", "ended=silent"]),
        talk.received(Side::Opener, "established")
            .judged("request_reset", "harmful")
            .given(&["role=opened", "phase=request"]),
    ];
    let errno = talk.pair.client.refused("recv c 1")?;
    Ok(talk.ends(resets).saw(libc::ECONNRESET, errno))
}
