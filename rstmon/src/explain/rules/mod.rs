//! The rules: facts -> cause and confidence. Pure; tried in order, and the first that holds decides.
//!
//! Where the kernel gives a reason (since 6.10), the rules look at it first. On older kernels (`unsupported`, or 0 =
//! `not_specified` for active resets of 6.10 and 6.11) the same cause follows from the socket, mostly with a lower
//! confidence.

use super::{Cause, Confidence, Facts};
use crate::model::{Bits, Direction, Ended, Phase, Reason, SocketKind, State};
use Confidence::{Certain, Guess, Likely};
use rstmon_common::evidence as bit;

/// The cause, where the rule holds.
type RuleOutcome = Option<(Cause, Confidence)>;

type Rule = fn(&Facts) -> RuleOutcome;

const SENT: &[Rule] = &[
    multipath,
    refused_here,
    full_listener,
    late_segment,
    stray_segment,
    closed_unread,
    memory,
    linger,
    keepalive_gave_up,
    never_accepted,
    disconnected,
    destroyed,
    older_timer,
    violation,
];

const RECEIVED: &[Rule] = &[refused_by_peer, multipath_peer, while_closing, after_peers_fin, established];

/// The cause of a reset, and with what confidence it follows from the facts.
#[must_use]
pub(crate) fn judge(facts: &Facts) -> (Cause, Confidence) {
    let rules = match facts.direction {
        Direction::Sent => SENT,
        Direction::Received => RECEIVED,
    };
    rules.iter().find_map(|rule| rule(facts)).unwrap_or((Cause::Unexplained, Guess))
}

/// The connection of the tombstone did not end by FINs.
pub(super) fn ended_by_reset(bits: Bits) -> bool {
    matches!(bits.ended(), Some(Ended::ResetSent | Ended::ResetReceived | Ended::Silent))
}

/// The connection was idle at the close here.
pub(super) fn closed_idle(bits: Bits) -> bool {
    bits.has(bit::CLOSED_HERE) && bits.phase() == Some(Phase::Idle)
}

impl Facts {
    fn is(&self, reason: &str) -> bool {
        self.reason.as_str() == reason
    }

    /// Whether the kernel gives no reason.
    fn is_unnamed(&self) -> bool {
        self.is(Reason::UNSUPPORTED) || self.is("not_specified")
    }

    /// Whether the kernel gives no reason, or `tcp_state`, its reason for every reset that has none of its own.
    fn is_vague(&self) -> bool {
        self.is("tcp_state") || self.is_unnamed()
    }

    fn is_active(&self) -> bool {
        self.bits.has(bit::ACTIVE)
    }

    /// Whether a process set the socket to CLOSE before it sent the RST, as `close()` does.
    fn is_set_to_close(&self) -> bool {
        self.is_active() && !self.bits.has(bit::STATE_KEPT)
    }

    /// `__tcp_close` shuts both directions down before anything else; `connect(AF_UNSPEC)` does not.
    fn is_closing(&self) -> bool {
        self.bits.has(bit::SHUT_RECEIVE | bit::SHUT_SEND)
    }

    fn sure_if(sure: bool) -> Confidence {
        if sure { Certain } else { Likely }
    }
}

/// MPTCP's own reasons. A fastclose resets its subflows with the reason of a close, but leaves their state.
fn multipath(f: &Facts) -> RuleOutcome {
    if f.reason.as_str().starts_with("mptcp_") {
        return Some((Cause::Mptcp, Certain));
    }
    let kept = f.is_active() && f.bits.has(bit::STATE_KEPT);
    if kept && f.is("tcp_abort_on_close") {
        return Some((Cause::Mptcp, Certain));
    }
    (kept && f.bits.has(bit::MPTCP) && f.is_vague()).then_some((Cause::Mptcp, Likely))
}

fn refused_here(f: &Facts) -> RuleOutcome {
    (f.socket == SocketKind::None && f.bits.is_connect()).then_some((Cause::Refused, Certain))
}

/// The accept queue is full. With `tcp_abort_on_overflow` the final ACK is answered at once (`invalid_syn`); without,
/// what the client sends later meets the listener (`tcp_flags`), and the queue may have moved on by then.
fn full_listener(f: &Facts) -> RuleOutcome {
    let stray = f.state == Some(State::Listen) && !f.is_active() && !f.bits.has(bit::SEGMENT_SYN);
    if !stray {
        return None;
    }
    if f.bits.has(bit::LISTENER_FULL) {
        return Some((Cause::ListenerOverflow, Facts::sure_if(f.is("invalid_syn"))));
    }
    f.is("invalid_syn").then_some((Cause::ListenerOverflow, Likely))
}

/// A segment for a connection that a process here had closed.
fn late_segment(f: &Facts) -> RuleOutcome {
    if f.is_active() || f.bits.has(bit::SEGMENT_SYN) {
        return None;
    }
    let closing =
        matches!(f.state, Some(State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait));
    let aborted = f.is("tcp_abort_on_data") || (f.socket == SocketKind::Full && f.is_unnamed() && closing);
    // TCP_LINGER2 below 0: the acknowledgement of an orphan's FIN moves it to FIN_WAIT2 and is answered with a RST at
    // once, data or not (`tcp_rcv_state_process`), so no segment ever meets such an orphan there.
    let orphan = f.bits.has(bit::LINGER2_NEGATIVE) && !f.bits.has(bit::ATTACHED);
    if aborted && orphan && f.state == Some(State::FinWait2) {
        return Some((Cause::LingerAbort, Certain));
    }
    let minisock = f.socket == SocketKind::TimeWait;
    let remembered = f.bits.has(bit::TOMBSTONE | bit::CLOSED_HERE);
    if !(aborted || minisock || remembered) {
        return None;
    }
    let data = f.bits.has(bit::SEGMENT_DATA);
    if data && closed_idle(f.bits) && f.bits.has(bit::CLOSED_RECENTLY) && !ended_by_reset(f.bits) {
        return Some((Cause::KeepaliveRace, Likely));
    }
    Some((Cause::WriteAfterClose, Facts::sure_if(data && !ended_by_reset(f.bits))))
}

/// A segment that belongs to no connection: it met no socket, or the listener of its port.
fn stray_segment(f: &Facts) -> RuleOutcome {
    if f.is_active() {
        return None;
    }
    if f.socket == SocketKind::None {
        return Some((Cause::UnknownConnection, Likely));
    }
    let at_listener = f.state == Some(State::Listen) && !f.bits.has(bit::SEGMENT_SYN);
    (at_listener && (f.is("tcp_flags") || f.is_unnamed())).then_some((Cause::UnknownConnection, Likely))
}

/// Closed, or exited, with data unread. Older kernels: the unread bytes themselves are what `__tcp_close` tests.
fn closed_unread(f: &Facts) -> RuleOutcome {
    let named = f.is("tcp_abort_on_close");
    let unnamed = f.is_unnamed() && f.is_set_to_close() && f.bits.has(bit::ATTACHED | bit::UNREAD) && f.is_closing();
    if !(named || unnamed) {
        return None;
    }
    let cause = if f.bits.has(bit::OWNER_EXITING) { Cause::ProcessExit } else { Cause::ClosedWithUnreadData };
    Some((cause, Certain))
}

fn memory(f: &Facts) -> RuleOutcome {
    if f.is("tcp_abort_on_memory") {
        return Some((Cause::MemoryPressure, Certain));
    }
    // Without TCP_LINGER2 nothing else resets an orphan that a process had closed.
    let orphan = f.is_active() && f.is_unnamed() && f.bits.has(bit::CLOSED_HERE) && !f.bits.has(bit::ATTACHED);
    (orphan && !f.bits.has(bit::LINGER2_NEGATIVE)).then_some((Cause::MemoryPressure, Likely))
}

fn linger(f: &Facts) -> RuleOutcome {
    if f.is("tcp_abort_on_linger") {
        return Some((Cause::LingerAbort, Certain));
    }
    if !f.is_active() || !f.is_vague() {
        return None;
    }
    if f.is_set_to_close() && f.bits.has(bit::ATTACHED | bit::LINGER_ZERO) && f.is_closing() {
        return Some((Cause::LingerAbort, Certain));
    }
    let second = f.bits.has(bit::LINGER2_NEGATIVE | bit::CLOSED_HERE) && !f.bits.has(bit::ATTACHED);
    second.then_some((Cause::LingerAbort, Likely))
}

fn keepalive_gave_up(f: &Facts) -> RuleOutcome {
    f.is("tcp_keepalive_timeout").then_some((Cause::IdleTimeout, Certain))
}

fn never_accepted(f: &Facts) -> RuleOutcome {
    (f.is_set_to_close() && f.is_vague() && f.bits.has(bit::NEVER_ACCEPTED))
        .then_some((Cause::ListenerClosed, Facts::sure_if(f.is("tcp_state"))))
}

fn disconnected(f: &Facts) -> RuleOutcome {
    if f.is("tcp_disconnect_with_data") {
        return Some((Cause::Disconnect, Certain));
    }
    (f.is_set_to_close() && f.is_vague() && f.bits.has(bit::ATTACHED))
        .then_some((Cause::Disconnect, Facts::sure_if(f.is("tcp_state") && !f.is_closing())))
}

/// `SOCK_DESTROY` takes the socket lock and leaves the state; timers do not take it.
fn destroyed(f: &Facts) -> RuleOutcome {
    (f.is_active() && f.is_vague() && f.bits.has(bit::STATE_KEPT | bit::LOCKED))
        .then_some((Cause::Killed, Facts::sure_if(f.is("tcp_state") && !f.bits.has(bit::OWNER_RUNNING))))
}

/// Kernels that do not name the keep-alive timer: an active reset outside of any process.
fn older_timer(f: &Facts) -> RuleOutcome {
    let timer = f.is_active() && f.bits.has(bit::STATE_KEPT) && !f.bits.has(bit::LOCKED);
    (timer && f.is_vague() && f.bits.has(bit::ATTACHED)).then_some((Cause::IdleTimeout, Likely))
}

/// The remaining reasons of the protocol, and segments that meet a handshake they do not belong to.
fn violation(f: &Facts) -> RuleOutcome {
    let named = matches!(
        f.reason.as_str(),
        "tcp_invalid_ack_sequence"
            | "tcp_rfc7323_paws"
            | "tcp_too_old_ack"
            | "tcp_ack_unsent_data"
            | "tcp_flags"
            | "tcp_old_ack"
            | "invalid_syn"
            | "tcp_timewait_socket"
    );
    if named {
        return Some((Cause::ProtocolViolation, Certain));
    }
    let handshake = matches!(f.state, Some(State::SynSent | State::SynRecv | State::NewSynRecv | State::Listen));
    (!f.is_active() && f.is_unnamed() && handshake).then_some((Cause::ProtocolViolation, Likely))
}

fn refused_by_peer(f: &Facts) -> RuleOutcome {
    (f.state == Some(State::SynSent)).then_some((Cause::Refused, Certain))
}

fn multipath_peer(f: &Facts) -> RuleOutcome {
    f.bits.has(bit::MPTCP).then_some((Cause::Mptcp, Likely))
}

fn while_closing(f: &Facts) -> RuleOutcome {
    matches!(f.state, Some(State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait))
        .then_some((Cause::ResetWhileClosing, Certain))
}

fn after_peers_fin(f: &Facts) -> RuleOutcome {
    if f.state != Some(State::CloseWait) {
        return None;
    }
    if f.bits.has(bit::WROTE_AFTER_FIN) {
        return Some((Cause::WroteToClosedPeer, Certain));
    }
    Some(in_use(f))
}

fn established(f: &Facts) -> RuleOutcome {
    if matches!(f.state, Some(State::Established | State::SynRecv)) { Some(in_use(f)) } else { None }
}

/// A reset of a connection in use: after a long silence, while this host was sending, or neither.
fn in_use(f: &Facts) -> (Cause, Confidence) {
    if f.bits.has(bit::SILENT) {
        (Cause::PeerResetIdle, Likely)
    } else if f.bits.any(bit::UNACKED | bit::UNSENT) {
        (Cause::PeerAborted, Likely)
    } else {
        (Cause::PeerReset, Likely)
    }
}

#[cfg(test)]
mod tests;
