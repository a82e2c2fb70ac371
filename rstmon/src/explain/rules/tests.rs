//! The verdict of typical keys.

use super::{
    Cause::{self, *},
    Confidence::{self, Certain, Guess, Likely},
    Facts, judge,
};
use crate::model::{Bits, Direction, Reason, SocketKind, State};
use rstmon_common::evidence::{
    ACTIVE, ATTACHED, CLOSED_HERE, CLOSED_RECENTLY, LINGER_ZERO, LINGER2_NEGATIVE, LISTENER_FULL, LOCKED, MPTCP,
    NEVER_ACCEPTED, OWNER_EXITING, OWNER_RUNNING, SEGMENT_ACK, SEGMENT_DATA, SEGMENT_SYN, SHUT_RECEIVE, SHUT_SEND,
    SILENT, STATE_KEPT, TOMBSTONE, UNACKED, UNREAD, WROTE_AFTER_FIN, ended, phase, with_ended, with_phase,
};

const CLOSED_IDLE: u64 = with_phase(0, phase::IDLE);
const ENDED_BY_RESET: u64 = with_ended(0, ended::RESET_SENT);
const CLOSING: u64 = SHUT_RECEIVE | SHUT_SEND;

fn sent(reason: &str, socket: SocketKind, state: Option<State>, bits: u64) -> (Cause, Confidence) {
    let facts = Facts { direction: Direction::Sent, reason: Reason::new(reason), state, socket, bits: Bits(bits) };
    judge(&facts)
}

fn full(reason: &str, state: State, bits: u64) -> (Cause, Confidence) {
    sent(reason, SocketKind::Full, Some(state), bits)
}

fn received(state: State, bits: u64) -> (Cause, Confidence) {
    let reason = Reason::new(Reason::UNSUPPORTED);
    judge(&Facts {
        direction: Direction::Received,
        reason,
        state: Some(state),
        socket: SocketKind::Full,
        bits: Bits(bits),
    })
}

#[test]
fn a_syn_to_no_socket_is_refused() {
    assert_eq!(sent("no_socket", SocketKind::None, None, SEGMENT_SYN), (Refused, Certain));
    assert_eq!(received(State::SynSent, 0), (Refused, Certain));
}

#[test]
fn a_syn_ack_to_no_socket_is_no_refusal() {
    assert_eq!(sent("no_socket", SocketKind::None, None, SEGMENT_SYN | SEGMENT_ACK), (UnknownConnection, Likely));
}

#[test]
fn a_segment_without_a_tombstone_is_unknown_and_with_one_is_late() {
    let data = SEGMENT_ACK | SEGMENT_DATA;
    assert_eq!(sent("no_socket", SocketKind::None, None, data), (UnknownConnection, Likely));
    assert_eq!(full("tcp_flags", State::Listen, data), (UnknownConnection, Likely));
    let closed = data | TOMBSTONE | CLOSED_HERE;
    assert_eq!(sent("no_socket", SocketKind::None, None, closed), (WriteAfterClose, Certain));
    assert_eq!(full("tcp_flags", State::Listen, closed), (WriteAfterClose, Certain));
    assert_eq!(sent("no_socket", SocketKind::None, None, closed & !SEGMENT_DATA), (WriteAfterClose, Likely));
    assert_eq!(sent("no_socket", SocketKind::None, None, closed | ENDED_BY_RESET), (WriteAfterClose, Likely));
}

#[test]
fn data_after_a_close_is_late_whatever_is_left_of_the_socket() {
    let data = SEGMENT_ACK | SEGMENT_DATA;
    assert_eq!(
        sent("tcp_timewait_socket", SocketKind::TimeWait, Some(State::TimeWait), data),
        (WriteAfterClose, Certain)
    );
    assert_eq!(full("tcp_abort_on_data", State::FinWait1, data | CLOSED_HERE), (WriteAfterClose, Certain));
    assert_eq!(full("unsupported", State::FinWait2, data | CLOSED_HERE), (WriteAfterClose, Certain));
}

#[test]
fn a_keepalive_race_needs_an_idle_close_a_moment_ago() {
    let late = SEGMENT_ACK | SEGMENT_DATA | TOMBSTONE | CLOSED_HERE;
    let judge = |bits| sent("tcp_timewait_socket", SocketKind::TimeWait, Some(State::TimeWait), bits).0;
    assert_eq!(judge(late | CLOSED_IDLE | CLOSED_RECENTLY), KeepaliveRace);
    assert_eq!(judge(late | CLOSED_IDLE), WriteAfterClose);
    assert_eq!(judge(late | CLOSED_RECENTLY), WriteAfterClose);
}

#[test]
fn linger_zero_with_and_without_unread_data_are_distinguished() {
    let close = ACTIVE | ATTACHED | LOCKED | CLOSING | LINGER_ZERO;
    assert_eq!(full("tcp_state", State::Established, close), (LingerAbort, Certain));
    assert_eq!(full("tcp_abort_on_close", State::Established, close | UNREAD), (ClosedWithUnreadData, Certain));
    assert_eq!(full("unsupported", State::Established, close), (LingerAbort, Certain));
    assert_eq!(full("unsupported", State::Established, close | UNREAD), (ClosedWithUnreadData, Certain));
}

#[test]
fn a_crash_and_a_close_with_unread_data_are_distinguished() {
    let close = ACTIVE | ATTACHED | LOCKED | CLOSING | UNREAD;
    assert_eq!(full("tcp_abort_on_close", State::Established, close), (ClosedWithUnreadData, Certain));
    assert_eq!(full("tcp_abort_on_close", State::CloseWait, close | OWNER_EXITING), (ProcessExit, Certain));
}

#[test]
fn linger2_aborts_are_linger_aborts() {
    assert_eq!(full("tcp_abort_on_linger", State::FinWait2, ACTIVE | CLOSED_HERE), (LingerAbort, Certain));
    assert_eq!(full("unsupported", State::FinWait2, ACTIVE | CLOSED_HERE | LINGER2_NEGATIVE), (LingerAbort, Likely));
    let closed = SEGMENT_ACK | CLOSED_HERE | LINGER2_NEGATIVE | CLOSING;
    assert_eq!(full("tcp_abort_on_data", State::FinWait2, closed), (LingerAbort, Certain));
    assert_eq!(full("unsupported", State::FinWait2, closed | SEGMENT_DATA), (LingerAbort, Certain));
}

#[test]
fn linger2_does_not_explain_data_that_meets_a_close() {
    let late = SEGMENT_ACK | SEGMENT_DATA | CLOSED_HERE | LINGER2_NEGATIVE | CLOSING;
    assert_eq!(full("tcp_abort_on_data", State::FinWait1, late), (WriteAfterClose, Certain));
    assert_eq!(full("tcp_abort_on_data", State::FinWait2, late | ATTACHED), (WriteAfterClose, Certain));
}

#[test]
fn a_listener_overflow_and_a_bad_syn_are_distinguished() {
    assert_eq!(full("invalid_syn", State::Listen, SEGMENT_ACK | LISTENER_FULL), (ListenerOverflow, Certain));
    assert_eq!(full("tcp_flags", State::Listen, SEGMENT_ACK | LISTENER_FULL), (ListenerOverflow, Likely));
    assert_eq!(full("invalid_syn", State::Listen, SEGMENT_SYN | LISTENER_FULL), (ProtocolViolation, Certain));
}

#[test]
fn a_closed_listener_resets_connections_that_were_not_accepted() {
    let child = ACTIVE | NEVER_ACCEPTED;
    assert_eq!(full("tcp_state", State::Established, child), (ListenerClosed, Certain));
    assert_eq!(full("unsupported", State::Established, child), (ListenerClosed, Likely));
}

#[test]
fn disconnecting_is_not_closing() {
    let disconnect = ACTIVE | ATTACHED | LOCKED;
    assert_eq!(full("tcp_state", State::Established, disconnect), (Disconnect, Certain));
    assert_eq!(full("tcp_state", State::Established, disconnect | LINGER_ZERO), (Disconnect, Certain));
    assert_eq!(full("tcp_disconnect_with_data", State::LastAck, disconnect), (Disconnect, Certain));
}

#[test]
fn a_killed_socket_keeps_its_state_under_a_process_and_a_timed_out_one_without() {
    let kept = ACTIVE | ATTACHED | STATE_KEPT;
    assert_eq!(full("tcp_state", State::Established, kept | LOCKED), (Killed, Certain));
    assert_eq!(full("tcp_state", State::Established, kept | LOCKED | OWNER_RUNNING), (Killed, Likely));
    assert_eq!(full("tcp_keepalive_timeout", State::Established, kept), (IdleTimeout, Certain));
    assert_eq!(full("not_specified", State::Established, kept), (IdleTimeout, Likely));
}

#[test]
fn multipath_resets_are_named() {
    assert_eq!(full("mptcp_rst_eunspec", State::Established, ACTIVE), (Mptcp, Certain));
    assert_eq!(full("tcp_abort_on_close", State::Established, ACTIVE | STATE_KEPT | MPTCP), (Mptcp, Certain));
    assert_eq!(full("unsupported", State::Established, ACTIVE | STATE_KEPT | MPTCP | LOCKED), (Mptcp, Likely));
    assert_eq!(received(State::Established, MPTCP), (Mptcp, Likely));
}

#[test]
fn memory_pressure_is_the_kernels_word() {
    assert_eq!(full("tcp_abort_on_memory", State::FinWait1, ACTIVE), (MemoryPressure, Certain));
    assert_eq!(full("unsupported", State::FinWait1, ACTIVE | CLOSED_HERE), (MemoryPressure, Likely));
}

#[test]
fn the_remaining_reasons_are_violations() {
    for reason in
        ["tcp_invalid_ack_sequence", "tcp_rfc7323_paws", "tcp_too_old_ack", "tcp_ack_unsent_data", "tcp_old_ack"]
    {
        assert_eq!(full(reason, State::SynRecv, SEGMENT_ACK), (ProtocolViolation, Certain), "{reason}");
    }
}

#[test]
fn a_received_reset_is_judged_by_what_was_under_way() {
    assert_eq!(received(State::Established, 0), (PeerReset, Likely));
    assert_eq!(received(State::Established, UNACKED), (PeerAborted, Likely));
    assert_eq!(received(State::Established, UNACKED | SILENT), (PeerResetIdle, Likely));
    assert_eq!(received(State::CloseWait, UNACKED), (PeerAborted, Likely));
    assert_eq!(received(State::CloseWait, UNACKED | WROTE_AFTER_FIN), (WroteToClosedPeer, Certain));
    for state in [State::FinWait1, State::FinWait2, State::Closing, State::LastAck] {
        assert_eq!(received(state, UNACKED), (ResetWhileClosing, Certain), "{state}");
    }
}

#[test]
fn what_no_rule_knows_is_unexplained() {
    assert_eq!(full("reason_40", State::Established, SEGMENT_ACK), (Unexplained, Guess));
    assert_eq!(received(State::Close, 0), (Unexplained, Guess));
}

/// Every count key of the kernel half has a verdict, and the catalogue says when its confidence is reached.
#[test]
fn every_combination_is_judged_as_the_catalogue_says() {
    let check = |(cause, confidence): (Cause, Confidence)| {
        let levels = cause.entry().how_known.levels;
        assert!(
            levels.iter().any(|level| level.confidence == confidence),
            "{cause} does not say when it is {confidence}"
        );
    };
    for reason in ["unsupported", "not_specified", "no_socket", "tcp_state", "tcp_abort_on_close", "reason_40"] {
        for socket in SocketKind::ALL {
            for state in State::ALL {
                for bits in (0..58).map(|shift| 1u64 << shift).chain([0, u64::MAX]) {
                    check(sent(reason, *socket, Some(*state), bits));
                    check(received(*state, bits));
                }
            }
        }
    }
}
