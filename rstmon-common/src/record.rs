//! The event that is offered to user space for a reset.

use crate::{
    CountKey,
    limits::{ABSENT_U32, ABSENT_U64},
};
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

impl ResetRecord {
    /// A record of which nothing is known yet.
    pub const BLANK: Self = Self {
        key: CountKey {
            cgroup: 0,
            comm: [0; 16],
            evidence: 0,
            service_port: 0,
            direction: 0,
            family: 0,
            reason: 0,
            state: 0,
            socket: 0,
            provenance: 0,
            zero: [0; 4],
        },
        time_ns: 0,
        owner_start_ns: 0,
        established_ns: 0,
        closed_ns: 0,
        bytes_sent: ABSENT_U64,
        bytes_received: ABSENT_U64,
        local: [0; 16],
        remote: [0; 16],
        netns: 0,
        tgid: 0,
        uid: ABSENT_U32,
        send_idle_ms: ABSENT_U32,
        receive_idle_ms: ABSENT_U32,
        silent_ms: ABSENT_U32,
        idle_before_close_ms: ABSENT_U32,
        unread_bytes: ABSENT_U32,
        unsent_bytes: ABSENT_U32,
        unacked_bytes: ABSENT_U32,
        after_fin_bytes: ABSENT_U32,
        segment_bytes: ABSENT_U32,
        backlog: ABSENT_U32,
        backlog_limit: ABSENT_U32,
        rtt_us: ABSENT_U32,
        retransmits: ABSENT_U32,
        local_port: 0,
        remote_port: 0,
        shutdown: 0,
        role: 0,
        exit_signal: 0,
        probes: 0,
    };
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

/// A task and the network namespace it is in, as the iterator `namespaces` writes them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct NetnsTask {
    /// Cookie of the namespace (`SO_NETNS_COOKIE`).
    pub cookie: u64,
    /// The task's id, thread or process, in the initial pid namespace.
    pub pid: u32,
    /// Always zero.
    pub zero: u32,
}
