//! The event that is offered to user space for a reset.

use crate::CountKey;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One reset with all its evidence. Unknown numbers are [`crate::limits::ABSENT_U32`] / `ABSENT_U64`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ResetRecord {
    /// What it was counted under.
    pub key: CountKey,
    /// When it happened, `CLOCK_BOOTTIME` nanoseconds.
    pub time_ns: u64,
    /// Start of the owner, as [`crate::Owner::start_ns`]; 0 = no owner.
    pub owner_start_ns: u64,
    /// When the handshake completed, `CLOCK_BOOTTIME` nanoseconds; 0 = unknown.
    pub established_ns: u64,
    /// When a process here had closed the connection; 0 = it had not.
    pub closed_ns: u64,
    /// Payload bytes that the peer has acknowledged or that were sent (`bytes_sent`).
    pub bytes_sent: u64,
    /// Payload bytes received in order.
    pub bytes_received: u64,
    /// Local address in network order; IPv4 as `::ffff:a.b.c.d`.
    pub local: [u8; 16],
    /// Remote address, likewise.
    pub remote: [u8; 16],
    /// Inode of the network namespace; 0 = unknown.
    pub netns: u32,
    /// The owner's thread-group id; 0 = no owner.
    pub tgid: u32,
    /// Uid of the socket.
    pub uid: u32,
    /// Milliseconds since the last data segment was sent.
    pub send_idle_ms: u32,
    /// Milliseconds since the last data segment was received.
    pub receive_idle_ms: u32,
    /// Milliseconds since anything (data or ACK) was heard from the peer.
    pub silent_ms: u32,
    /// Milliseconds without a byte in either direction before the connection was closed here.
    pub idle_before_close_ms: u32,
    /// Bytes received and not read.
    pub unread_bytes: u32,
    /// Bytes written and not sent.
    pub unsent_bytes: u32,
    /// Bytes sent and not acknowledged.
    pub unacked_bytes: u32,
    /// Bytes written after the peer's FIN.
    pub after_fin_bytes: u32,
    /// Payload of the segment that is answered.
    pub segment_bytes: u32,
    /// Connections in the listener's accept queue.
    pub backlog: u32,
    /// Limit of that queue.
    pub backlog_limit: u32,
    /// Smoothed round-trip time in microseconds.
    pub rtt_us: u32,
    /// Segments retransmitted over the connection's life.
    pub retransmits: u32,
    /// Local port in host order.
    pub local_port: u16,
    /// Remote port in host order.
    pub remote_port: u16,
    /// `RCV_SHUTDOWN` (1) and `SEND_SHUTDOWN` (2).
    pub shutdown: u8,
    /// One of [`crate::key::role`].
    pub role: u8,
    /// Signal that ends the owner; 0 = none.
    pub exit_signal: u8,
    /// Unanswered keep-alive or window probes.
    pub probes: u8,
}

/// Tells the reader that a received reset waits undecided on a CPU (a record of its own, told by its size).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Nudge {
    /// The CPU.
    pub cpu: u32,
    /// Always zero.
    pub zero: u32,
}
