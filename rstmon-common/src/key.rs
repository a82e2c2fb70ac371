//! The key that every reset is counted under, and its closed sets of values.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The key that a reset is counted under: small, of closed sets of values, and enough to decide its cause.
///
/// The cause is a pure function of this key, so the counts by cause are exact.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CountKey {
    /// Cgroup of the owner (of the socket where no owner is known): the kernfs id, with
    /// [`crate::limits::CGROUP_V1_FLAG`] set for a v1 hierarchy; 0 = unknown.
    pub cgroup: u64,
    /// Comm of the owner's thread-group leader, NUL-padded; all zero = no owner known.
    pub comm: [u8; 16],
    /// Bits of [`crate::evidence`].
    pub evidence: u64,
    /// Service port in host order; 0 = unknown.
    pub service_port: u16,
    /// One of [`direction`].
    pub direction: u8,
    /// IP version on the wire: 4 or 6; 0 = unknown.
    pub family: u8,
    /// The running kernel's number of `enum sk_rst_reason`, or [`crate::limits::REASON_UNSUPPORTED`].
    pub reason: u8,
    /// TCP state before the reset (kernel's number, 1..=12); 0 = no socket or unknown.
    pub state: u8,
    /// One of [`socket`].
    pub socket: u8,
    /// One of [`provenance`].
    pub provenance: u8,
}

/// One CPU's count for one key, with the token window of the event rate limit.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CountSlot {
    /// Resets counted under the key.
    pub hits: u64,
    /// Start of the current rate-limit window, in jiffies.
    pub window: u32,
    /// Events offered in the current window.
    pub offered: u32,
}

/// Values of [`CountKey::direction`].
pub mod direction {
    /// The kernel sent a RST.
    pub const SENT: u8 = 0;
    /// The kernel accepted a RST.
    pub const RECEIVED: u8 = 1;
    /// Number of directions.
    pub const COUNT: u32 = 2;
}

/// Values of [`CountKey::socket`]: the kind of socket that the hook got.
pub mod socket {
    /// No socket at all.
    pub const NONE: u8 = 0;
    /// A full socket.
    pub const FULL: u8 = 1;
    /// A `TIME_WAIT` minisock (also stands for `FIN_WAIT2` after a close).
    pub const TIME_WAIT: u8 = 2;
    /// A request minisock (`NEW_SYN_RECV`).
    pub const REQUEST: u8 = 3;
}

/// Values of [`CountKey::provenance`]: where the owner is known from.
pub mod provenance {
    /// No owner is known.
    pub const NONE: u8 = 0;
    /// The owner itself was executing.
    pub const CURRENT: u8 = 1;
    /// Recorded at `connect()` or `listen()`.
    pub const OPENED: u8 = 2;
    /// Recorded at `accept()`.
    pub const ACCEPTED: u8 = 3;
    /// The last process that read from, or closed, the socket.
    pub const USED: u8 = 4;
    /// Copied from the listener.
    pub const INHERITED: u8 = 5;
    /// Found by the iterator when rstmon started.
    pub const BACKFILLED: u8 = 6;
    /// From the tombstone of a socket that had closed.
    pub const TOMBSTONE: u8 = 7;
}

/// Values of [`crate::SocketNote::role`]: which end of the connection this socket is.
pub mod role {
    /// Unknown (opened before rstmon started, and the socket's fields do not show it).
    pub const UNKNOWN: u8 = 0;
    /// `connect()` was called: the service port is the remote one.
    pub const OPENED: u8 = 1;
    /// A listening socket.
    pub const LISTENER: u8 = 2;
    /// Accepted from a listener: the service port is the local one.
    pub const ACCEPTED: u8 = 3;
}

/// TCP states as the kernel numbers them (`include/net/tcp_states.h`; stable UAPI numbers).
pub mod state {
    /// The kernel's `TCP_ESTABLISHED`.
    pub const ESTABLISHED: u8 = 1;
    /// The kernel's `TCP_SYN_SENT`.
    pub const SYN_SENT: u8 = 2;
    /// The kernel's `TCP_SYN_RECV`.
    pub const SYN_RECV: u8 = 3;
    /// The kernel's `TCP_FIN_WAIT1`.
    pub const FIN_WAIT1: u8 = 4;
    /// The kernel's `TCP_FIN_WAIT2`.
    pub const FIN_WAIT2: u8 = 5;
    /// The kernel's `TCP_TIME_WAIT`.
    pub const TIME_WAIT: u8 = 6;
    /// The kernel's `TCP_CLOSE`.
    pub const CLOSE: u8 = 7;
    /// The kernel's `TCP_CLOSE_WAIT`.
    pub const CLOSE_WAIT: u8 = 8;
    /// The kernel's `TCP_LAST_ACK`.
    pub const LAST_ACK: u8 = 9;
    /// The kernel's `TCP_LISTEN`.
    pub const LISTEN: u8 = 10;
    /// The kernel's `TCP_CLOSING`.
    pub const CLOSING: u8 = 11;
    /// The kernel's `TCP_NEW_SYN_RECV`.
    pub const NEW_SYN_RECV: u8 = 12;
}
