//! What the kernel half stores of a live socket (note) and of a closed one (tombstone).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A process, identified by its thread-group leader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct OwnerRecord {
    /// Start of the leader, `CLOCK_BOOTTIME` nanoseconds; distinguishes a recycled pid from the original.
    pub start_ns: u64,
    /// Cgroup, as in [`crate::CountKey::cgroup`].
    pub cgroup: u64,
    /// The leader's comm, NUL-padded.
    pub comm: [u8; 16],
    /// Thread-group id in the initial pid namespace; 0 = no owner known.
    pub tgid: u32,
    /// Not about the process: for the record that this one is in, which says what it is.
    pub extra: u32,
}

/// The owner and the history of a socket, stored in its socket-local storage or in an [`OpenedNote`]. Children of a
/// listener start with a copy.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SocketNote {
    /// The process that owns the socket. [`OwnerRecord::extra`]: when the peer's FIN arrived, in jiffies; valid with
    /// [`FIN_SEEN`].
    pub owner: OwnerRecord,
    /// When the handshake completed, `CLOCK_BOOTTIME` nanoseconds; 0 = not seen.
    pub established_ns: u64,
    /// When a process here closed it or, before that, shut it down for sending, `CLOCK_BOOTTIME` nanoseconds; 0 = not
    /// seen.
    pub closed_ns: u64,
    /// What was found at that close: evidence ([`crate::evidence::KEPT`]) and the signal that ended the process.
    /// [`crate::evidence::MEANS`] is 0 where the connection was shut down for sending only. Of a listener, and of its
    /// children until their handshake is complete: the address of the listener's socket.
    pub facts: u64,
    /// When the owner acted on the socket, in jiffies: opened it, accepted it, or read from it for the first time or
    /// again after a fork. Of a child whose owner is inherited: when its listener was opened.
    pub acted_jiffies: u64,
    /// Of a listener and its children: address of the credentials of the process that opened the listener, which
    /// identifies that process; 0 = unknown.
    pub opener_credentials: u64,
    /// Time without a byte in either direction before that close, in milliseconds; a last word
    /// ([`crate::evidence::LAST_WORD`]) does not count.
    pub idle_before_close_ms: u32,
    /// `write_seq` when the peer's FIN arrived; valid with [`FIN_SEEN`].
    pub fin_write_seq: u32,
    /// One of [`crate::key::provenance`].
    pub provenance: u8,
    /// One of [`crate::key::role`].
    pub role: u8,
    /// State before the last move to CLOSE; 0 = none.
    pub state: u8,
    /// [`FIN_SEEN`], [`RESET_RECEIVED`], [`RESET_SENT`], [`SHUT_SEND`].
    pub flags: u8,
    /// Number of the connection's tombstone; 0 = none yet.
    pub tombstone: u32,
}

/// A process that accepts connections from a listener that it has not opened.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    /// The accepting process.
    pub owner: OwnerRecord,
    /// Address of its credentials, as in [`SocketNote::opener_credentials`].
    pub credentials: u64,
}

/// Bit of [`SocketNote::flags`]: the peer's FIN has arrived.
pub const FIN_SEEN: u8 = 1;
/// Bit of [`SocketNote::flags`]: a reset was received, or data after a close (see the kernel half's `pending`).
pub const RESET_RECEIVED: u8 = 1 << 1;
/// Bit of [`SocketNote::flags`]: a reset was sent before the socket was set to CLOSE.
pub const RESET_SENT: u8 = 1 << 2;
/// Bit of [`SocketNote::flags`]: a process here shut it down for sending first.
pub const SHUT_SEND: u8 = 1 << 3;

/// A slot for the note of a connection that was opened here.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenedNote {
    /// Cookie of the socket, and marks; 0 = the slot is free.
    pub word: u64,
    /// When the connection was closed, in jiffies: valid where the slot is marked as closed.
    pub closed_jiffies: u32,
    /// Always zero; keeps the record free of padding.
    pub zero: u32,
    /// Note of the socket with that cookie.
    pub note: SocketNote,
}

/// A connection's addresses, with this host's end as the local one, and the key of a tombstone.
///
/// The tombstone of a listener has only the network namespace and the local port. Aligned so that the kernel half
/// copies it in words.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Tuple {
    /// Local address in network order; IPv4 as `::ffff:a.b.c.d`.
    pub local: [u8; 16],
    /// Remote address, in the same form.
    pub remote: [u8; 16],
    /// Inode of the network namespace; 0 = unknown.
    pub netns: u32,
    /// Local port in host order.
    pub local_port: u16,
    /// Remote port in host order.
    pub remote_port: u16,
}

/// The listeners of a port in a network namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ListenedPort {
    /// When the first of them began to listen, `CLOCK_BOOTTIME` nanoseconds; 0 = before rstmon started.
    pub since_ns: u64,
    /// When an accept queue of theirs was last seen to be full, `CLOCK_BOOTTIME` nanoseconds; 0 = never.
    pub full_ns: u64,
    /// How many there are.
    pub count: u64,
}

/// What is stored of a connection (or listener) after its socket closed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Tombstone {
    /// The process that owned it; the process that closed it, if a process here did. [`OwnerRecord::extra`]: the
    /// sequence number that was expected next from the peer (`rcv_nxt`).
    pub owner: OwnerRecord,
    /// When it was closed here for the last time; when it ended, if it was not closed here or did not end by FINs.
    /// `CLOCK_BOOTTIME` nanoseconds.
    pub closed_ns: u64,
    /// When the handshake completed, `CLOCK_BOOTTIME` nanoseconds; 0 = not seen.
    pub established_ns: u64,
    /// Payload bytes sent; [`crate::limits::ABSENT_U64`] = unknown. Of a listener: the first half of its address.
    pub bytes_sent: u64,
    /// Payload bytes received; [`crate::limits::ABSENT_U64`] = unknown. Of a listener: the second half of its address.
    pub bytes_received: u64,
    /// Time without a byte before the close, in milliseconds. Where the connection ended by a received reset: the
    /// latest value of the timestamps option that the peer can have sent by then. [`crate::limits::ABSENT_U32`] =
    /// unknown.
    pub idle_before_close_ms: u32,
    /// [`SocketNote::facts`], packed ([`crate::evidence::pack`]).
    pub facts: u32,
}

/// A slot of the ring of tombstones: the connection and its tombstone, in two cache lines.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct TombstoneSlot {
    /// The tombstone's number and, in the upper half, the number of the tombstone of the same hash before it; 0 = none.
    pub word: u64,
    /// Both ends of the connection.
    pub tuple: Tuple,
    /// Owner, times and bytes of the connection.
    pub tombstone: Tombstone,
}
const _: () = assert!(size_of::<TombstoneSlot>() == 128);
