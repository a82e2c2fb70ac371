//! The kernel fields that the kernel half reads: one list, from which the kernel half derives its offset
//! constants and the user half the look-ups in the running kernel's BTF.
//!
//! Each line: the constant's name, its width, the structure and the (dotted) member. Widths are checked
//! against BTF: a field of another size is absent, never misread. `sock_common`, `sock`, `inet_sock`,
//! `inet_connection_sock` and `tcp_sock` begin at the same address. Names are stable from Linux 5.10 to
//! 7.3, offsets are not.

/// Hands the list to the macro named `$apply`.
#[macro_export]
macro_rules! kernel_fields {
    ($apply:ident) => {
        $apply! {
            SKC_FAMILY: u16 = "sock_common", "skc_family";
            SKC_STATE: u8 = "sock_common", "skc_state";
            SKC_NUM: u16 = "sock_common", "skc_num";
            SKC_DPORT: u16 = "sock_common", "skc_dport";
            SKC_DADDR: u32 = "sock_common", "skc_daddr";
            SKC_RCV_SADDR: u32 = "sock_common", "skc_rcv_saddr";
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
            INET_SPORT: u16 = "inet_sock", "inet_sport";
            ICSK_RETRANSMITS: u8 = "inet_connection_sock", "icsk_retransmits";
            ICSK_PROBES_OUT: u8 = "inet_connection_sock", "icsk_probes_out";
            ICSK_LRCVTIME: u32 = "inet_connection_sock", "icsk_ack.lrcvtime";
            TCP_RCV_NXT: u32 = "tcp_sock", "rcv_nxt";
            TCP_COPIED_SEQ: u32 = "tcp_sock", "copied_seq";
            TCP_SND_UNA: u32 = "tcp_sock", "snd_una";
            TCP_SND_NXT: u32 = "tcp_sock", "snd_nxt";
            TCP_WRITE_SEQ: u32 = "tcp_sock", "write_seq";
            TCP_LSNDTIME: u32 = "tcp_sock", "lsndtime";
            TCP_RCV_TSTAMP: u32 = "tcp_sock", "rcv_tstamp";
            TCP_SRTT_US: u32 = "tcp_sock", "srtt_us";
            TCP_BYTES_RECEIVED: u64 = "tcp_sock", "bytes_received";
            TCP_BYTES_SENT: u64 = "tcp_sock", "bytes_sent";
            TCP_TOTAL_RETRANS: u32 = "tcp_sock", "total_retrans";
            TCP_LINGER2: i32 = "tcp_sock", "linger2";
            TCP_IS_MPTCP: u8 = "tcp_sock", "is_mptcp";
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
            TASK_EXIT_CODE: u32 = "task_struct", "exit_code";
            TASK_CGROUPS: u64 = "task_struct", "cgroups";
            CSS_SET_DFL_CGROUP: u64 = "css_set", "dfl_cgrp";
            CSS_SET_SUBSYS: [u64; 0] = "css_set", "subsys";
            CSS_CGROUP: u64 = "cgroup_subsys_state", "cgroup";
            CGROUP_LEVEL: u32 = "cgroup", "level";
            CGROUP_KN: u64 = "cgroup", "kn";
            KERNFS_ID: u64 = "kernfs_node", "id";
            FILE_SOCKET_SK: u64 = "socket", "sk";
        }
    };
}
