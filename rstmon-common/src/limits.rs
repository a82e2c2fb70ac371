//! Limits and sentinels that both halves agree on.

/// A 32-bit number that is not known.
pub const ABSENT_U32: u32 = u32::MAX;
/// A 64-bit number that is not known.
pub const ABSENT_U64: u64 = u64::MAX;
/// Offset of a kernel field that the running kernel does not have.
pub const ABSENT_OFFSET: u32 = u32::MAX;

/// Marks a cgroup id as one of a v1 hierarchy; ids of different hierarchies may collide otherwise.
pub const CGROUP_V1_FLAG: u64 = 1 << 63;

/// Slots of a direction in the overflow array: reasons are below this (25 in Linux 6.18).
pub const REASONS: u32 = 64;
/// The reason of a kernel that passes none (before 6.10), and of any number out of range.
pub const REASON_UNSUPPORTED: u8 = 63;

/// Slots of the map of losses.
pub mod lost {
    /// The ring buffer was full.
    pub const RING_FULL: u32 = 0;
    /// The rate limit of the event's key was reached.
    pub const RATE_LIMITED: u32 = 1;
    /// A count went to an overflow slot.
    pub const COUNT_OVERFLOW: u32 = 2;
    /// A sent reset found no room in the counts by network namespace, or its namespace is not known.
    pub const NETNS_TALLY: u32 = 3;
    /// Number of causes of loss.
    pub const COUNT: u32 = 4;
}

/// Network namespaces whose sent resets are counted separately, for reconciliation with the kernel's own counters.
pub const NETNS_ENTRIES: u32 = 1024;

/// Slots for undecided received resets on each CPU: one for softirq, one for a socket that a process has locked.
pub const PENDING_SLOTS: u32 = 2;
/// How old an undecided received reset must be before user space may settle it, in nanoseconds.
pub const PENDING_SETTLE_NS: u64 = 10_000_000;

/// For how long a full accept queue explains segments that meet its listener, in nanoseconds: the client of a handshake
/// that was dropped learns of it when it sends on, after the listener has given the handshake up
/// (`tcp_synack_retries`, 63 s by default).
pub const OVERFLOW_MEMORY_NS: u64 = 300_000_000_000;
