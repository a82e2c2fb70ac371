//! Resets that this host sent: answers to segments first, then those that the kernel sent because a process closed,
//! aborted or died.

use super::{sure_if, table::Rule};
use crate::{
    explain::{
        Confidence::{Certain, Guess, Likely},
        Facts,
        Severity::{self, Benign, Harmful, Notice},
    },
    model::{Ended, Phase, State},
};
use rstmon_common::evidence as bit;

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = rules! { f =>
    // Answers to segments that open no connection and belong to none.
    "mptcp_reason":            f.has_mptcp_reason()                            => Mptcp, Certain, Notice;
    "scan":                    f.answers_a_scan()                              => PortScan, Certain, Benign;
    "syn_without_listener":    f.met_no_socket() && f.is_connect()             => Refused, Certain, Notice;
    "syn_to_an_old_connection": f.is_connect() && f.is_while_closing()         => PortReuse, Certain, Notice;
    "syn_ack_of_an_abandoned_connect": f.answers_an_abandoned_connect()        => GaveUpWaiting, Likely, Notice;

    // Late segments: the connection had ended here, or a process here had closed it. In this order.
    "linger2_orphan":          f.is_late() && f.is_a_linger2_orphan()          => LingerAbort, Certain, abort(f);
    "late_after_own_reset":    f.is_late() && f.ended(Ended::ResetSent)        => AlreadyReset, Certain, Benign;
    "late_written_after_reset": f.is_late() && f.ended(Ended::ResetReceived) && f.has(bit::SEGMENT_DATA | bit::WRITTEN_AFTER_RESET)
                                                                               => CutOnThePath, Certain, Harmful;
    "late_after_peers_reset":  f.is_late() && f.ended(Ended::ResetReceived)    => AlreadyReset, Likely, Benign;
    "late_after_silent_end":   f.is_late() && f.ended(Ended::Silent)           => UnknownConnection, Certain, Notice;
    "late_without_payload":    f.is_late() && !f.has(bit::SEGMENT_DATA)        => LateGoodbye, sure_if(f.has(bit::SEGMENT_FIN)), Benign;
    "late_after_exit":         f.is_late() && f.closed_by_exit()               => ProcessExit, Certain, late_exit(f);
    "late_answer_unsent":      f.is_late() && f.has(bit::UNSENT_AT_CLOSE)      => WriteAfterClose, Certain, Harmful;
    "late_answer":             f.is_late() && f.opener() && f.answer_owed() && (f.has(bit::WAITED) || f.has(bit::SEGMENT_LARGE))
                                                                               => GaveUpWaiting, Likely, Notice;
    "late_request_after_giving_up": f.is_late() && f.acceptor() && (f.phase(Phase::Fresh) || f.answer_owed())
                                                                               => RequestTimeout, if f.has(bit::STREAM) { Guess } else { Likely }, Notice;
    "late_reply_to_last_word": f.is_late() && closed_idle(f) && f.has(bit::LAST_WORD) && f.small_segment() && f.has(bit::WITHIN_SECOND)
                                                                               => LateGoodbye, Likely, Benign;
    "late_request_in_race_window": f.is_late() && closed_idle(f) && f.has(bit::CLOSED_RECENTLY)
                                                                               => KeepaliveRace, Likely, Harmful;
    "late_request_to_stale_connection": f.is_late() && closed_idle(f)          => StaleConnection, Likely, if f.small_segment() { Notice } else { Harmful };
    "late_and_small":          f.is_late() && f.small_segment() && f.has(bit::WITHIN_SECOND)
                                                                               => LateGoodbye, Likely, Benign;
    "late_payload":            f.is_late()                                     => WriteAfterClose, Certain, Notice;

    // Segments of connections that this host does not know. A full accept queue leaves its clients with such ones: with
    // tcp_abort_on_overflow the final ACK is answered at once (invalid_syn); without, what the client sends later meets
    // the listener (tcp_flags).
    "listener_full":           f.met_a_listener() && f.has(bit::LISTENER_FULL) => ListenerOverflow, sure_if(f.is("invalid_syn")), Harmful;
    "listener_was_full":       f.met_a_listener() && f.is("invalid_syn")       => ListenerOverflow, Likely, Harmful;
    "listener_had_been_full":  f.met_a_listener() && f.has(bit::LISTENER_WAS_FULL) && (f.is("tcp_flags") || f.is_unnamed())
                                                                               => ListenerOverflow, Likely, Harmful;
    "segment_without_socket":  f.met_no_socket()                               => UnknownConnection, Likely, Notice;
    "segment_at_a_listener":   f.met_a_listener() && (f.is("tcp_flags") || f.is_unnamed())
                                                                               => UnknownConnection, Likely, Notice;
    "old_segment_in_syn_sent": is_old_in_syn_sent(f)                           => PortReuse, sure_if(!f.is_unnamed()), Benign;
    "rule_of_the_protocol":    !f.is_active() && f.has_protocol_reason()       => ProtocolViolation, Certain, Notice;
    "odd_segment_in_handshake": !f.is_active() && f.is_unnamed() && is_opening(f) => ProtocolViolation, Likely, Notice;

    // Active resets, in this order.
    "exit":                    f.is_active() && f.has(bit::OWNER_EXITING)      => ProcessExit, Certain, exit(f);
    "destroyed":               f.is_destroyed()                                => Killed, sure_if(f.is("tcp_state") && !f.has(bit::OWNER_RUNNING)), Notice;
    "disconnected":            f.is_disconnected()                             => Disconnect, sure_if(f.is("tcp_disconnect_with_data") || (f.is("tcp_state") && !f.is_closing())), Notice;
    "out_of_memory":           f.is_short_of_memory()                          => MemoryPressure, sure_if(!f.is_unnamed()), Harmful;
    "keepalive_unanswered":    f.is("tcp_keepalive_timeout") || f.is_a_timer() => IdleTimeout, sure_if(f.is("tcp_keepalive_timeout")), Notice;
    "never_accepted":          f.is_never_accepted()                           => ListenerClosed, sure_if(f.is("tcp_state")), Harmful;
    "abort_while_waiting":     f.is_aborted() && f.opener() && f.answer_owed() && f.has(bit::WAITED)
                                                                               => GaveUpWaiting, Likely, Notice;
    "abort_when_idle":         f.is_aborted() && f.phase(Phase::Idle)          => IdleAbort, sure_if(!f.is_a_linger2_abort()), Notice;
    "abort":                   f.is_aborted()                                  => LingerAbort, sure_if(!f.is_a_linger2_abort()), abort(f);
    "closed_with_unread_data": f.is_closed_unread()                            => ClosedWithUnreadData, sure_if(!f.is_fast_close()), unread(f);
    "fast_close":              f.is_fast_close()                               => Mptcp, sure_if(f.is("tcp_abort_on_close")), Notice;
};

/// Whether the acceptor, after an answer, closed a connection that had been idle.
fn closed_idle(f: &Facts) -> bool {
    f.acceptor() && f.phase(Phase::Idle) && f.has(bit::ANSWERED)
}

/// A segment without SYN that met a connection attempt: it belongs to an earlier connection of the same ports.
fn is_old_in_syn_sent(f: &Facts) -> bool {
    let named = f.is("tcp_invalid_ack_sequence") || f.is("tcp_rfc7323_paws");
    let opening = f.state == Some(State::SynSent);
    !f.is_active() && opening && !f.has(bit::SEGMENT_SYN) && (named || f.is_unnamed())
}

fn is_opening(f: &Facts) -> bool {
    matches!(f.state, Some(State::SynSent | State::SynRecv | State::NewSynRecv | State::Listen))
}

/// The death of a server loses work; a client that ends by itself or is ended gently had no more use for it.
fn exit(f: &Facts) -> Severity {
    if f.opener() && f.has(bit::GENTLE_EXIT) { Notice } else { Harmful }
}

/// The same for a connection that the process left behind.
fn late_exit(f: &Facts) -> Severity {
    let nothing_owed = !f.answer_owed() && !f.has(bit::UNSENT_AT_CLOSE);
    if exit(f) == Notice && nothing_owed && f.small_segment() { Benign } else { exit(f) }
}

/// A connection without a request loses nothing, nor does a client that has its answer: health checks end like this.
fn abort(f: &Facts) -> Severity {
    let answered = f.opener() && f.phase(Phase::Answer) && !f.undelivered();
    if f.phase(Phase::Fresh) || answered { Benign } else { Notice }
}

/// What follows the peer's FIN is a leftover of a protocol, unless the peer still waited for its answer.
fn unread(f: &Facts) -> Severity {
    let leftover = f.after_peers_fin() && !f.undelivered();
    if f.phase(Phase::Fresh) {
        Benign
    } else if f.opener() {
        if leftover { Benign } else { Notice }
    } else if f.acceptor() && leftover && f.has(bit::ANSWERED) {
        Benign
    } else {
        Harmful
    }
}
