//! An end of a connection aborts (`SO_LINGER` 0) in each phase of the conversation.

use super::talk::{ANSWER, REQUEST, SILENT_MS, Side, Talk};
use crate::{
    actor::TcpState,
    scene::{Expected, ExpectedNumber, Scene},
    stage::Stage,
};
use anyhow::Result;

/// A phase, and what is unread at the end that aborts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Fresh,
    /// The server has sent a banner, which the client has not read.
    FreshWithBanner,
    /// The server has read the request.
    Request,
    /// The server has not.
    RequestUnread,
    Answer,
    /// The client has read only the first half of the answer.
    AnswerUnread,
    Idle,
    /// Silent for long.
    Silent,
    /// Silent for long, and then a FIN right before the reset.
    SilentThenFin,
}

impl Phase {
    fn fact(self) -> &'static str {
        match self {
            Self::Fresh | Self::FreshWithBanner => "phase=fresh",
            Self::Request | Self::RequestUnread => "phase=request",
            Self::Answer | Self::AnswerUnread => "phase=answer",
            Self::Idle | Self::Silent | Self::SilentThenFin => "phase=idle",
        }
    }

    fn reach(self, talk: &mut Talk<'_>) -> Result<()> {
        match self {
            Self::Fresh => Ok(()),
            Self::FreshWithBanner => talk.pair.server_writes(50),
            Self::Request => talk.request(REQUEST),
            Self::RequestUnread => talk.pair.client_writes(REQUEST),
            Self::Answer => talk.exchange(),
            Self::AnswerUnread => {
                talk.request(REQUEST)?;
                talk.pair.server_writes(2 * ANSWER)?;
                talk.client(&format!("recv c {ANSWER}")).map(drop)
            }
            Self::Idle => {
                talk.exchange()?;
                talk.quiet()
            }
            Self::Silent | Self::SilentThenFin => {
                talk.exchange()?;
                talk.quiet_for(Side::Opener, SILENT_MS)
            }
        }
    }
}

/// `by` aborts in a phase; causes and severities of the sent and of the received reset are as given.
///
/// # Errors
/// When a step fails.
pub(crate) fn abort(
    stage: &Stage,
    by: Side,
    phase: Phase,
    sent: (&'static str, &'static str),
    received: (&'static str, &'static str),
) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    phase.reach(&mut talk)?;
    let unread: u64 = talk.actor(by).ask("look c")?.get("unread")?;
    let fin = phase == Phase::SilentThenFin;
    if fin {
        talk.actor(by).ask("shutdown-and-abort c")?;
    } else {
        talk.abort(by)?;
    }
    let reason = if unread > 0 { "tcp_abort_on_close" } else { "tcp_state" };
    let (from, at) = if fin { (None, "close_wait") } else { (Some("established"), "established") };
    // FIN_WAIT1 or FIN_WAIT2: the acknowledgement of the FIN races with the reset.
    let sent_in = Expected { state: from, ..talk.sent(by, reason, "") };
    let resets = vec![
        sent_in
            .judged(sent.0, sent.1)
            .given(&[by.role(), phase.fact()])
            .with("unread_bytes", ExpectedNumber::Exactly(unread)),
        talk.received(by.other(), at).judged(received.0, received.1).given(&[by.other().role()]),
    ];
    let scene_errno = talk.actor(by.other()).refused("send c 1")?;
    let claimed = if fin { libc::EPIPE } else { libc::ECONNRESET };
    Ok(talk.ends(resets).saw(claimed, scene_errno))
}

/// A client half-closes after its request; the server reads the request, and aborts before or after its answer.
///
/// # Errors
/// When a step fails.
pub(crate) fn half_closed(stage: &Stage, answered: bool) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.request(REQUEST)?;
    if answered {
        talk.answer(ANSWER)?;
    }
    talk.client("shutdown c")?;
    talk.pair.server.await_state("c", TcpState::CloseWait)?;
    talk.pair.client.await_state("c", TcpState::FinWait2)?;
    talk.abort(Side::Acceptor)?;
    let (phase, received) = if answered {
        ("phase=answer", ("reset_while_closing", "benign"))
    } else {
        ("phase=request", ("request_reset", "harmful"))
    };
    let resets = vec![
        talk.sent(Side::Acceptor, "tcp_state", "close_wait")
            .judged("linger_abort", "notice")
            .given(&["role=accepted", phase]),
        talk.received(Side::Opener, "fin_wait2")
            .judged(received.0, received.1)
            .given(&["role=opened", "phase=half_closed"]),
    ];
    Ok(talk.ends(resets))
}

/// A client half-closes after its request, takes the answer, and aborts: nothing of the server's is lost, or what is
/// in flight.
///
/// # Errors
/// When a step fails.
pub(crate) fn half_closed_opener_aborts(stage: &Stage, in_flight: bool) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.request(REQUEST)?;
    talk.client("shutdown c")?;
    talk.pair.server.await_state("c", TcpState::CloseWait)?;
    talk.answer(ANSWER)?;
    if in_flight {
        talk.server("fill c")?;
    }
    talk.abort(Side::Opener)?;
    let (reason, received) =
        if in_flight { ("tcp_abort_on_close", "peer_aborted") } else { ("tcp_state", "peer_reset") };
    let resets = vec![
        Expected { severity: None, ..talk.sent(Side::Opener, reason, "fin_wait2").judged("linger_abort", "") }
            .given(&["role=opened"]),
        talk.received(Side::Acceptor, "close_wait").judged(received, "notice").given(&["role=accepted"]),
    ];
    let errno = talk.pair.server.refused("send c 1")?;
    Ok(talk.ends(resets).saw(libc::EPIPE, errno))
}
