//! What the kernel half remembers: of a live socket (note) and of a closed one (tombstone).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A process, by its thread-group leader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Owner {
    /// Start of the leader, `CLOCK_BOOTTIME` nanoseconds; tells a recycled pid from the original.
    pub start_ns: u64,
    /// Cgroup, as in [`crate::CountKey::cgroup`].
    pub cgroup: u64,
    /// The leader's comm, NUL-padded.
    pub comm: [u8; 16],
    /// Thread-group id in the initial pid namespace; 0 = no owner known.
    pub tgid: u32,
    /// Always zero.
    pub zero: u32,
}

/// Who owns a socket and what became of it: in its socket-local storage, or in an [`Opened`]. Children of a listener start
/// with a copy.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Note {
    /// Who owns it.
    pub owner: Owner,
    /// When the handshake completed, `CLOCK_BOOTTIME` nanoseconds; 0 = not seen.
    pub established_ns: u64,
    /// When a process here closed it or shut it down for sending; 0 = not (seen).
    pub closed_ns: u64,
    /// Time without a byte in either direction before that, in milliseconds.
    pub idle_before_close_ms: u32,
    /// `write_seq` when the peer's FIN arrived; valid with [`FIN_SEEN`].
    pub fin_write_seq: u32,
    /// One of [`crate::key::provenance`].
    pub provenance: u8,
    /// One of [`crate::key::role`].
    pub role: u8,
    /// State before the last move to CLOSE; 0 = none.
    pub state: u8,
    /// [`FIN_SEEN`] or 0.
    pub flags: u8,
    /// Always zero.
    pub zero: u32,
}

/// Bit of [`Note::flags`]: the peer's FIN has arrived.
pub const FIN_SEEN: u8 = 1;

/// A place for the note of a connection that was opened here.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Opened {
    /// Cookie of its socket, and marks; 0 = the place is free.
    pub word: u64,
    /// When it was closed, in jiffies: valid where it is marked as closed.
    pub closed_jiffies: u32,
    /// Always zero.
    pub zero: u32,
    /// The note.
    pub note: Note,
}

/// A connection's addresses, seen from this host, and the key of a tombstone.
///
/// The tombstone of a listener has only the network namespace and the local port. Aligned so that the kernel half moves
/// it by words.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Tuple {
    /// Local address in network order; IPv4 as `::ffff:a.b.c.d`.
    pub local: [u8; 16],
    /// Remote address, likewise.
    pub remote: [u8; 16],
    /// Inode of the network namespace; 0 = unknown.
    pub netns: u32,
    /// Local port in host order.
    pub local_port: u16,
    /// Remote port in host order.
    pub remote_port: u16,
}

/// What is remembered of a connection (or listener) after its socket closed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Tombstone {
    /// Who owned it; who closed it, if a process here did.
    pub owner: Owner,
    /// When it was closed here (when it ended, if it was not closed), `CLOCK_BOOTTIME` nanoseconds.
    pub closed_ns: u64,
    /// When the handshake completed; 0 = not seen.
    pub established_ns: u64,
    /// Payload bytes sent; [`crate::limits::ABSENT_U64`] = unknown.
    pub bytes_sent: u64,
    /// Payload bytes received; likewise.
    pub bytes_received: u64,
    /// Time without a byte before the close, in milliseconds; [`crate::limits::ABSENT_U32`] = unknown.
    pub idle_before_close_ms: u32,
    /// One of [`crate::key::role`].
    pub role: u8,
    /// The state it ended in: ESTABLISHED and `CLOSE_WAIT` mean a reset, LISTEN a listener.
    pub state: u8,
    /// Always zero.
    pub zero: [u8; 2],
}

/// A tombstone with the connection it is of: two cache lines.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Grave {
    /// Its number and, in the upper half, that of the one of the same hash before it; 0 = none.
    pub word: u64,
    /// The connection's ends.
    pub tuple: Tuple,
    /// What is remembered.
    pub tombstone: Tombstone,
}
const _: () = assert!(size_of::<Grave>() == 128);
