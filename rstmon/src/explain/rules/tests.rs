//! The verdict of typical keys.

use super::judge;
use crate::{
    explain::{
        Cause::{self, *},
        Confidence::{self, Certain, Guess, Likely},
        Facts,
        Severity::{self, Benign, Harmful, Notice},
    },
    model::{Bits, Direction, Reason, SocketKind, State},
};
use rstmon_common::{
    evidence::{
        ACTIVE, AFTER_FIN_SMALL, AFTER_FIN_TAKEN, ANSWERED, ATTACHED, CLOSED_HERE, CLOSED_RECENTLY, FIN_WITHIN_SECOND,
        GENTLE_EXIT, LAST_WORD, LINGER_ZERO, LINGER2_NEGATIVE, LISTENER_FULL, LISTENER_WAS_FULL, LOCKED, MPTCP,
        NEVER_ACCEPTED, OWNER_EXITING, OWNER_RUNNING, PEER_FIN, REQUEST_UNACKED, SEGMENT_ACK, SEGMENT_DATA,
        SEGMENT_FIN, SEGMENT_LARGE, SEGMENT_STRAY, SEGMENT_SYN, SHUT_RECEIVE, SHUT_SEND, SILENT, STATE_KEPT, STREAM,
        TOMBSTONE, UNACKED, UNDELIVERED_SMALL, UNREAD, UNSENT, UNSENT_AT_CLOSE, WAITED, WITHIN_SECOND,
        WRITTEN_AFTER_RESET, WROTE_AFTER_FIN, ended, means, phase, with_ended, with_means, with_phase, with_role,
    },
    key::role,
};

type Found = (Cause, Confidence, Severity);

const CLOSING: u64 = SHUT_RECEIVE | SHUT_SEND;
/// A close by the program.
const CLOSE: u64 = ACTIVE | ATTACHED | LOCKED | CLOSING;
/// Payload of a request or an answer.
const PAYLOAD: u64 = SEGMENT_ACK | SEGMENT_DATA | SEGMENT_LARGE;
/// Payload of a farewell.
const FAREWELL: u64 = SEGMENT_ACK | SEGMENT_DATA | WITHIN_SECOND;

const FRESH: u8 = phase::FRESH;
const REQUEST: u8 = phase::REQUEST;
const ANSWER: u8 = phase::ANSWER;
const IDLE: u8 = phase::IDLE;

fn opened(phase: u8) -> u64 {
    with_phase(with_role(0, role::OPENED), phase)
}

fn accepted(phase: u8) -> u64 {
    with_phase(with_role(0, role::ACCEPTED), phase)
}

fn sent(reason: &str, socket: SocketKind, state: Option<State>, bits: u64) -> Found {
    let facts = Facts { direction: Direction::Sent, reason: Reason::new(reason), state, socket, bits: Bits(bits) };
    let judgement = judge(&facts);
    (judgement.cause, judgement.confidence, judgement.severity)
}

fn full(reason: &str, state: State, bits: u64) -> Found {
    sent(reason, SocketKind::Full, Some(state), bits)
}

fn no_socket(bits: u64) -> Found {
    sent("no_socket", SocketKind::None, None, bits)
}

/// A segment of a connection that a process here had closed, and that ended by FINs.
fn late(bits: u64) -> Found {
    let bits = with_ended(with_means(bits, means::CLOSE), ended::FINS);
    sent("tcp_timewait_socket", SocketKind::TimeWait, Some(State::TimeWait), bits | TOMBSTONE | CLOSED_HERE)
}

/// A segment of a connection that had ended in some way.
fn remembered(bits: u64, end: u8) -> Found {
    no_socket(with_ended(bits, end) | TOMBSTONE)
}

fn received(state: State, bits: u64) -> Found {
    let judgement = judge(&Facts {
        direction: Direction::Received,
        reason: Reason::new(Reason::UNSUPPORTED),
        state: Some(state),
        socket: SocketKind::Full,
        bits: Bits(bits),
    });
    (judgement.cause, judgement.confidence, judgement.severity)
}

#[test]
fn a_syn_to_no_socket_is_refused() {
    assert_eq!(no_socket(SEGMENT_SYN), (Refused, Certain, Notice));
    assert_eq!(no_socket(SEGMENT_SYN | TOMBSTONE), (Refused, Certain, Notice), "a listener was here");
    assert_eq!(received(State::SynSent, 0), (Refused, Certain, Notice));
}

#[test]
fn a_syn_ack_to_no_socket_is_no_refusal() {
    let answer = SEGMENT_SYN | SEGMENT_ACK;
    assert_eq!(no_socket(answer), (UnknownConnection, Likely, Notice));
    let abandoned = answer | TOMBSTONE | opened(phase::HANDSHAKE);
    assert_eq!(remembered(abandoned, ended::SILENT), (GaveUpWaiting, Likely, Notice));
    assert_eq!(remembered(answer | opened(IDLE), ended::FINS), (UnknownConnection, Likely, Notice), "another one");
}

#[test]
fn scans_and_reused_ports_touch_no_connection() {
    assert_eq!(no_socket(SEGMENT_STRAY), (PortScan, Certain, Benign));
    assert_eq!(no_socket(SEGMENT_STRAY | SEGMENT_SYN | SEGMENT_FIN), (PortScan, Certain, Benign));
    assert_eq!(full("tcp_invalid_ack_sequence", State::SynSent, SEGMENT_ACK), (PortReuse, Certain, Benign));
    assert_eq!(full("unsupported", State::SynSent, SEGMENT_ACK), (PortReuse, Likely, Benign));
    let wrong = SEGMENT_SYN | SEGMENT_ACK;
    assert_eq!(full("tcp_invalid_ack_sequence", State::SynSent, wrong), (ProtocolViolation, Certain, Notice));
    let syn = |state| sent("tcp_timewait_socket", SocketKind::TimeWait, Some(state), SEGMENT_SYN);
    assert_eq!(syn(State::TimeWait), (PortReuse, Certain, Notice));
    assert_eq!(syn(State::FinWait2), (PortReuse, Certain, Notice));
}

#[test]
fn a_segment_without_a_tombstone_is_unknown() {
    assert_eq!(no_socket(PAYLOAD), (UnknownConnection, Likely, Notice));
    assert_eq!(full("tcp_flags", State::Listen, PAYLOAD), (UnknownConnection, Likely, Notice));
    assert_eq!(full("tcp_flags", State::Listen, PAYLOAD | TOMBSTONE), (WriteAfterClose, Certain, Notice));
}

#[test]
fn after_a_reset_there_are_echoes_and_a_peer_that_never_sent_it() {
    for bits in [PAYLOAD, FAREWELL, SEGMENT_ACK | SEGMENT_FIN] {
        let bits = bits | accepted(IDLE) | ANSWERED | CLOSED_HERE | CLOSED_RECENTLY;
        assert_eq!(remembered(bits, ended::RESET_SENT), (AlreadyReset, Certain, Benign));
        assert_eq!(remembered(bits, ended::RESET_RECEIVED), (AlreadyReset, Likely, Benign));
    }
    let wrote_on = PAYLOAD | WRITTEN_AFTER_RESET;
    assert_eq!(remembered(wrote_on, ended::RESET_RECEIVED), (CutOnThePath, Certain, Harmful));
    assert_eq!(remembered(wrote_on, ended::RESET_SENT), (AlreadyReset, Certain, Benign));
}

#[test]
fn a_connection_that_was_given_up_in_silence_is_unknown() {
    assert_eq!(remembered(PAYLOAD | opened(REQUEST), ended::SILENT), (UnknownConnection, Certain, Notice));
}

#[test]
fn a_late_segment_without_payload_is_a_goodbye() {
    for bits in [accepted(IDLE) | ANSWERED, opened(REQUEST) | WAITED, accepted(REQUEST), 0] {
        assert_eq!(late(SEGMENT_ACK | SEGMENT_FIN | bits), (LateGoodbye, Certain, Benign));
        assert_eq!(late(SEGMENT_ACK | bits), (LateGoodbye, Likely, Benign));
    }
}

#[test]
fn what_a_dead_process_left_behind_is_its_exit() {
    let left = |means, bits| {
        let bits = with_ended(with_means(bits, means), ended::FINS) | TOMBSTONE | CLOSED_HERE;
        no_socket(bits)
    };
    let idle = accepted(IDLE) | ANSWERED | CLOSED_RECENTLY;
    assert_eq!(left(means::SIGNAL, PAYLOAD | idle), (ProcessExit, Certain, Harmful));
    assert_eq!(left(means::EXIT, PAYLOAD | idle | GENTLE_EXIT), (ProcessExit, Certain, Harmful), "a server");
    assert_eq!(left(means::SIGNAL, PAYLOAD | opened(REQUEST)), (ProcessExit, Certain, Harmful));
    assert_eq!(left(means::SIGNAL, PAYLOAD | opened(REQUEST) | GENTLE_EXIT), (ProcessExit, Certain, Notice));
    assert_eq!(left(means::EXIT, PAYLOAD | opened(ANSWER) | GENTLE_EXIT), (ProcessExit, Certain, Notice));
    assert_eq!(left(means::EXIT, FAREWELL | opened(ANSWER) | GENTLE_EXIT), (ProcessExit, Certain, Benign));
}

#[test]
fn unsent_payload_behind_the_close_is_a_lost_answer() {
    for bits in [accepted(ANSWER) | ANSWERED, opened(REQUEST) | WAITED, accepted(IDLE) | ANSWERED | CLOSED_RECENTLY] {
        assert_eq!(late(PAYLOAD | UNSENT_AT_CLOSE | bits), (WriteAfterClose, Certain, Harmful));
    }
    let waiting = PAYLOAD | UNSENT_AT_CLOSE | CLOSED_HERE | accepted(ANSWER);
    assert_eq!(full("tcp_abort_on_data", State::FinWait1, waiting), (WriteAfterClose, Certain, Harmful));
}

#[test]
fn an_answer_that_comes_after_the_client_gave_up() {
    assert_eq!(late(PAYLOAD | opened(REQUEST)), (GaveUpWaiting, Likely, Notice), "0.4 s, but more than a farewell");
    assert_eq!(late(SEGMENT_ACK | SEGMENT_DATA | WAITED | opened(REQUEST)), (GaveUpWaiting, Likely, Notice));
    assert_eq!(late(FAREWELL | opened(REQUEST)), (LateGoodbye, Likely, Benign));
    assert_eq!(late(PAYLOAD | opened(IDLE)), (WriteAfterClose, Certain, Notice), "a subscriber that left");
    assert_eq!(late(PAYLOAD | opened(ANSWER)), (WriteAfterClose, Certain, Notice), "a finished download");
}

#[test]
fn a_request_that_comes_after_the_server_gave_up() {
    for phase in [FRESH, REQUEST] {
        assert_eq!(late(PAYLOAD | accepted(phase)), (RequestTimeout, Likely, Notice));
        assert_eq!(late(FAREWELL | accepted(phase)), (RequestTimeout, Likely, Notice));
    }
    assert_eq!(late(PAYLOAD | accepted(REQUEST) | STREAM), (RequestTimeout, Guess, Notice));
}

#[test]
fn a_race_needs_the_accepted_end_an_answer_and_an_idle_close_a_moment_ago() {
    let race = PAYLOAD | ANSWERED | CLOSED_RECENTLY | WITHIN_SECOND;
    assert_eq!(late(race | accepted(IDLE)), (KeepaliveRace, Likely, Harmful));
    assert_eq!(late(race | accepted(IDLE) | LAST_WORD), (KeepaliveRace, Likely, Harmful), "with TLS");
    let small = FAREWELL | ANSWERED | CLOSED_RECENTLY;
    assert_eq!(late(small | accepted(IDLE)), (KeepaliveRace, Likely, Harmful), "a request of a plain protocol");
    assert_eq!(late(small | accepted(IDLE) | LAST_WORD), (LateGoodbye, Likely, Benign), "the client's close_notify");
    assert_eq!(late(race & !ANSWERED | accepted(IDLE)), (WriteAfterClose, Certain, Notice));
    assert_eq!(late(race | opened(IDLE)), (WriteAfterClose, Certain, Notice));
    assert_eq!(late(race | accepted(ANSWER)), (WriteAfterClose, Certain, Notice));
    assert_eq!(late(small | accepted(ANSWER)), (LateGoodbye, Likely, Benign));
}

#[test]
fn a_pool_that_kept_a_closed_connection() {
    let late_reuse = SEGMENT_ACK | SEGMENT_DATA | ANSWERED | accepted(IDLE);
    assert_eq!(late(late_reuse | SEGMENT_LARGE), (StaleConnection, Likely, Harmful));
    assert_eq!(late(late_reuse | SEGMENT_LARGE | LAST_WORD), (StaleConnection, Likely, Harmful));
    assert_eq!(late(late_reuse), (StaleConnection, Likely, Notice), "a pool that validates");
}

#[test]
fn data_after_a_close_is_late_whatever_is_left_of_the_socket() {
    let found = (WriteAfterClose, Certain, Notice);
    assert_eq!(sent("tcp_timewait_socket", SocketKind::TimeWait, Some(State::TimeWait), PAYLOAD), found);
    assert_eq!(full("tcp_abort_on_data", State::FinWait1, PAYLOAD | CLOSED_HERE), found);
    assert_eq!(full("unsupported", State::FinWait2, PAYLOAD | CLOSED_HERE), found);
}

#[test]
fn an_abort_is_an_abort_whatever_was_unread() {
    let abort = CLOSE | LINGER_ZERO;
    for reason in ["tcp_state", "tcp_abort_on_close", "unsupported"] {
        let found = |bits| full(reason, State::Established, abort | UNREAD | bits);
        assert_eq!(found(accepted(REQUEST)), (LingerAbort, Certain, Notice), "{reason}");
        assert_eq!(found(opened(FRESH)), (LingerAbort, Certain, Benign), "{reason}");
        assert_eq!(found(accepted(FRESH)), (LingerAbort, Certain, Benign), "{reason}");
        assert_eq!(found(opened(ANSWER)), (LingerAbort, Certain, Benign), "a health check, {reason}");
        assert_eq!(found(opened(ANSWER) | UNACKED), (LingerAbort, Certain, Notice), "{reason}");
        assert_eq!(found(accepted(ANSWER)), (LingerAbort, Certain, Notice), "{reason}");
        assert_eq!(found(accepted(IDLE)), (IdleAbort, Certain, Notice), "{reason}");
        assert_eq!(found(opened(IDLE)), (IdleAbort, Certain, Notice), "{reason}");
        assert_eq!(found(opened(REQUEST) | WAITED), (GaveUpWaiting, Likely, Notice), "{reason}");
        assert_eq!(found(opened(REQUEST)), (LingerAbort, Certain, Notice), "{reason}");
    }
    assert_eq!(full("tcp_state", State::Established, abort), (LingerAbort, Certain, Notice));
}

#[test]
fn unread_data_is_weighed_by_role_and_by_what_the_peer_still_wanted() {
    let found = |bits| full("tcp_abort_on_close", State::Established, CLOSE | UNREAD | bits);
    assert_eq!(found(accepted(REQUEST)), (ClosedWithUnreadData, Certain, Harmful));
    assert_eq!(found(0), (ClosedWithUnreadData, Certain, Harmful), "of an unknown role");
    assert_eq!(found(opened(ANSWER)), (ClosedWithUnreadData, Certain, Notice));
    assert_eq!(found(opened(FRESH)), (ClosedWithUnreadData, Certain, Benign), "an unread banner");
    assert_eq!(found(opened(ANSWER) | PEER_FIN), (ClosedWithUnreadData, Certain, Benign));
    assert_eq!(found(opened(REQUEST) | PEER_FIN | UNACKED), (ClosedWithUnreadData, Certain, Notice));
    assert_eq!(found(accepted(REQUEST) | PEER_FIN | ANSWERED), (ClosedWithUnreadData, Certain, Benign));
    assert_eq!(found(accepted(REQUEST) | PEER_FIN), (ClosedWithUnreadData, Certain, Harmful), "never answered");
    assert_eq!(found(accepted(REQUEST) | PEER_FIN | ANSWERED | UNSENT), (ClosedWithUnreadData, Certain, Harmful));
    let unnamed = full("unsupported", State::Established, CLOSE | UNREAD | accepted(REQUEST));
    assert_eq!(unnamed, (ClosedWithUnreadData, Certain, Harmful));
}

#[test]
fn a_death_comes_before_what_else_could_explain_the_reset() {
    let dying = CLOSE | UNREAD | OWNER_EXITING;
    assert_eq!(full("tcp_abort_on_close", State::CloseWait, dying), (ProcessExit, Certain, Harmful));
    assert_eq!(full("tcp_state", State::Established, dying | LINGER_ZERO), (ProcessExit, Certain, Harmful));
    let child = ACTIVE | NEVER_ACCEPTED | OWNER_EXITING;
    assert_eq!(full("tcp_state", State::Established, child), (ProcessExit, Certain, Harmful));
    let client = dying | opened(ANSWER);
    assert_eq!(full("tcp_abort_on_close", State::Established, client | GENTLE_EXIT), (ProcessExit, Certain, Notice));
    assert_eq!(full("tcp_abort_on_close", State::Established, client), (ProcessExit, Certain, Harmful));
    let server = dying | accepted(ANSWER) | GENTLE_EXIT;
    assert_eq!(full("tcp_abort_on_close", State::Established, server), (ProcessExit, Certain, Harmful));
}

#[test]
fn linger2_aborts_are_aborts() {
    assert_eq!(full("tcp_abort_on_linger", State::FinWait2, ACTIVE | CLOSED_HERE), (LingerAbort, Certain, Notice));
    let unnamed = ACTIVE | CLOSED_HERE | LINGER2_NEGATIVE;
    assert_eq!(full("unsupported", State::FinWait2, unnamed), (LingerAbort, Likely, Notice));
    assert_eq!(full("unsupported", State::FinWait2, unnamed | accepted(IDLE)), (IdleAbort, Likely, Notice));
    let closed = SEGMENT_ACK | CLOSED_HERE | LINGER2_NEGATIVE | CLOSING;
    assert_eq!(full("tcp_abort_on_data", State::FinWait2, closed), (LingerAbort, Certain, Notice));
    assert_eq!(full("unsupported", State::FinWait2, closed | SEGMENT_DATA), (LingerAbort, Certain, Notice));
}

#[test]
fn linger2_does_not_explain_data_that_meets_a_close() {
    let late = PAYLOAD | CLOSED_HERE | LINGER2_NEGATIVE | CLOSING;
    assert_eq!(full("tcp_abort_on_data", State::FinWait1, late), (WriteAfterClose, Certain, Notice));
    assert_eq!(full("tcp_abort_on_data", State::FinWait2, late | ATTACHED), (WriteAfterClose, Certain, Notice));
}

#[test]
fn a_listener_overflow_and_a_bad_syn_are_distinguished() {
    assert_eq!(full("invalid_syn", State::Listen, SEGMENT_ACK | LISTENER_FULL), (ListenerOverflow, Certain, Harmful));
    assert_eq!(full("tcp_flags", State::Listen, SEGMENT_ACK | LISTENER_FULL), (ListenerOverflow, Likely, Harmful));
    let over = SEGMENT_ACK | LISTENER_WAS_FULL;
    assert_eq!(full("tcp_flags", State::Listen, over), (ListenerOverflow, Likely, Harmful), "with room again");
    assert_eq!(full("unsupported", State::Listen, over), (ListenerOverflow, Likely, Harmful));
    assert_eq!(
        full("tcp_flags", State::Listen, over | PAYLOAD | TOMBSTONE),
        (WriteAfterClose, Certain, Notice),
        "remembered"
    );
    assert_eq!(full("invalid_syn", State::Listen, SEGMENT_SYN | LISTENER_FULL), (ProtocolViolation, Certain, Notice));
}

#[test]
fn a_closed_listener_resets_connections_that_were_not_accepted() {
    let child = ACTIVE | NEVER_ACCEPTED;
    assert_eq!(full("tcp_state", State::Established, child), (ListenerClosed, Certain, Harmful));
    assert_eq!(full("unsupported", State::Established, child), (ListenerClosed, Likely, Harmful));
    let destroyed = with_means(child, means::DESTROYED);
    assert_eq!(full("tcp_state", State::Established, destroyed), (Killed, Certain, Notice), "ss -K on a listener");
}

#[test]
fn disconnecting_is_not_closing() {
    let disconnect = ACTIVE | ATTACHED | LOCKED;
    assert_eq!(full("tcp_state", State::Established, disconnect), (Disconnect, Certain, Notice));
    assert_eq!(full("tcp_state", State::Established, disconnect | LINGER_ZERO), (Disconnect, Certain, Notice));
    assert_eq!(full("tcp_state", State::Established, disconnect | CLOSING), (Disconnect, Likely, Notice));
    assert_eq!(full("tcp_disconnect_with_data", State::LastAck, disconnect), (Disconnect, Certain, Notice));
}

#[test]
fn a_killed_socket_keeps_its_state_under_a_process_and_a_timed_out_one_without() {
    let kept = ACTIVE | ATTACHED | STATE_KEPT;
    assert_eq!(full("tcp_state", State::Established, kept | LOCKED), (Killed, Certain, Notice));
    assert_eq!(full("tcp_state", State::Established, kept | LOCKED | OWNER_RUNNING), (Killed, Likely, Notice));
    assert_eq!(full("tcp_keepalive_timeout", State::Established, kept), (IdleTimeout, Certain, Notice));
    assert_eq!(full("not_specified", State::Established, kept), (IdleTimeout, Likely, Notice));
}

#[test]
fn a_fast_close_of_mptcp_is_told_as_what_it_is() {
    let fast = ACTIVE | STATE_KEPT | MPTCP | LOCKED | ATTACHED;
    let found = |bits| full("tcp_abort_on_close", State::Established, fast | bits);
    assert_eq!(found(0), (Mptcp, Certain, Notice));
    assert_eq!(found(OWNER_EXITING | OWNER_RUNNING), (ProcessExit, Certain, Harmful));
    assert_eq!(found(LINGER_ZERO), (LingerAbort, Certain, Notice));
    assert_eq!(found(UNREAD | accepted(REQUEST)), (ClosedWithUnreadData, Likely, Harmful));
    assert_eq!(
        found(OWNER_RUNNING | opened(ANSWER)),
        (ClosedWithUnreadData, Likely, Notice),
        "unread at the connection"
    );
    assert_eq!(full("unsupported", State::Established, fast), (Mptcp, Likely, Notice));
    assert_eq!(full("mptcp_rst_eunspec", State::Established, ACTIVE), (Mptcp, Certain, Notice));
    assert_eq!(received(State::Established, MPTCP), (Mptcp, Likely, Notice));
}

#[test]
fn memory_pressure_is_the_kernels_word() {
    assert_eq!(full("tcp_abort_on_memory", State::FinWait1, ACTIVE), (MemoryPressure, Certain, Harmful));
    assert_eq!(full("unsupported", State::FinWait1, ACTIVE | CLOSED_HERE), (MemoryPressure, Likely, Harmful));
}

#[test]
fn the_remaining_reasons_are_violations() {
    for reason in
        ["tcp_invalid_ack_sequence", "tcp_rfc7323_paws", "tcp_too_old_ack", "tcp_ack_unsent_data", "tcp_old_ack"]
    {
        assert_eq!(full(reason, State::SynRecv, SEGMENT_ACK), (ProtocolViolation, Certain, Notice), "{reason}");
    }
}

#[test]
fn an_opener_loses_a_request() {
    assert_eq!(received(State::Established, opened(REQUEST) | UNACKED), (RequestReset, Likely, Harmful));
    assert_eq!(received(State::Established, opened(REQUEST)), (RequestReset, Likely, Harmful), "unanswered");
    assert_eq!(received(State::Established, opened(REQUEST) | SILENT), (RequestReset, Likely, Harmful), "no answer");
    assert_eq!(received(State::CloseWait, opened(REQUEST) | UNSENT), (RequestReset, Likely, Harmful));
    assert_eq!(received(State::FinWait1, opened(phase::REQUEST) | UNACKED), (RequestReset, Likely, Harmful));
    let half_closed = opened(phase::HALF_CLOSED) | ATTACHED | SHUT_SEND;
    assert_eq!(received(State::FinWait2, half_closed), (RequestReset, Likely, Harmful));
    assert_eq!(received(State::FinWait2, half_closed | ANSWERED), (ResetWhileClosing, Certain, Benign));
}

#[test]
fn an_acceptor_loses_a_client() {
    assert_eq!(received(State::Established, accepted(ANSWER) | UNACKED), (PeerAborted, Likely, Notice));
    assert_eq!(received(State::Established, accepted(REQUEST)), (PeerAborted, Likely, Notice), "an answer was owed");
    assert_eq!(received(State::Established, accepted(REQUEST) | SILENT), (PeerAborted, Likely, Notice));
    assert_eq!(received(State::CloseWait, accepted(REQUEST)), (PeerAborted, Likely, Notice));
    for state in [State::FinWait1, State::LastAck, State::Closing] {
        assert_eq!(received(state, accepted(ANSWER) | UNSENT | CLOSED_HERE), (PeerAborted, Likely, Notice), "{state}");
    }
    assert_eq!(received(State::Established, UNACKED), (PeerAborted, Guess, Notice), "of an unknown role");
}

#[test]
fn before_the_first_request_nothing_is_lost_but_a_large_banner() {
    assert_eq!(received(State::Established, accepted(FRESH)), (PeerReset, Likely, Benign));
    let banner = accepted(FRESH) | UNACKED;
    assert_eq!(received(State::Established, banner | UNDELIVERED_SMALL), (PeerReset, Likely, Benign));
    assert_eq!(received(State::Established, banner), (PeerAborted, Likely, Notice));
    assert_eq!(received(State::FinWait1, banner | UNDELIVERED_SMALL), (ResetWhileClosing, Certain, Benign));
    assert_eq!(received(State::Established, opened(FRESH)), (PeerReset, Likely, Benign));
    assert_eq!(received(State::SynRecv, 0), (PeerReset, Likely, Benign));
}

#[test]
fn what_was_written_after_the_peers_fin() {
    let wrote = WROTE_AFTER_FIN | UNACKED;
    assert_eq!(received(State::CloseWait, wrote | opened(REQUEST)), (WroteToClosedPeer, Certain, Harmful));
    assert_eq!(received(State::CloseWait, wrote | opened(REQUEST) | SILENT), (WroteToClosedPeer, Certain, Harmful));
    assert_eq!(
        received(State::CloseWait, wrote | accepted(REQUEST)),
        (WroteToClosedPeer, Certain, Notice),
        "nginx 499"
    );
    assert_eq!(received(State::LastAck, wrote | accepted(REQUEST)), (WroteToClosedPeer, Certain, Notice));
    assert_eq!(
        received(State::CloseWait, wrote | opened(REQUEST) | AFTER_FIN_SMALL),
        (WroteToClosedPeer, Certain, Notice)
    );
    let farewell = wrote | AFTER_FIN_SMALL | FIN_WITHIN_SECOND;
    assert_eq!(received(State::CloseWait, farewell | opened(ANSWER)), (WroteToClosedPeer, Certain, Benign));
    assert_eq!(received(State::LastAck, farewell | accepted(ANSWER)), (WroteToClosedPeer, Certain, Benign));
    let half_closed_peer = wrote | AFTER_FIN_TAKEN | accepted(ANSWER);
    assert_eq!(received(State::CloseWait, half_closed_peer), (PeerAborted, Likely, Notice), "it had only half-closed");
}

#[test]
fn a_long_silence() {
    for state in [State::Established, State::CloseWait] {
        for bits in
            [0, accepted(IDLE), opened(IDLE), accepted(ANSWER) | UNACKED, opened(REQUEST) | UNACKED | REQUEST_UNACKED]
        {
            assert_eq!(received(state, SILENT | bits), (PeerResetIdle, Likely, Harmful), "{state} {bits:x}");
        }
    }
}

#[test]
fn a_reset_with_nothing_under_way() {
    for bits in [0, opened(ANSWER), opened(IDLE), accepted(ANSWER), accepted(IDLE)] {
        assert_eq!(received(State::Established, bits), (PeerReset, Likely, Notice));
        for state in [State::FinWait1, State::FinWait2, State::Closing, State::LastAck] {
            assert_eq!(received(state, bits), (ResetWhileClosing, Certain, Benign), "{state}");
        }
    }
}

#[test]
fn what_no_rule_knows_is_unexplained() {
    assert_eq!(full("reason_40", State::Established, SEGMENT_ACK), (Unexplained, Guess, Notice));
    assert_eq!(received(State::Close, 0), (Unexplained, Guess, Notice));
}
