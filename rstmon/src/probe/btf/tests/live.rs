//! The running kernel: everything that rstmon looks up in its BTF. Passes untested where the kernel has no BTF.

use super::super::{Btf, read_kernel_btf};

/// Members that every supported kernel has, with their sizes on a 64-bit machine: struct, path, bytes.
#[rustfmt::skip]
const REQUIRED: &[(&str, &str, u32)] = &[
    ("sock_common", "skc_family", 2), ("sock_common", "skc_state", 1), ("sock_common", "skc_num", 2),
    ("sock_common", "skc_dport", 2), ("sock_common", "skc_daddr", 4), ("sock_common", "skc_rcv_saddr", 4),
    ("sock", "sk_shutdown", 1), ("sock", "__sk_common.skc_flags", 8), ("sock", "sk_lingertime", 8), ("sock", "sk_ack_backlog", 4),
    ("sock", "sk_max_ack_backlog", 4), ("sock", "sk_socket", 8), ("sock", "sk_uid", 4), ("sock", "sk_lock.owned", 4),
    ("sock", "sk_protocol", 2), ("sock", "__sk_common.skc_state", 1),
    ("inet_sock", "inet_sport", 2), ("inet_sock", "sk.__sk_common.skc_dport", 2),
    ("inet_connection_sock", "icsk_retransmits", 1), ("inet_connection_sock", "icsk_probes_out", 1),
    ("inet_connection_sock", "icsk_ack.lrcvtime", 4), ("inet_connection_sock", "icsk_inet.inet_sport", 2),
    ("tcp_sock", "rcv_nxt", 4), ("tcp_sock", "copied_seq", 4), ("tcp_sock", "snd_una", 4), ("tcp_sock", "snd_nxt", 4),
    ("tcp_sock", "write_seq", 4), ("tcp_sock", "lsndtime", 4), ("tcp_sock", "rcv_tstamp", 4), ("tcp_sock", "srtt_us", 4),
    ("tcp_sock", "bytes_received", 8), ("tcp_sock", "bytes_acked", 8), ("tcp_sock", "bytes_sent", 8),
    ("tcp_sock", "linger2", 4), ("tcp_sock", "total_retrans", 4), ("tcp_sock", "inet_conn.icsk_inet.sk.sk_shutdown", 1),
    ("sk_buff", "head", 8), ("sk_buff", "data", 8), ("sk_buff", "len", 4), ("sk_buff", "dev", 8),
    ("sk_buff", "network_header", 2), ("sk_buff", "transport_header", 2),
    ("net", "ns.inum", 4), ("ns_common", "inum", 4),
    ("task_struct", "flags", 4), ("task_struct", "group_leader", 8), ("task_struct", "comm", 16), ("task_struct", "tgid", 4),
    ("task_struct", "start_boottime", 8), ("task_struct", "exit_code", 4), ("kernfs_node", "id", 8),
];

/// Members that depend on the kernel's configuration (IPv6, network namespaces, cgroups): absent or of this size.
const CONFIGURED: &[(&str, &str, u32)] = &[
    ("sock_common", "skc_v6_daddr", 16),
    ("sock_common", "skc_v6_rcv_saddr", 16),
    // `possible_net_t` is empty without CONFIG_NET_NS: its member is looked up.
    ("sock_common", "skc_net.net", 8),
    ("net_device", "nd_net.net", 8),
    ("sock", "sk_cgrp_data.cgroup", 8),
    ("task_struct", "cgroups", 8),
    ("css_set", "dfl_cgrp", 8),
    ("cgroup", "kn", 8),
];

/// Run `check` on the kernel's BTF, if it has one.
fn with_kernel(check: impl FnOnce(&Btf<'_>)) {
    let Ok(data) = read_kernel_btf() else { return };
    check(&Btf::parse(&data).expect("the kernel's own BTF"));
}

#[test]
#[cfg(target_pointer_width = "64")]
fn members() {
    with_kernel(|btf| {
        let check = |aggregate: &str, path: &str, size: u32| {
            let member = btf.member(aggregate, path)?;
            assert_eq!(member.size, size, "{aggregate}.{path}");
            // Neither compilers nor the verifier put or load these across their natural alignment.
            assert_eq!(member.offset % size.min(8), 0, "{aggregate}.{path}: {member:?}");
            Some(())
        };
        for (aggregate, path, size) in REQUIRED {
            assert!(check(aggregate, path, *size).is_some(), "{aggregate}.{path} is absent");
        }
        for (aggregate, path, size) in CONFIGURED {
            check(aggregate, path, *size);
        }
    });
}

/// A member's offset is the same, whichever of the structs that begin with each other the path starts from.
#[test]
fn paths_agree() {
    with_kernel(|btf| {
        let offset = |aggregate: &str, path: &str| btf.member(aggregate, path).map(|member| member.offset);
        assert_eq!(offset("sock", "__sk_common"), Some(0));
        let state = offset("sock_common", "skc_state").expect("present");
        for (aggregate, prefix) in [
            ("sock", ""),
            ("inet_sock", "sk."),
            ("tcp_sock", "inet_conn.icsk_inet.sk."),
            ("tcp6_sock", "tcp.inet_conn.icsk_inet.sk."),
        ] {
            let path = format!("{prefix}__sk_common.skc_state");
            // tcp6_sock depends on the configuration.
            assert!(offset(aggregate, &path).is_none_or(|found| found == state), "{aggregate}.{path}");
        }
        // `struct sock_common` begins with the address pair: the kernel compares both at once (`skc_addrpair`).
        assert_eq!((offset("sock_common", "skc_daddr"), offset("sock_common", "skc_rcv_saddr")), (Some(0), Some(4)));
        let cgroup_subsystems = btf.enum_variants("cgroup_subsys_id").unwrap_or_default();
        if let Some((_, count)) = cgroup_subsystems.iter().find(|(name, _)| *name == "CGROUP_SUBSYS_COUNT") {
            let pointers = btf.member("css_set", "subsys").expect("there are cgroups");
            assert_eq!(i64::from(pointers.size), count * 8);
        }
    });
}

/// `is_mptcp` is a `bool` of some kernels and a bit-field, hence absent, of others.
#[test]
fn is_mptcp_is_a_byte_or_absent() {
    with_kernel(|btf| {
        assert!(btf.member("tcp_sock", "is_mptcp").is_none_or(|member| member.size == 1));
    });
}

#[test]
fn bit_fields_are_absent() {
    with_kernel(|btf| assert_eq!(btf.member("sk_buff", "ip_summed"), None, "a bit-field in all kernels"));
}

#[test]
fn reset_reasons() {
    with_kernel(|btf| {
        // Since Linux 6.10.
        let Some(reasons) = btf.enum_variants("sk_rst_reason") else { return };
        assert_eq!(reasons.first(), Some(&("SK_RST_REASON_NOT_SPECIFIED", 0)));
        assert!(reasons.iter().any(|(name, _)| *name == "SK_RST_REASON_NO_SOCKET"));
        assert!(reasons.is_sorted_by_key(|(_, value)| *value));
    });
}

#[test]
fn tracepoints() {
    with_kernel(|btf| {
        assert_eq!(btf.tracepoint_arity("tcp_receive_reset"), Some(1));
        assert_eq!(btf.tracepoint_arity("tcp_rcv_space_adjust"), Some(1));
        assert_eq!(btf.tracepoint_arity("inet_sock_set_state"), Some(3));
        // The reason came with its enum.
        let reasons = u32::from(btf.enum_variants("sk_rst_reason").is_some());
        assert_eq!(btf.tracepoint_arity("tcp_send_reset"), Some(2 + reasons));
    });
}

#[test]
fn functions() {
    with_kernel(|btf| {
        assert!(btf.has_function("tcp_v4_rcv"));
        assert!(!btf.has_function("tcp_v4_rcv_"));
    });
}
