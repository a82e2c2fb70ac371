//! The kernel fields that the kernel half reads, and the numbers of evidence that a record carries. A new number of
//! evidence starts here, with a line in each of the two lists.

use crate::limits::{ABSENT_U32, ABSENT_U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Hands the list of kernel fields to the macro named `$apply`. The kernel half derives its offset constants from it,
/// the user half the look-ups in the running kernel's BTF.
///
/// Each line: the constant's name, its width, the structure, the (dotted) member, and `required` where rstmon cannot
/// work without the field: sockets, their state and their ends. Widths are checked against BTF: a field of another size
/// is absent, never misread. `sock_common`, `sock`, `inet_sock`, `inet_connection_sock` and `tcp_sock` begin at the
/// same address. Names are stable from Linux 5.10 to 7.3, offsets are not.
#[macro_export]
macro_rules! kernel_fields {
    ($apply:ident) => {
        $apply! {
            SKC_FAMILY: u16 = "sock_common", "skc_family", required;
            SKC_STATE: u8 = "sock_common", "skc_state", required;
            SKC_NUM: u16 = "sock_common", "skc_num";
            SKC_DPORT: u16 = "sock_common", "skc_dport", required;
            SKC_DADDR: u32 = "sock_common", "skc_daddr", required;
            SKC_RCV_SADDR: u32 = "sock_common", "skc_rcv_saddr", required;
            SKC_V6_DADDR: [u8; 16] = "sock_common", "skc_v6_daddr";
            SKC_V6_RCV_SADDR: [u8; 16] = "sock_common", "skc_v6_rcv_saddr";
            SKC_NET: u64 = "sock_common", "skc_net.net";
            SKC_FLAGS: u64 = "sock_common", "skc_flags";
            SKC_COOKIE: u64 = "sock_common", "skc_cookie.counter";
            SK_LINGERTIME: u64 = "sock", "sk_lingertime";
            SK_LOCK_OWNED: u32 = "sock", "sk_lock.owned";
            SK_PROTOCOL: u16 = "sock", "sk_protocol";
            SK_SHUTDOWN: u8 = "sock", "sk_shutdown";
            SK_ACK_BACKLOG: u32 = "sock", "sk_ack_backlog";
            SK_MAX_ACK_BACKLOG: u32 = "sock", "sk_max_ack_backlog";
            SK_SOCKET: u64 = "sock", "sk_socket";
            SK_UID: u32 = "sock", "sk_uid";
            SK_CGROUP: u64 = "sock", "sk_cgrp_data.cgroup";
            INET_SPORT: u16 = "inet_sock", "inet_sport", required;
            ICSK_RETRANSMITS: u8 = "inet_connection_sock", "icsk_retransmits";
            ICSK_PROBES_OUT: u8 = "inet_connection_sock", "icsk_probes_out";
            ICSK_LRCVTIME: u32 = "inet_connection_sock", "icsk_ack.lrcvtime";
            TCP_RCV_NXT: u32 = "tcp_sock", "rcv_nxt";
            TCP_COPIED_SEQ: u32 = "tcp_sock", "copied_seq";
            TCP_SND_UNA: u32 = "tcp_sock", "snd_una";
            TCP_SND_WL1: u32 = "tcp_sock", "snd_wl1";
            TCP_SND_NXT: u32 = "tcp_sock", "snd_nxt";
            TCP_WRITE_SEQ: u32 = "tcp_sock", "write_seq";
            TCP_LSNDTIME: u32 = "tcp_sock", "lsndtime";
            TCP_RCV_TSTAMP: u32 = "tcp_sock", "rcv_tstamp";
            TCP_SRTT_US: u32 = "tcp_sock", "srtt_us";
            TCP_BYTES_RECEIVED: u64 = "tcp_sock", "bytes_received";
            TCP_BYTES_SENT: u64 = "tcp_sock", "bytes_sent";
            TCP_DATA_SEGS_OUT: u32 = "tcp_sock", "data_segs_out";
            TCP_TOTAL_RETRANS: u32 = "tcp_sock", "total_retrans";
            TCP_LINGER2: i32 = "tcp_sock", "linger2";
            TCP_IS_MPTCP: u8 = "tcp_sock", "is_mptcp";
            TCP_TS_RECENT: u32 = "tcp_sock", "rx_opt.ts_recent";
            TCP_TS_RECENT_STAMP: u32 = "tcp_sock", "rx_opt.ts_recent_stamp";
            TCP_RCV_TSVAL: u32 = "tcp_sock", "rx_opt.rcv_tsval";
            TCP_NUM_SACKS: u8 = "tcp_sock", "rx_opt.num_sacks";
            TCP_SELECTIVE_ACKS: [u64; 4] = "tcp_sock", "selective_acks";
            SKB_HEAD: u64 = "sk_buff", "head";
            SKB_LEN: u32 = "sk_buff", "len";
            SKB_TRANSPORT_HEADER: u16 = "sk_buff", "transport_header";
            SKB_NETWORK_HEADER: u16 = "sk_buff", "network_header";
            SKB_DEV: u64 = "sk_buff", "dev";
            SKB_REFDST: u64 = "sk_buff", "_skb_refdst";
            RT_TYPE: u16 = "rtable", "rt_type";
            RT6_FLAGS: u32 = "rt6_info", "rt6i_flags";
            DEV_NET: u64 = "net_device", "nd_net.net";
            NET_INUM: u32 = "net", "ns.inum";
            NET_COOKIE: u64 = "net", "net_cookie";
            NSPROXY_NET: u64 = "nsproxy", "net_ns";
            TASK_FLAGS: u32 = "task_struct", "flags";
            TASK_GROUP_LEADER: u64 = "task_struct", "group_leader";
            TASK_PID: u32 = "task_struct", "pid";
            TASK_TGID: u32 = "task_struct", "tgid";
            TASK_NSPROXY: u64 = "task_struct", "nsproxy";
            TASK_COMM: [u8; 16] = "task_struct", "comm";
            TASK_START_BOOTTIME: u64 = "task_struct", "start_boottime";
            TASK_SIGNAL: u64 = "task_struct", "signal";
            SIGNAL_LIVE: u32 = "signal_struct", "live.counter";
            TASK_EXIT_CODE: u32 = "task_struct", "exit_code";
            TASK_CGROUPS: u64 = "task_struct", "cgroups";
            CSS_SET_DFL_CGROUP: u64 = "css_set", "dfl_cgrp";
            CSS_SET_SUBSYS: [u64; 0] = "css_set", "subsys";
            CSS_CGROUP: u64 = "cgroup_subsys_state", "cgroup";
            CGROUP_LEVEL: u32 = "cgroup", "level";
            CGROUP_KN: u64 = "cgroup", "kn";
            KERNFS_ID: u64 = "kernfs_node", "id";
            TASK_CRED: u64 = "task_struct", "cred";
            FILE_SOCKET_SK: u64 = "socket", "sk";
            SOCKET_FILE: u64 = "socket", "file";
            FILE_CRED: u64 = "file", "f_cred";
        }
    };
}

macro_rules! evidence_record {
    ($($(#[$doc:meta])* $name:ident: $ty:ty = $unknown:expr;)*) => {
        /// The numbers of evidence of one reset.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
        pub struct EvidenceRecord {
            $($(#[$doc])* pub $name: $ty,)*
        }

        impl EvidenceRecord {
            /// Evidence of which nothing is known yet.
            pub const UNKNOWN: Self = Self { $($name: $unknown,)* };
        }
    };
}
// Each line: the field, its type, and its value where it is not known. Widest first, so that there is no padding.
evidence_record! {
    /// When the handshake completed, `CLOCK_BOOTTIME` nanoseconds; 0 = unknown.
    established_ns: u64 = 0;
    /// When a process here had closed the connection, `CLOCK_BOOTTIME` nanoseconds; 0 = it had not.
    closed_ns: u64 = 0;
    /// Payload bytes sent, retransmissions included (`bytes_sent`).
    bytes_sent: u64 = ABSENT_U64;
    /// Payload bytes received in order.
    bytes_received: u64 = ABSENT_U64;
    /// Milliseconds since the last data segment was sent.
    send_idle_ms: u32 = ABSENT_U32;
    /// Milliseconds since the last data segment was received.
    receive_idle_ms: u32 = ABSENT_U32;
    /// Milliseconds since anything (data or ACK) was received from the peer. Of a listener: since its accept queue was
    /// last seen to be full.
    silent_ms: u32 = ABSENT_U32;
    /// Milliseconds without a byte in either direction before the connection was closed here.
    idle_before_close_ms: u32 = ABSENT_U32;
    /// Bytes received and not read.
    unread_bytes: u32 = ABSENT_U32;
    /// Bytes written and not sent.
    unsent_bytes: u32 = ABSENT_U32;
    /// Bytes sent and not acknowledged.
    unacked_bytes: u32 = ABSENT_U32;
    /// Bytes written after the peer's FIN.
    after_fin_bytes: u32 = ABSENT_U32;
    /// Payload bytes of the segment that is answered.
    segment_bytes: u32 = ABSENT_U32;
    /// Connections in the listener's accept queue.
    backlog: u32 = ABSENT_U32;
    /// Limit of the accept queue, in connections.
    backlog_limit: u32 = ABSENT_U32;
    /// Smoothed round-trip time in microseconds.
    rtt_us: u32 = ABSENT_U32;
    /// Segments retransmitted over the connection's life.
    retransmits: u32 = ABSENT_U32;
    /// Which end of the connection the socket is: one of [`crate::key::role`].
    role: u8 = 0;
    /// Signal that ends the owner; 0 = none.
    exit_signal: u8 = 0;
    /// Unanswered keep-alive or window probes.
    probes: u8 = 0;
    /// Always zero; keeps the record free of padding.
    zero: u8 = 0;
}
