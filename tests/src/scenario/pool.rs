//! A server closes a connection that its client has kept for the next request.

use super::talk::{FAREWELL, LATE, STALE_MS, Side, Talk};
use crate::{
    actor::TcpState,
    scene::{Expected, ExpectedNumber, Scene},
    sockets::Orphan,
    stage::Stage,
    sysctl::Sysctl,
};
use anyhow::Result;

/// What happens between the last answer and the segment that comes too late.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reuse {
    /// The connection is idle before the close.
    pub(crate) idle: bool,
    /// The server says something right before it closes.
    pub(crate) last_word: bool,
    /// The segment comes after the race window.
    pub(crate) stale: bool,
    /// Length of its payload.
    pub(crate) bytes: u64,
}

/// Plays it: the cause and severity at the server are as given.
///
/// # Errors
/// When a step fails.
pub(crate) fn reuse(stage: &Stage, reuse: Reuse, verdict: (&'static str, &'static str)) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.exchange()?;
    if reuse.idle {
        talk.quiet()?;
    }
    if reuse.last_word {
        // Delayed acknowledgements: the last word is outstanding when the server closes.
        talk.client("set c quickack 0")?;
        talk.server(&format!("send-and-close c {FAREWELL}"))?;
        talk.closed(Side::Acceptor)?;
        talk.client(&format!("recv c {FAREWELL}"))?;
    } else {
        talk.close(Side::Acceptor)?;
    }
    if reuse.stale {
        talk.later(Side::Opener, STALE_MS)?;
    }
    talk.late(Side::Opener, reuse.bytes)?;
    let phase = if reuse.idle { "phase=idle" } else { "phase=answer" };
    let sent = talk.sent_by_mini(Side::Acceptor).judged(verdict.0, verdict.1).given(&["role=accepted", phase]);
    let sent = sent.with("closed_ms_ago", ExpectedNumber::AtLeast(if reuse.stale { STALE_MS - 50 } else { 0 }));
    let received = met_by_client(&talk, reuse.bytes, reuse.stale);
    let errno = talk.pair.client.refused("send c 1")?;
    Ok(talk.ends(vec![sent, received]).saw(libc::EPIPE, errno))
}

/// The client wrote after the server's FIN. More than a farewell is a request that was lost.
fn met_by_client(talk: &Talk<'_>, bytes: u64, stale: bool) -> Expected {
    let severity = match (bytes > 64, stale) {
        (true, _) => "harmful",
        (false, false) => "benign",
        (false, true) => "notice",
    };
    talk.received(Side::Opener, "close_wait")
        .judged("wrote_to_closed_peer", severity)
        .given(&["role=opened"])
        .with("unacked_bytes", ExpectedNumber::AtLeast(bytes))
}

/// A request of two segments meets the close of an idle connection: the answer to the second is an echo.
///
/// # Errors
/// When a step fails.
pub(crate) fn split_request(stage: &Stage) -> Result<Scene> {
    /// More than one segment of the loopback device, which is 65,483 bytes at most.
    const SPLIT: u64 = 100_000;
    /// Room for both segments.
    const ROOM: u64 = 1_000_000;
    let mut talk = Talk::open(stage)?;
    talk.server(&format!("set l rcvbuf {ROOM}"))?;
    let service = talk.pair.server_address;
    talk.pair.client_address = crate::connection::dial(stage, &mut talk.pair.client, None, "c", service)?;
    talk.server("accept l c")?;
    talk.exchange()?;
    talk.quiet()?;
    talk.close(Side::Acceptor)?;
    talk.client(&format!("burst c {SPLIT}"))?;
    // The first answer ends the mini socket: the second comes from the listener.
    let resets = vec![
        talk.sent_by_mini(Side::Acceptor).judged("keepalive_race", "harmful").given(&["role=accepted", "phase=idle"]),
        talk.sent(Side::Acceptor, "tcp_flags", "listen").judged("already_reset", "benign").given(&["ended=reset_sent"]),
        met_by_client(&talk, SPLIT, false),
    ];
    Ok(talk.ends(resets))
}

/// The server closes for a reason of its own while its answer has not left: what the client then writes costs it the
/// answer.
///
/// # Errors
/// When a step fails.
pub(crate) fn answer_never_left(stage: &Stage) -> Result<Scene> {
    let mut talk = Talk::open(stage)?;
    talk.request(super::talk::REQUEST)?;
    talk.server("fill c")?;
    talk.server("close c")?;
    talk.late(Side::Opener, LATE)?;
    let resets = vec![
        talk.sent(Side::Acceptor, "tcp_abort_on_data", "fin_wait1")
            .judged("write_after_close", "harmful")
            .given(&["role=accepted"])
            .with("unsent_bytes", ExpectedNumber::AtLeast(1)),
        talk.received(Side::Opener, "established").judged("request_reset", "harmful").given(&["role=opened"]),
    ];
    let errno = talk.pair.client.refused("send c 1")?;
    Ok(talk.ends(resets).with_false_receive().saw(libc::ECONNRESET, errno))
}

/// `TIME_WAIT` is full: the client's FIN, after a normal close of the server, meets nothing.
///
/// # Errors
/// When a step fails.
pub(crate) fn fin_without_time_wait(stage: &Stage) -> Result<Scene> {
    let buckets = Sysctl::set(stage.server(), "ipv4/tcp_max_tw_buckets", "0")?;
    let mut talk = Talk::open(stage)?;
    talk.keep(buckets);
    talk.exchange()?;
    talk.server("close c")?;
    talk.pair.client.await_state("c", TcpState::CloseWait)?;
    talk.leaves(Side::Acceptor, Orphan::Gone)?;
    // A shutdown: the client's socket stays with its process.
    talk.client("shutdown c")?;
    let resets = vec![
        talk.sent(Side::Acceptor, "tcp_flags", "listen")
            .judged("late_goodbye", "benign")
            .given(&["role=accepted"])
            .saying("tcp_max_tw_buckets"),
        talk.received(Side::Opener, "last_ack").judged("reset_while_closing", "benign"),
    ];
    Ok(talk.ends(resets))
}
