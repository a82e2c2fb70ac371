//! What a rule may look at: a count key, decoded, and the words in which the rules speak of it. Events and counters are
//! judged by the same facts, so that their causes agree.

use crate::model::{Bits, Direction, Ended, Means, Phase, Reason, Reasons, Reset, Role, SocketKind, State};
use rstmon_common::{CountKey, evidence as bit};

/// The part of a count key that decides the cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    pub(crate) direction: Direction,
    pub(crate) reason: Reason,
    /// The state before the reset.
    pub(crate) state: Option<State>,
    /// The kind of socket that the kernel had for the connection.
    pub(crate) socket: SocketKind,
    pub(crate) bits: Bits,
}

impl Facts {
    /// The facts of a count key. Values that this version does not know count as sent, and as no socket.
    #[must_use]
    pub(crate) fn from_key(key: &CountKey, reasons: &Reasons) -> Self {
        Self {
            direction: Direction::from_record(key.direction).unwrap_or(Direction::Sent),
            reason: reasons.get(key.reason).clone(),
            state: State::from_record(key.state),
            socket: SocketKind::from_record(key.socket).unwrap_or(SocketKind::None),
            bits: Bits(key.evidence),
        }
    }

    /// The facts of a decoded event, equal to those of its count key.
    #[must_use]
    pub(crate) fn from_reset(reset: &Reset) -> Self {
        Self {
            direction: reset.direction,
            reason: reset.reason.clone(),
            state: reset.state,
            socket: reset.socket,
            bits: reset.bits,
        }
    }

    /// The closed values that are known, as `name=value`, then the names of the bits: the facts in the event's verdict.
    #[must_use]
    pub(crate) fn names(&self) -> Vec<String> {
        let closed = [
            ("role", self.bits.role().map(Role::as_str)),
            ("phase", self.bits.phase().map(Phase::as_str)),
            ("means", self.bits.means().map(Means::as_str)),
            ("ended", self.bits.ended().map(Ended::as_str)),
        ];
        let closed = closed.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        closed.chain(self.bits.names().map(str::to_owned)).collect()
    }
}

/// The kernel's reason.
impl Facts {
    pub(super) fn is(&self, reason: &str) -> bool {
        self.reason.as_str() == reason
    }

    /// Whether the kernel gives no reason.
    pub(super) fn is_unnamed(&self) -> bool {
        self.is(Reason::UNSUPPORTED) || self.is("not_specified")
    }

    /// Whether the kernel gives no reason, or `tcp_state`, its reason for every reset that has none of its own.
    pub(super) fn is_vague(&self) -> bool {
        self.is("tcp_state") || self.is_unnamed()
    }

    pub(super) fn has_mptcp_reason(&self) -> bool {
        self.reason.as_str().starts_with("mptcp_")
    }

    /// Whether the kernel names a rule of the protocol that a segment broke.
    pub(super) fn has_protocol_reason(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "tcp_invalid_ack_sequence"
                | "tcp_rfc7323_paws"
                | "tcp_too_old_ack"
                | "tcp_ack_unsent_data"
                | "tcp_flags"
                | "tcp_old_ack"
                | "invalid_syn"
                | "tcp_timewait_socket"
        )
    }
}

/// Who, when, by what means, and what was lost.
impl Facts {
    pub(super) fn has(&self, bits: u64) -> bool {
        self.bits.has(bits)
    }

    pub(super) fn any(&self, bits: u64) -> bool {
        self.bits.any(bits)
    }

    /// Whether this end had opened the connection.
    pub(super) fn opener(&self) -> bool {
        self.bits.role() == Some(Role::Opened)
    }

    /// Whether this end had accepted the connection.
    pub(super) fn acceptor(&self) -> bool {
        self.bits.role() == Some(Role::Accepted)
    }

    pub(super) fn phase(&self, phase: Phase) -> bool {
        self.bits.phase() == Some(phase)
    }

    /// Whether no answer has followed the opener's last payload.
    pub(super) fn answer_owed(&self) -> bool {
        self.phase(Phase::Request)
    }

    pub(super) fn ended(&self, ended: Ended) -> bool {
        self.bits.ended() == Some(ended)
    }

    pub(super) fn means(&self, means: Means) -> bool {
        self.bits.means() == Some(means)
    }

    /// Whether the program that had closed it was exiting, by itself or by a signal.
    pub(super) fn closed_by_exit(&self) -> bool {
        self.means(Means::Exit) || self.means(Means::Signal)
    }

    /// Whether own payload was not acknowledged, sent or not.
    pub(super) fn undelivered(&self) -> bool {
        self.any(bit::UNSENT | bit::UNACKED)
    }

    /// Whether more of it was undelivered than a banner or a farewell has.
    pub(super) fn much_undelivered(&self) -> bool {
        self.undelivered() && !self.has(bit::UNDELIVERED_SMALL)
    }

    /// Whether the peer's FIN had arrived.
    pub(super) fn after_peers_fin(&self) -> bool {
        self.has(bit::PEER_FIN) || self.state == Some(State::CloseWait)
    }

    /// Whether the answered segment's payload is as small as a farewell.
    pub(super) fn small_segment(&self) -> bool {
        !self.has(bit::SEGMENT_LARGE)
    }
}

/// The kind of reset that was sent.
impl Facts {
    /// Whether the kernel sent it on its own: no segment was answered.
    pub(super) fn is_active(&self) -> bool {
        self.has(bit::ACTIVE)
    }

    /// Whether the answered segment opens a connection: SYN without ACK.
    pub(super) fn is_connect(&self) -> bool {
        !self.is_active() && self.bits.is_connect()
    }

    fn has_no_socket(&self) -> bool {
        self.socket == SocketKind::None
    }

    pub(super) fn met_no_socket(&self) -> bool {
        !self.is_active() && self.has_no_socket()
    }

    /// Whether a segment of an unknown connection met the listener of its port.
    pub(super) fn met_a_listener(&self) -> bool {
        !self.is_active() && self.state == Some(State::Listen) && !self.has(bit::SEGMENT_SYN)
    }

    /// Whether it answers a segment that no connection makes: FIN without ACK, no flags, or SYN with FIN.
    pub(super) fn answers_a_scan(&self) -> bool {
        self.met_no_socket() && self.has(bit::SEGMENT_STRAY)
    }

    /// Whether it answers a SYN-ACK of a connection attempt that had been given up here.
    pub(super) fn answers_an_abandoned_connect(&self) -> bool {
        self.met_no_socket()
            && self.has(bit::SEGMENT_SYN | bit::SEGMENT_ACK | bit::TOMBSTONE)
            && self.opener()
            && self.phase(Phase::Handshake)
    }

    /// Whether it answers a segment of a connection that had ended here, or that a process here had closed.
    pub(super) fn is_late(&self) -> bool {
        let full = self.is("tcp_abort_on_data")
            || (self.socket == SocketKind::Full && self.is_unnamed() && self.is_while_closing());
        let remembered = self.socket == SocketKind::TimeWait || self.has(bit::TOMBSTONE) || self.has(bit::CLOSED_HERE);
        !self.is_active() && !self.has(bit::SEGMENT_SYN) && (full || remembered)
    }

    /// Whether a process here had closed the connection, or shut it down for sending.
    pub(super) fn is_while_closing(&self) -> bool {
        matches!(
            self.state,
            Some(State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait)
        )
    }

    /// `TCP_LINGER2` below 0: the acknowledgement of an orphan's FIN moves it to `FIN_WAIT2` and is answered with a RST
    /// at once, data or not (`tcp_rcv_state_process`), so no late segment ever meets such an orphan there.
    pub(super) fn is_a_linger2_orphan(&self) -> bool {
        self.has(bit::LINGER2_NEGATIVE) && !self.has(bit::ATTACHED) && self.state == Some(State::FinWait2)
    }

    /// Whether a process set the socket to CLOSE before it sent the RST, as `close()` does.
    pub(super) fn is_set_to_close(&self) -> bool {
        self.is_active() && !self.has(bit::STATE_KEPT)
    }

    /// `__tcp_close` shuts both directions down before anything else; `connect(AF_UNSPEC)` does not.
    pub(super) fn is_closing(&self) -> bool {
        self.has(bit::SHUT_RECEIVE | bit::SHUT_SEND)
    }

    /// An MPTCP fast close resets its subflows with the reason of a close, or none, but leaves their state.
    pub(super) fn is_fast_close(&self) -> bool {
        let kept = self.is_active() && self.has(bit::STATE_KEPT);
        kept && (self.is("tcp_abort_on_close") || (self.has(bit::MPTCP) && self.is_vague()))
    }

    /// `SOCK_DESTROY` takes the socket's lock and leaves the state; timers do not take it. The children of a destroyed
    /// listener are closed like those of a closed one; what happened to the listener is recorded.
    pub(super) fn is_destroyed(&self) -> bool {
        let kept = self.has(bit::STATE_KEPT | bit::LOCKED) && !self.is_fast_close();
        self.is_active() && self.is_vague() && (kept || self.means(Means::Destroyed))
    }

    /// Kernels that do not name the keep-alive timer: an active reset outside of any process.
    pub(super) fn is_a_timer(&self) -> bool {
        let kept = self.has(bit::STATE_KEPT | bit::ATTACHED) && !self.has(bit::LOCKED) && !self.is_fast_close();
        self.is_active() && self.is_vague() && kept
    }

    /// The kernel's own reset of an orphan for want of memory. Without `TCP_LINGER2` nothing else resets an orphan that
    /// a process had closed.
    pub(super) fn is_short_of_memory(&self) -> bool {
        let orphan = self.has(bit::CLOSED_HERE) && !self.any(bit::ATTACHED | bit::LINGER2_NEGATIVE | bit::STATE_KEPT);
        self.is("tcp_abort_on_memory") || (self.is_active() && self.is_unnamed() && orphan)
    }

    pub(super) fn is_never_accepted(&self) -> bool {
        self.is_set_to_close() && self.is_vague() && self.has(bit::NEVER_ACCEPTED)
    }

    /// `connect(AF_UNSPEC)`: what sets a socket to CLOSE and is neither an abort nor a close with unread data.
    pub(super) fn is_disconnected(&self) -> bool {
        let other_close =
            self.is_closing() && (self.has(bit::LINGER_ZERO) || (self.is_unnamed() && self.has(bit::UNREAD)));
        let held = self.has(bit::ATTACHED) && !self.has(bit::NEVER_ACCEPTED);
        self.is("tcp_disconnect_with_data") || (self.is_set_to_close() && self.is_vague() && held && !other_close)
    }

    /// A close with `SO_LINGER` 0, whatever was unread, or an orphan whose `TCP_LINGER2` is below 0.
    pub(super) fn is_aborted(&self) -> bool {
        let closed = self.is("tcp_abort_on_close") || self.is_vague();
        let linger = self.has(bit::ATTACHED | bit::LINGER_ZERO) && (self.is_closing() || self.is_fast_close());
        self.is("tcp_abort_on_linger") || (self.is_active() && closed && (linger || self.is_a_linger2_abort()))
    }

    /// The same for `TCP_LINGER2`, where the kernel gives no reason of its own.
    pub(super) fn is_a_linger2_abort(&self) -> bool {
        self.is_active()
            && self.is_vague()
            && self.has(bit::LINGER2_NEGATIVE | bit::CLOSED_HERE)
            && !self.has(bit::ATTACHED)
    }

    /// A close with unread data: the kernel's reason or, without reasons, its own test in `__tcp_close`. An MPTCP
    /// connection is closed fast only where it has unread data (`__mptcp_close`).
    pub(super) fn is_closed_unread(&self) -> bool {
        let unnamed =
            self.is_unnamed() && self.is_set_to_close() && self.has(bit::ATTACHED | bit::UNREAD) && self.is_closing();
        let by_owner = self.is("tcp_abort_on_close") && self.has(bit::OWNER_RUNNING);
        let fast = self.is_fast_close() && (by_owner || self.has(bit::UNREAD) || self.means(Means::Close));
        (self.is("tcp_abort_on_close") && !self.is_fast_close()) || unnamed || fast
    }
}

/// The kind of reset that was received.
impl Facts {
    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, Some(State::Established | State::CloseWait))
    }

    pub(super) fn is_in_the_handshake(&self) -> bool {
        self.state == Some(State::SynRecv) || self.phase(Phase::Handshake)
    }

    /// Whether payload was written after the peer's FIN and the peer took none of it.
    pub(super) fn wrote_in_vain(&self) -> bool {
        matches!(self.state, Some(State::CloseWait | State::LastAck))
            && self.has(bit::WROTE_AFTER_FIN)
            && !self.has(bit::AFTER_FIN_TAKEN)
    }

    /// Whether no more than a farewell was written after the peer's FIN, at once.
    pub(super) fn wrote_a_farewell(&self) -> bool {
        self.has(bit::AFTER_FIN_SMALL | bit::FIN_WITHIN_SECOND)
    }

    /// Whether the reset ended a long silence that no owed answer explains.
    pub(super) fn is_after_silence(&self) -> bool {
        let unanswered = self.answer_owed() && !self.has(bit::REQUEST_UNACKED);
        self.is_live() && self.has(bit::SILENT) && !unanswered
    }

    /// Whether the opener has said its last word, waits for the answer, and got none of it yet.
    pub(super) fn half_closed_unanswered(&self) -> bool {
        self.phase(Phase::HalfClosed) && self.has(bit::ATTACHED) && !self.any(bit::SHUT_RECEIVE | bit::ANSWERED)
    }
}
