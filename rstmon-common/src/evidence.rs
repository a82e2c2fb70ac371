//! Bits of [`crate::CountKey::evidence`]: the facts that decide a cause, read at the moment of the reset. The numbers
//! of evidence are in [`crate::EvidenceRecord`].

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
/// The connection had been idle for at least the keep-alive threshold before that close.
pub const CLOSED_IDLE: u64 = 1 << 17;
/// The close is at most the race window ago.
pub const CLOSED_RECENTLY: u64 = 1 << 18;
/// A tombstone of the connection (of the listener, for a SYN) was found.
pub const TOMBSTONE: u64 = 1 << 19;
/// The connection of the tombstone ended by a reset, not by FINs.
pub const ENDED_BY_RESET: u64 = 1 << 20;
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
