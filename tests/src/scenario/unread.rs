//! An end closes by itself while received data is unread: at either end, before and after the peer's FIN.

use super::talk::{ANSWER, LATE, REQUEST, Side, Talk};
use crate::{
    actor::TcpState,
    scene::{ExpectedNumber, Scene},
    stage::Stage,
};
use anyhow::Result;

/// What the closing end has unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// A request, at the server.
    Request,
    /// A request whose client has closed already.
    RequestOfOneWhoLeft,
    /// What came after an answered request, before the client closed.
    LeftoversOfOneWhoLeft,
    /// An early answer, at a client that is still sending its request; the server closes.
    RequestAnsweredEarly,
    /// A banner, at a client that has sent nothing.
    Banner,
    /// An answer, at the client.
    Answer,
    /// An answer of which more is to come.
    LongAnswer,
    /// An answer whose server has closed.
    AnswerOfOneWhoLeft,
}

/// Plays it.
///
/// # Errors
/// When a step fails.
pub(crate) fn closed(stage: &Stage, unread: Unread) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    let (by, harm) = unread.reach(&mut talk)?;
    let bytes: u64 = talk.actor(by).ask("look c")?.get("unread")?;
    talk.actor(by).ask("close c")?;
    let peer_left =
        matches!(unread, Unread::RequestOfOneWhoLeft | Unread::LeftoversOfOneWhoLeft | Unread::AnswerOfOneWhoLeft);
    let from = if peer_left { "close_wait" } else { "established" };
    let sent = talk
        .sent(by, "tcp_abort_on_close", from)
        .judged("closed_with_unread_data", harm)
        .given(&[by.role()])
        .with("unread_bytes", ExpectedNumber::Exactly(bytes));
    let (cause, severity) = match unread {
        Unread::Request | Unread::RequestAnsweredEarly => ("request_reset", "harmful"),
        Unread::Banner => ("peer_reset", "benign"),
        Unread::Answer => ("peer_reset", "notice"),
        Unread::LongAnswer => ("peer_aborted", "notice"),
        // A mini socket takes the reset, without an event.
        Unread::RequestOfOneWhoLeft | Unread::LeftoversOfOneWhoLeft | Unread::AnswerOfOneWhoLeft => {
            return Ok(talk.ends(vec![sent]));
        }
    };
    let received = talk.received(by.other(), "established").judged(cause, severity).given(&[by.other().role()]);
    let received = if unread == Unread::RequestAnsweredEarly { received.saying("answer") } else { received };
    let errno = talk.actor(by.other()).refused("send c 1")?;
    Ok(talk.ends(vec![sent, received]).saw(libc::ECONNRESET, errno))
}

impl Unread {
    /// The end that closes, and how much that harms.
    fn reach(self, talk: &mut Talk<'_>) -> Result<(Side, &'static str)> {
        match self {
            Self::Request => {
                talk.pair.client_writes(REQUEST)?;
                return Ok((Side::Acceptor, "harmful"));
            }
            Self::RequestOfOneWhoLeft | Self::LeftoversOfOneWhoLeft => {
                let answered = self == Self::LeftoversOfOneWhoLeft;
                if answered {
                    talk.exchange()?;
                }
                talk.pair.client_writes(REQUEST)?;
                talk.client("close c")?;
                talk.pair.server.await_state("c", TcpState::CloseWait)?;
                talk.leaves(Side::Opener, crate::sockets::Orphan::Mini)?;
                return Ok((Side::Acceptor, if answered { "benign" } else { "harmful" }));
            }
            Self::RequestAnsweredEarly => {
                talk.client("fill c")?;
                talk.server(&format!("send c {LATE}"))?;
                talk.pair.client.await_unread("c", LATE)?;
                return Ok((Side::Acceptor, "harmful"));
            }
            Self::Banner => {
                talk.pair.server_writes(50)?;
                return Ok((Side::Opener, "benign"));
            }
            Self::Answer => {
                talk.request(REQUEST)?;
                talk.pair.server_writes(ANSWER)?;
            }
            Self::LongAnswer => {
                talk.request(REQUEST)?;
                talk.server("fill c")?;
            }
            Self::AnswerOfOneWhoLeft => {
                talk.request(REQUEST)?;
                talk.pair.server_writes(ANSWER)?;
                talk.close(Side::Acceptor)?;
                return Ok((Side::Opener, "benign"));
            }
        }
        Ok((Side::Opener, "notice"))
    }
}

/// A server is closed, or half-closed, with an answer that has not been delivered, when its client gives up.
///
/// # Errors
/// When a step fails.
pub(crate) fn closing_with_unsent_answer(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.request(REQUEST)?;
    talk.server("fill c")?;
    talk.server("close c")?;
    talk.client("close c")?;
    let resets = vec![
        talk.sent(Side::Opener, "tcp_abort_on_close", "established")
            .judged("closed_with_unread_data", "notice")
            .given(&["role=opened", "phase=answer"]),
        talk.received(Side::Acceptor, "fin_wait1")
            .judged("peer_aborted", "notice")
            .given(&["role=accepted"])
            .with("unsent_bytes", ExpectedNumber::AtLeast(1)),
    ];
    Ok(talk.ends(resets))
}

/// A client has half-closed behind an upload that is not delivered when the server closes without reading it.
///
/// # Errors
/// When a step fails.
pub(crate) fn closing_with_unsent_request(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.client("fill c")?;
    talk.client("shutdown c")?;
    talk.pair.client.await_state("c", TcpState::FinWait1)?;
    talk.server("close c")?;
    let resets = vec![
        talk.sent(Side::Acceptor, "tcp_abort_on_close", "established")
            .judged("closed_with_unread_data", "harmful")
            .given(&["role=accepted", "phase=request"]),
        talk.received(Side::Opener, "fin_wait1")
            .judged("request_reset", "harmful")
            .given(&["role=opened"])
            .with("unsent_bytes", ExpectedNumber::AtLeast(1)),
    ];
    Ok(talk.ends(resets))
}
