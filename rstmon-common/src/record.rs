//! The records that the kernel half writes: the event of a reset, the nudge, and the rows of the task iterator.

use crate::{CountKey, EvidenceRecord};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One reset with all its evidence. Unknown numbers are [`crate::limits::ABSENT_U32`] / `ABSENT_U64`.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ResetRecord {
    /// The key that the reset was counted under.
    pub key: CountKey,
    /// When it happened, `CLOCK_BOOTTIME` nanoseconds.
    pub time_ns: u64,
    /// Start of the owner, as [`crate::OwnerRecord::start_ns`]; 0 = no owner.
    pub owner_start_ns: u64,
    /// The numbers of evidence.
    pub evidence: EvidenceRecord,
    /// Local address in network order; IPv4 as `::ffff:a.b.c.d`.
    pub local: [u8; 16],
    /// Remote address, in the same form.
    pub remote: [u8; 16],
    /// Inode of the network namespace; 0 = unknown.
    pub netns: u32,
    /// The owner's thread-group id; 0 = no owner.
    pub tgid: u32,
    /// Uid of the socket.
    pub uid: u32,
    /// Local port in host order.
    pub local_port: u16,
    /// Remote port in host order.
    pub remote_port: u16,
    /// The sequence numbers.
    pub wire: WireRecord,
}

/// The sequence numbers of a RST, by which its two ends are joined.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct WireRecord {
    /// Sent: its sequence number. Received: the sequence number that its socket expected next.
    pub seq: u32,
    /// Sent: what it acknowledges. Received: the first byte of its socket that was not acknowledged.
    pub ack: u32,
    /// Received: the next byte that its socket would have sent.
    pub ack_end: u32,
    /// Received: the right-most edge of what arrived behind a gap; valid with [`BEHIND_GAP`](wire::BEHIND_GAP).
    pub sack_edge: u32,
    /// Bits of [`wire`].
    pub flags: u32,
    /// Always zero: it fills the record up to its alignment.
    pub zero: u32,
}

/// Bits of [`WireRecord::flags`].
pub mod wire {
    /// The numbers could be read.
    pub const KNOWN: u32 = 1;
    /// Received: the peer's FIN had arrived.
    pub const AFTER_FIN: u32 = 1 << 1;
    /// Received: something had arrived behind a gap.
    pub const BEHIND_GAP: u32 = 1 << 2;
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
        },
        time_ns: 0,
        owner_start_ns: 0,
        evidence: EvidenceRecord::UNKNOWN,
        local: [0; 16],
        remote: [0; 16],
        netns: 0,
        tgid: 0,
        uid: crate::limits::ABSENT_U32,
        local_port: 0,
        remote_port: 0,
        wire: WireRecord { seq: 0, ack: 0, ack_end: 0, sack_edge: 0, flags: 0, zero: 0 },
    };
}

/// Notifies the reader that a received reset waits undecided on a CPU: a record of its own, which the reader recognises
/// by its size.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Nudge {
    /// Number of the CPU that the reset waits on.
    pub cpu: u32,
    /// Always zero; keeps the record free of padding.
    pub zero: u32,
}

/// A task and the network namespace it is in, as written by the iterator `namespaces`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct NetnsTask {
    /// Cookie of the namespace (`SO_NETNS_COOKIE`).
    pub cookie: u64,
    /// The task's id, thread or process, in the initial pid namespace.
    pub pid: u32,
    /// Inode of the namespace, as [`ResetRecord::netns`].
    pub inode: u32,
}
