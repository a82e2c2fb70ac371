//! Bits of [`crate::CountKey::evidence`]: the facts that decide a cause, read at the moment of the reset, or at the
//! close and kept in the tombstone. Some of the bits form numbers of a few bits, with a closed set of values each. The
//! numbers of evidence are in [`crate::EvidenceRecord`].
//!
//! A fact that no rule reads for a reset stays 0 there, so that few keys differ.

/// The reset answers no segment: the kernel sent it on its own (close, timer, kill).
pub const ACTIVE: u64 = 1 << 0;
/// The answered segment carries SYN.
pub const SEGMENT_SYN: u64 = 1 << 1;
/// The answered segment carries ACK.
pub const SEGMENT_ACK: u64 = 1 << 2;
/// The answered segment carries data.
pub const SEGMENT_DATA: u64 = 1 << 3;
/// A process holds the socket lock: process context, not a timer (`sk_lock.owned`).
pub const LOCKED: u64 = 1 << 4;
/// The socket still has its `struct socket`: a process has a descriptor of it.
pub const ATTACHED: u64 = 1 << 5;
/// The socket was not set to CLOSE before the reset went out (timer, kill).
pub const STATE_KEPT: u64 = 1 << 6;
/// The owner was executing and is exiting (`PF_EXITING`).
pub const OWNER_EXITING: u64 = 1 << 7;
/// Received bytes had not been read.
pub const UNREAD: u64 = 1 << 8;
/// Written bytes had not been sent.
pub const UNSENT: u64 = 1 << 9;
/// Sent bytes had not been acknowledged.
pub const UNACKED: u64 = 1 << 10;
/// Bytes were written after the peer's FIN.
pub const WROTE_AFTER_FIN: u64 = 1 << 11;
/// `SO_LINGER` with a time of 0.
pub const LINGER_ZERO: u64 = 1 << 12;
/// `TCP_LINGER2` below 0.
pub const LINGER2_NEGATIVE: u64 = 1 << 13;
/// The listener's accept queue was over its limit.
pub const LISTENER_FULL: u64 = 1 << 14;
/// Nothing was received from the peer for at least the idle threshold, and no segment in flight was retransmitted: the
/// silence is idleness, not a path that lost segments.
pub const SILENT: u64 = 1 << 15;
/// A process here had closed the connection before.
pub const CLOSED_HERE: u64 = 1 << 16;
/// The listener's accept queue was over its limit at most [`crate::limits::OVERFLOW_MEMORY_NS`] ago, and is not now.
pub const LISTENER_WAS_FULL: u64 = 1 << 17;
/// The close is at most the race window ago.
pub const CLOSED_RECENTLY: u64 = 1 << 18;
/// A tombstone of the connection (of the listener, for a SYN) was found.
pub const TOMBSTONE: u64 = 1 << 19;
/// The socket is an MPTCP subflow.
pub const MPTCP: u64 = 1 << 21;
/// The executing task belongs to the owner.
pub const OWNER_RUNNING: u64 = 1 << 22;
/// No process had accepted the connection yet.
pub const NEVER_ACCEPTED: u64 = 1 << 23;
/// The socket was shut down for receiving.
pub const SHUT_RECEIVE: u64 = 1 << 24;
/// The socket was shut down for sending.
pub const SHUT_SEND: u64 = 1 << 25;
/// The executing task is a kernel thread.
pub const KERNEL_THREAD: u64 = 1 << 26;
/// The answered segment carries FIN.
pub const SEGMENT_FIN: u64 = 1 << 27;
/// The answered segment has more than [`SMALL_BYTES`] of payload.
pub const SEGMENT_LARGE: u64 = 1 << 28;
/// No connection makes such a segment: neither ACK nor SYN, or SYN with FIN.
pub const SEGMENT_STRAY: u64 = 1 << 29;
/// The peer's FIN had arrived: before the reset of a live connection, before the last close of one that was closed.
pub const PEER_FIN: u64 = 1 << 30;
/// The end that accepted the connection had sent payload, a last word at its close not counted.
pub const ANSWERED: u64 = 1 << 31;
/// With [`phase::REQUEST`]: the last payload of the end that opened the connection is at least the keep-alive threshold
/// old.
pub const WAITED: u64 = 1 << 43;
/// With [`phase::IDLE`]: a last word of at most [`FAREWELL_BYTES`] went out just before the close, after a silence of
/// the peer of at least the keep-alive threshold, and payload had been sent before it.
pub const LAST_WORD: u64 = 1 << 44;
/// Payload was unsent behind the last close here, and the close has not been acknowledged since.
pub const UNSENT_AT_CLOSE: u64 = 1 << 45;
/// The segment came at most one second after the last close here.
pub const WITHIN_SECOND: u64 = 1 << 46;
/// Payload that continues a connection after a reset that this host had received, and that was written after it, by its
/// timestamp or because it came more than a second later: the peer did not send the reset.
pub const WRITTEN_AFTER_RESET: u64 = 1 << 47;
/// A socket of the network namespace listens on the port of the refused SYN, on another address.
pub const LISTENS_ELSEWHERE: u64 = 1 << 48;
/// With [`phase::REQUEST`]: more than [`STREAM_BYTES`] had come from the end that opened the connection, and the end
/// that accepted it had answered nothing.
pub const STREAM: u64 = 1 << 50;
/// The process that closed, or that is exiting, ends by exit code 0, SIGHUP, SIGINT, SIGPIPE or SIGTERM.
pub const GENTLE_EXIT: u64 = 1 << 51;
/// With [`UNSENT`] or [`UNACKED`]: at most [`FAREWELL_BYTES`] in all.
pub const UNDELIVERED_SMALL: u64 = 1 << 52;
/// With [`WROTE_AFTER_FIN`]: at most [`SMALL_BYTES`].
pub const AFTER_FIN_SMALL: u64 = 1 << 53;
/// The peer's FIN came at most one second before the reset.
pub const FIN_WITHIN_SECOND: u64 = 1 << 54;
/// With [`WROTE_AFTER_FIN`]: the peer acknowledged some of it.
pub const AFTER_FIN_TAKEN: u64 = 1 << 55;
/// With [`phase::REQUEST`], at the end that opened the connection: payload is unacknowledged, and no acknowledgement
/// came since the last payload of the peer, or since the handshake.
pub const REQUEST_UNACKED: u64 = 1 << 56;
/// With [`phase::REQUEST`], at the end that opened the connection: received payload is unread.
pub const EARLY_ANSWER: u64 = 1 << 57;

/// Payload of a segment that may be a farewell, such as an alert of TLS, in bytes.
pub const SMALL_BYTES: u32 = 64;
/// Payload of a last word at a close, in bytes.
pub const FAREWELL_BYTES: u32 = 256;
/// Payload of a request that is more likely a stream in one direction, in bytes.
pub const STREAM_BYTES: u64 = 4096;
/// Nanoseconds of [`WITHIN_SECOND`] and its kin.
pub const SECOND_NS: u64 = 1_000_000_000;
/// A close or an abort that follows a `shutdown(SHUT_WR)` within this time, in nanoseconds, is one act with it: proxies
/// call both in one go.
pub const SAME_ACT_NS: u64 = 10_000_000;

macro_rules! numbers {
    ($($(#[$doc:meta])* $mask:ident = $bits:literal bits at $shift:literal, $of:ident, $with:ident;)*) => {
        $(
            $(#[$doc])*
            pub const $mask: u64 = ((1 << $bits) - 1) << $shift;

            #[doc = concat!("The number in [`", stringify!($mask), "`] of evidence.")]
            #[inline]
            #[must_use]
            pub const fn $of(bits: u64) -> u8 {
                ((bits & $mask) >> $shift) as u8
            }

            #[doc = concat!("Evidence with that number in place of the one in [`", stringify!($mask), "`].")]
            #[inline]
            #[must_use]
            pub const fn $with(bits: u64, number: u8) -> u64 {
                bits & !$mask | (number as u64) << $shift & $mask
            }
        )*
    };
}
numbers! {
    /// Bits of the end that this host is: one of [`crate::key::role`].
    ROLE = 2 bits at 32, role_of, with_role;
    /// Bits of the phase of the conversation, one of [`phase`]: at the reset or, of a connection that a process here
    /// had closed, at the last close.
    PHASE = 3 bits at 34, phase_of, with_phase;
    /// Bits of how a process here had closed the connection before: one of [`means`].
    MEANS = 3 bits at 37, means_of, with_means;
    /// Bits of how the connection of a tombstone ended: one of [`ended`].
    ENDED = 3 bits at 40, ended_of, with_ended;
}

/// Values of [`PHASE`].
pub mod phase {
    /// The phase is not known.
    pub const UNKNOWN: u8 = 0;
    /// The handshake was not complete.
    pub const HANDSHAKE: u8 = 1;
    /// The end that opened the connection has sent no payload.
    pub const FRESH: u8 = 2;
    /// An answer is owed: the end that opened the connection sent payload last, or not all of its payload was taken.
    pub const REQUEST: u8 = 3;
    /// The end that accepted the connection sent payload last, less than the keep-alive threshold ago.
    pub const ANSWER: u8 = 4;
    /// The end that accepted the connection sent payload last, at least the keep-alive threshold ago; see
    /// [`super::LAST_WORD`].
    pub const IDLE: u8 = 5;
    /// A process here had shut the connection down for sending before.
    pub const HALF_CLOSED: u8 = 6;
    /// A process here had closed the connection, and the phase at that close is not known.
    pub const CLOSING: u8 = 7;
}

/// Values of [`MEANS`].
pub mod means {
    /// No process here had closed the connection.
    pub const NONE: u8 = 0;
    /// `close()`, or `shutdown()` of both directions.
    pub const CLOSE: u8 = 1;
    /// `close()` with `SO_LINGER` of 0 seconds.
    pub const ABORT: u8 = 2;
    /// The process exited.
    pub const EXIT: u8 = 3;
    /// The process was ended by a signal.
    pub const SIGNAL: u8 = 4;
    /// `connect()` to `AF_UNSPEC`, or `shutdown()` of a listener.
    pub const DISCONNECT: u8 = 5;
    /// `SOCK_DESTROY`, as sent by `ss -K`.
    pub const DESTROYED: u8 = 6;
    /// A kernel thread, for a process.
    pub const OTHER: u8 = 7;
}

/// Values of [`ENDED`].
pub mod ended {
    /// There is no tombstone.
    pub const UNKNOWN: u8 = 0;
    /// By FINs of both ends, or by the acknowledged FIN of this one.
    pub const FINS: u8 = 1;
    /// By a reset that this host sent.
    pub const RESET_SENT: u8 = 2;
    /// By a reset that this host received.
    pub const RESET_RECEIVED: u8 = 3;
    /// Without FINs and resets: a timeout.
    pub const SILENT: u8 = 4;
}

/// The evidence that a tombstone keeps.
pub const KEPT: u64 =
    ANSWERED | PEER_FIN | ROLE | PHASE | MEANS | ENDED | WAITED | LAST_WORD | UNSENT_AT_CLOSE | STREAM | GENTLE_EXIT;
/// Lowest bit of [`KEPT`].
const KEPT_SHIFT: u32 = 30;
/// Lowest bit of the signal in the facts of a note; evidence has no bits from there on that are kept.
const SIGNAL_SHIFT: u32 = 56;
/// Lowest bit of the signal in the facts of a tombstone.
const KEPT_SIGNAL_SHIFT: u32 = 24;
const _: () = assert!(KEPT >> KEPT_SHIFT << KEPT_SHIFT == KEPT && KEPT >> KEPT_SHIFT < 1 << KEPT_SIGNAL_SHIFT);

/// Facts of a note: evidence of [`KEPT`] and the signal that ended the process that closed.
#[inline]
#[must_use]
pub const fn with_signal(bits: u64, signal: u8) -> u64 {
    bits | (signal as u64) << SIGNAL_SHIFT
}

/// The signal in the facts of a note; 0 = none.
#[inline]
#[must_use]
pub const fn signal_of(facts: u64) -> u8 {
    (facts >> SIGNAL_SHIFT) as u8
}

/// Facts of a note in the form of a tombstone.
#[inline]
#[must_use]
pub const fn pack(facts: u64) -> u32 {
    ((facts & KEPT) >> KEPT_SHIFT) as u32 | (signal_of(facts) as u32) << KEPT_SIGNAL_SHIFT
}

/// The inverse of [`pack`].
#[inline]
#[must_use]
pub const fn unpack(facts: u32) -> u64 {
    with_signal((facts as u64) << KEPT_SHIFT & KEPT, (facts >> KEPT_SIGNAL_SHIFT) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_out_of_a_tombstone_as_they_went_in() {
        let facts = with_signal(KEPT, 64);
        assert_eq!(unpack(pack(facts)), facts);
        assert_eq!(unpack(pack(!KEPT)) & KEPT, 0);
        assert_eq!(signal_of(unpack(pack(with_signal(0, 9)))), 9);
    }

    #[test]
    fn numbers_do_not_touch_other_bits() {
        let bits = with_ended(with_means(with_phase(with_role(0, 3), phase::CLOSING), means::OTHER), ended::SILENT);
        assert_eq!((role_of(bits), phase_of(bits), means_of(bits), ended_of(bits)), (3, 7, 7, 4));
        assert_eq!(with_phase(u64::MAX, 0), !PHASE);
        assert_eq!(ROLE & PHASE | PHASE & MEANS | MEANS & ENDED | ENDED & WAITED, 0);
    }
}
