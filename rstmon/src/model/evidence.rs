//! Facts that the kernel half read from the socket at the reset.

use super::closed::{Ended, Means, Phase, Role, State};
use rstmon_common::{
    EvidenceRecord, evidence as bit,
    limits::{ABSENT_U32, ABSENT_U64},
};
use std::time::Duration;

/// The facts that decide a cause: bits of `rstmon_common::evidence`, part of the count key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bits(pub(crate) u64);

impl Bits {
    /// Whether all of `bits` are set.
    #[must_use]
    pub(crate) fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }

    /// Whether at least one of `bits` is set.
    #[must_use]
    pub(crate) fn any(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    /// Whether the answered segment opens a connection: SYN without ACK.
    #[must_use]
    pub(crate) fn is_connect(self) -> bool {
        self.has(bit::SEGMENT_SYN) && !self.has(bit::SEGMENT_ACK)
    }

    /// The end of the connection that this host is.
    #[must_use]
    pub(crate) fn role(self) -> Option<Role> {
        Role::from_record(bit::role_of(self.0))
    }

    #[must_use]
    pub(crate) fn phase(self) -> Option<Phase> {
        Phase::from_record(bit::phase_of(self.0))
    }

    /// How a process here had closed the connection; `None` where none had.
    #[must_use]
    pub(crate) fn means(self) -> Option<Means> {
        Means::from_record(bit::means_of(self.0))
    }

    /// How the connection of the tombstone ended; `None` without a tombstone.
    #[must_use]
    pub(crate) fn ended(self) -> Option<Ended> {
        Ended::from_record(bit::ended_of(self.0))
    }

    /// The names of the bits that are set, without the closed values.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        BIT_NAMES.iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| *name)
    }
}

/// The bits of evidence with the names that texts and JSON have for them.
pub(crate) const BIT_NAMES: &[(u64, &str)] = &[
    (bit::ACTIVE, "active"),
    (bit::SEGMENT_SYN, "syn"),
    (bit::SEGMENT_ACK, "ack"),
    (bit::SEGMENT_FIN, "fin"),
    (bit::SEGMENT_DATA, "data"),
    (bit::SEGMENT_LARGE, "large"),
    (bit::SEGMENT_STRAY, "stray"),
    (bit::LOCKED, "process_context"),
    (bit::ATTACHED, "attached"),
    (bit::STATE_KEPT, "state_kept"),
    (bit::OWNER_EXITING, "owner_exiting"),
    (bit::GENTLE_EXIT, "gentle_exit"),
    (bit::UNREAD, "unread"),
    (bit::UNSENT, "unsent"),
    (bit::UNACKED, "unacked"),
    (bit::UNDELIVERED_SMALL, "undelivered_small"),
    (bit::PEER_FIN, "peer_fin"),
    (bit::FIN_WITHIN_SECOND, "fin_within_second"),
    (bit::WROTE_AFTER_FIN, "wrote_after_fin"),
    (bit::AFTER_FIN_SMALL, "after_fin_small"),
    (bit::AFTER_FIN_TAKEN, "after_fin_taken"),
    (bit::LINGER_ZERO, "linger_zero"),
    (bit::LINGER2_NEGATIVE, "linger2_negative"),
    (bit::LISTENER_FULL, "listener_full"),
    (bit::LISTENER_WAS_FULL, "listener_was_full"),
    (bit::LISTENS_ELSEWHERE, "listens_elsewhere"),
    (bit::SILENT, "silent"),
    (bit::ANSWERED, "answered"),
    (bit::WAITED, "waited"),
    (bit::STREAM, "stream"),
    (bit::REQUEST_UNACKED, "request_unacked"),
    (bit::EARLY_ANSWER, "early_answer"),
    (bit::CLOSED_HERE, "closed_here"),
    (bit::CLOSED_RECENTLY, "closed_recently"),
    (bit::WITHIN_SECOND, "within_second"),
    (bit::LAST_WORD, "last_word"),
    (bit::UNSENT_AT_CLOSE, "unsent_at_close"),
    (bit::TOMBSTONE, "tombstone"),
    (bit::WRITTEN_AFTER_RESET, "written_after_reset"),
    (bit::MPTCP, "mptcp"),
    (bit::OWNER_RUNNING, "owner_running"),
    (bit::NEVER_ACCEPTED, "never_accepted"),
    (bit::SHUT_RECEIVE, "shut_receive"),
    (bit::SHUT_SEND, "shut_send"),
    (bit::KERNEL_THREAD, "kernel_thread"),
];

/// The numbers behind the bits. `None`: not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Time since the handshake.
    pub(crate) age: Option<Duration>,
    /// Time since the last data segment was sent.
    pub(crate) send_idle: Option<Duration>,
    /// Time since the last data segment was received.
    pub(crate) receive_idle: Option<Duration>,
    /// Time since the last segment from the peer, data or acknowledgement.
    pub(crate) silent: Option<Duration>,
    /// Time since a process of this host closed the connection.
    pub(crate) closed_ago: Option<Duration>,
    /// Time without a byte in either direction before that close.
    pub(crate) idle_before_close: Option<Duration>,
    /// Bytes received and not read.
    pub(crate) unread_bytes: Option<u32>,
    /// Bytes written and not sent.
    pub(crate) unsent_bytes: Option<u32>,
    /// Bytes sent and not acknowledged.
    pub(crate) unacked_bytes: Option<u32>,
    /// Bytes written after the peer's FIN.
    pub(crate) after_fin_bytes: Option<u32>,
    /// Payload bytes of the segment that the RST answers.
    pub(crate) segment_bytes: Option<u32>,
    /// Payload bytes sent over the connection's life, retransmissions included.
    pub(crate) sent_bytes: Option<u64>,
    /// Payload bytes received over the connection's life.
    pub(crate) received_bytes: Option<u64>,
    /// Connections in the accept queue.
    pub(crate) backlog: Option<u32>,
    /// Limit of the accept queue.
    pub(crate) backlog_limit: Option<u32>,
    /// Time since the accept queue was last seen to be full.
    pub(crate) queue_full_ago: Option<Duration>,
    /// Smoothed round-trip time.
    pub(crate) rtt: Option<Duration>,
    /// Segments retransmitted over the connection's life.
    pub(crate) retransmits: Option<u32>,
    /// Unanswered keep-alive or window probes.
    pub(crate) probes: u8,
    /// Number of the signal that ends the owner.
    pub(crate) exit_signal: Option<u8>,
    /// Whether that was the OOM killer's signal; user space finds out.
    pub(crate) oom_killed: bool,
}

impl Evidence {
    /// Decodes the numbers of a record of a reset at `time_ns`.
    pub(super) fn decode(record: &EvidenceRecord, state: Option<State>, time_ns: u64) -> Self {
        // Exhaustive, so that a new number must be decided about here.
        let EvidenceRecord {
            established_ns,
            closed_ns,
            bytes_sent,
            bytes_received,
            send_idle_ms,
            receive_idle_ms,
            silent_ms,
            idle_before_close_ms,
            unread_bytes,
            unsent_bytes,
            unacked_bytes,
            after_fin_bytes,
            segment_bytes,
            backlog,
            backlog_limit,
            rtt_us,
            retransmits,
            role: _, // decoded as `Reset::role`
            exit_signal,
            probes,
            zero: _,
        } = *record;
        let since = |past_ns: u64| (past_ns != 0).then(|| Duration::from_nanos(time_ns.saturating_sub(past_ns)));
        let millis = |number| known(number).map(|number| Duration::from_millis(u64::from(number)));
        let listens = state == Some(State::Listen);
        Self {
            age: since(established_ns),
            send_idle: millis(send_idle_ms),
            receive_idle: millis(receive_idle_ms),
            silent: millis(silent_ms).filter(|_| !listens),
            closed_ago: since(closed_ns),
            idle_before_close: millis(idle_before_close_ms),
            unread_bytes: known(unread_bytes),
            unsent_bytes: known(unsent_bytes),
            unacked_bytes: known(unacked_bytes),
            after_fin_bytes: known(after_fin_bytes),
            segment_bytes: known(segment_bytes),
            sent_bytes: (bytes_sent != ABSENT_U64).then_some(bytes_sent),
            received_bytes: (bytes_received != ABSENT_U64).then_some(bytes_received),
            backlog: known(backlog),
            backlog_limit: known(backlog_limit),
            queue_full_ago: millis(silent_ms).filter(|_| listens),
            rtt: known(rtt_us).map(|us| Duration::from_micros(u64::from(us))),
            retransmits: known(retransmits),
            probes,
            exit_signal: (exit_signal != 0).then_some(exit_signal),
            oom_killed: false,
        }
    }

    /// Time without a byte in either direction: the shorter of the two idle times.
    #[must_use]
    pub(crate) fn idle(&self) -> Option<Duration> {
        match (self.send_idle, self.receive_idle) {
            (Some(sent), Some(received)) => Some(sent.min(received)),
            (one, other) => one.or(other),
        }
    }
}

/// A 32-bit number of a record; `None` where it is not known.
pub(super) fn known(number: u32) -> Option<u32> {
    (number != ABSENT_U32).then_some(number)
}
