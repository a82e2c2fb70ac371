//! The kernel's own statistics (`/proc/net/snmp`, `/proc/net/netstat`), so that anyone can check rstmon.

use std::{collections::BTreeMap, fs, io};

/// Counters that are exported, by the file's protocol and the kernel's name.
const EXPORTED: &[(&str, &str)] = &[
    ("Tcp", "OutRsts"),
    ("Tcp", "EstabResets"),
    ("Tcp", "AttemptFails"),
    ("TcpExt", "TCPAbortOnClose"),
    ("TcpExt", "TCPAbortOnData"),
    ("TcpExt", "TCPAbortOnLinger"),
    ("TcpExt", "TCPAbortOnMemory"),
    ("TcpExt", "TCPAbortOnTimeout"),
    ("TcpExt", "TCPAbortFailed"),
    ("TcpExt", "EmbryonicRsts"),
    ("TcpExt", "ListenOverflows"),
    ("TcpExt", "ListenDrops"),
    ("TcpExt", "TCPTimeWaitOverflow"),
];

/// The exported counters of the network namespace that rstmon runs in; what the kernel lacks is absent.
pub fn read() -> io::Result<BTreeMap<&'static str, u64>> {
    // `thread-self`, not `self`: the namespace is a thread's.
    let mut counters = parse(&fs::read_to_string("/proc/thread-self/net/snmp")?);
    counters.extend(parse(&fs::read_to_string("/proc/thread-self/net/netstat")?));
    Ok(counters)
}

/// Only `OutRsts`, the counter that resets are reconciled with.
pub fn out_rsts() -> io::Result<Option<u64>> {
    Ok(parse(&fs::read_to_string("/proc/thread-self/net/snmp")?).get("OutRsts").copied())
}

/// Pairs of lines: names, then numbers, each with the protocol in front.
fn parse(text: &str) -> BTreeMap<&'static str, u64> {
    let mut counters = BTreeMap::new();
    let mut lines = text.lines();
    while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
        let (Some((protocol, names)), Some((_, numbers))) = (names.split_once(':'), numbers.split_once(':')) else {
            continue;
        };
        for (name, number) in names.split_whitespace().zip(numbers.split_whitespace()) {
            let known = EXPORTED.iter().find(|(of, exported)| *of == protocol && *exported == name);
            if let (Some((_, exported)), Ok(number)) = (known, number.parse()) {
                counters.insert(*exported, number);
            }
        }
    }
    counters
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_and_numbers_are_paired() {
        let text = "Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm MaxConn EstabResets OutRsts\nTcp: 1 -1 7 42\n";
        let counters = parse(text);
        assert_eq!(counters.get("OutRsts"), Some(&42));
        assert_eq!(counters.get("EstabResets"), Some(&7));
        assert_eq!(counters.len(), 2);
    }

    #[test]
    fn odd_text_gives_what_it_has() {
        for text in ["", "Tcp", "Tcp: OutRsts", "Tcp: OutRsts\nTcp:", "Tcp: OutRsts\nTcp: many\n", "a\nb\nc"] {
            assert!(parse(text).is_empty(), "{text:?}");
        }
    }
}
