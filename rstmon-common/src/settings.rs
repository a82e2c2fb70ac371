//! The settings that user space patches into the kernel half's `.rodata` before the programs are loaded: one list, from
//! which the kernel half derives its globals and the user half the structure that it fills in.

/// Hands the list to the macro named `$apply`. Each line: the global's name, its type and the value that the object has
/// before it is patched.
#[macro_export]
macro_rules! settings {
    ($apply:ident) => {
        $apply! {
            /// 1 where `tcp_send_reset` passes a reason (6.10 on).
            SEND_HAS_REASON: u32 = 0;
            /// Number of the reason `tcp_abort_on_close`; out of range where the kernel has none.
            ABORT_ON_CLOSE: u32 = u32::MAX;
            /// Jiffies in a second.
            SECOND_JIFFIES: u32 = 250;
            /// Nanoseconds in a jiffy.
            JIFFY_NS: u32 = 4_000_000;
            /// Silence that counts as idle, in jiffies.
            IDLE_JIFFIES: u32 = u32::MAX;
            /// Time after an answer, in jiffies, from which on a connection is idle: `keepalive_idle_seconds`.
            KEEPALIVE_IDLE_JIFFIES: u32 = u32::MAX;
            /// How long after a close a segment may have crossed it, in nanoseconds.
            RACE_WINDOW_NS: u64 = 0;
            /// Events that a key may offer in a second on each CPU; 0 = unlimited.
            RATE_PER_SECOND: u32 = 0;
            /// 1 where tombstones are kept.
            TOMBSTONES_ON: u32 = 0;
            /// Slots for tombstones of connections, less one.
            TOMBSTONES_MASK: u32 = 0;
            /// Cookie of the network namespace that rstmon is in; 0 = unknown.
            HOST_NETNS_COOKIE: u64 = 0;
            /// Id of `struct task_struct` in the kernel's BTF; 0 where the kernel has no `bpf_rdonly_cast`, as below.
            TASK_TYPE: u32 = 0;
            /// Id of `struct tcp_sock`.
            TCP_TYPE: u32 = 0;
            /// Id of a structure of 64-bit words and nothing else, at least as large as the kernel half's buffer of
            /// packet headers: packet memory is read as this structure.
            WORDS_TYPE: u32 = 0;
            /// Index into `css_set.subsys` of the v1 hierarchy used where a task is in the v2 root; `ABSENT_OFFSET` =
            /// none.
            CGROUP_V1_SUBSYS: u32 = $crate::limits::ABSENT_OFFSET;
        }
    };
}
