//! Processes that end, by themselves or by a signal, and what their connections meet then or later.

use super::talk::{FAREWELL, LATE, REQUEST, Side, Talk};
use crate::{
    scene::{Expected, Scene},
    stage::Stage,
};
use anyhow::Result;
use rustix::process::Signal;

/// How a process ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// It calls `exit` with this code.
    Exit(i32),
    /// A signal ends it; the sentence has its name.
    By(Signal, &'static str),
}

pub(crate) const KILLED: Ending = Ending::By(Signal::KILL, "SIGKILL");
pub(crate) const TERMINATED: Ending = Ending::By(Signal::TERM, "SIGTERM");
pub(crate) const FAULTED: Ending = Ending::By(Signal::SEGV, "SIGSEGV");

impl Ending {
    fn reach(self, talk: &mut Talk<'_>, side: Side) -> Result<()> {
        match self {
            Self::Exit(code) => talk.actor(side).exit(code),
            Self::By(signal, _) => talk.actor(side).end_by(signal),
        }
    }

    fn said(self, reset: Expected) -> Expected {
        match self {
            Self::Exit(_) => reset,
            Self::By(_, name) => reset.saying(name),
        }
    }

    fn fact(self) -> &'static str {
        match self {
            Self::Exit(_) => "means=exit",
            Self::By(..) => "means=signal",
        }
    }
}

/// A server ends with a request unread, or a client with an answer.
///
/// # Errors
/// When a step fails.
pub(crate) fn with_unread_data(stage: &Stage, side: Side, ending: Ending, severity: &'static str) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    if side == Side::Opener {
        talk.request(REQUEST)?;
        talk.pair.server_writes(LATE)?;
    } else {
        talk.pair.client_writes(REQUEST)?;
    }
    ending.reach(&mut talk, side)?;
    let received = match side {
        Side::Opener => ("peer_reset", "notice"),
        Side::Acceptor => ("request_reset", "harmful"),
    };
    let sent = talk.sent(side, "tcp_abort_on_close", "established").judged("process_exit", severity);
    let resets = vec![
        ending.said(sent).given(&[side.role()]),
        talk.received(side.other(), "established").judged(received.0, received.1).given(&[side.other().role()]),
    ];
    let errno = talk.actor(side.other()).refused("send c 1")?;
    Ok(talk.ends(resets).saw(libc::ECONNRESET, errno))
}

/// A process ends with nothing unread, which closes its connection normally; the peer writes to it later: a server's
/// idle connection is reused, or a client's answer comes too late.
///
/// # Errors
/// When a step fails.
pub(crate) fn written_to_later(stage: &Stage, side: Side, ending: Ending, severity: &'static str) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    match side {
        Side::Acceptor => {
            talk.exchange()?;
            talk.quiet()?;
        }
        Side::Opener => talk.request(REQUEST)?,
    }
    ending.reach(&mut talk, side)?;
    talk.closed(side)?;
    talk.late(side.other(), LATE)?;
    let received = if side == Side::Acceptor { "harmful" } else { "notice" };
    let resets = vec![
        ending.said(talk.sent_by_mini(side).judged("process_exit", severity)).given(&[side.role(), ending.fact()]),
        talk.received(side.other(), "close_wait")
            .judged("wrote_to_closed_peer", received)
            .given(&[side.other().role()]),
    ];
    let errno = talk.actor(side.other()).refused("send c 1")?;
    Ok(talk.ends(resets).saw(libc::EPIPE, errno))
}

/// A client that owed nothing exits by itself; the server's farewell comes afterwards.
///
/// # Errors
/// When a step fails.
pub(crate) fn farewell_to_the_exited(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    talk.pair.client.exit(0)?;
    talk.closed(Side::Opener)?;
    talk.late(Side::Acceptor, FAREWELL)?;
    let resets = vec![
        talk.sent_by_mini(Side::Opener).judged("process_exit", "benign").given(&["role=opened", "phase=answer"]),
        talk.received(Side::Acceptor, "close_wait").judged("wrote_to_closed_peer", "benign"),
    ];
    Ok(talk.ends(resets))
}

/// A server is killed with a client in its accept queue.
///
/// # Errors
/// When a step fails.
pub(crate) fn accept_queue(stage: &Stage) -> Result<Scene> {
    let scene = super::queue::listener_died(stage)?;
    Ok(super::rejudged(scene, &[("process_exit", "harmful"), ("peer_reset", "benign")]))
}
