//! The kernel's own statistics (`/proc/<pid>/net/snmp`, `netstat`, `snmp6`), with which rstmon's counts can be checked.
//!
//! Each network namespace has its own, and `/proc` shows those of any process's namespace to every user: the look-up
//! (`get_proc_task_net()` in `fs/proc/proc_net.c`) requires no privilege, unlike `/proc/<pid>/ns/net`. Files are closed
//! at once: an open one would keep its namespace alive.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
};

/// Exported counters, each with its protocol in the file and its name.
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

/// A network namespace, by a `/proc/<task>/net` that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcNet {
    /// The namespace of the calling thread.
    Own,
    /// The namespace of a task, by the task's id.
    Task(u32),
}

impl ProcNet {
    pub(super) fn file(self, name: &str) -> String {
        match self {
            // `thread-self`, not `self`: the namespace is a thread's.
            Self::Own => format!("/proc/thread-self/net/{name}"),
            Self::Task(pid) => format!("/proc/{pid}/net/{name}"),
        }
    }
}

/// Counters that explain a difference between `OutRsts` and rstmon's count (docs/metrics.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Explaining {
    /// `TCPAbortFailed`: an active reset for which no packet could be allocated is in `OutRsts`, and there is no event.
    pub(crate) abort_failed: u64,
    /// `Ip6OutNoRoutes`: an answer over IPv6 that found no route is an event and not in `OutRsts`.
    pub(crate) no_route: u64,
}

/// The kernel's count of the resets sent in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutRsts {
    /// Inode of the file that it was read from; no other living namespace has the same.
    pub(crate) inode: u64,
    pub(crate) count: u64,
}

/// The exported counters of the network namespace that rstmon runs in; counters that the kernel does not have are
/// absent.
pub(crate) fn read() -> io::Result<BTreeMap<&'static str, u64>> {
    let mut counters = parse(&fs::read_to_string(ProcNet::Own.file("snmp"))?);
    counters.extend(parse(&fs::read_to_string(ProcNet::Own.file("netstat"))?));
    Ok(counters)
}

/// Reads `OutRsts` of a namespace.
pub(crate) fn out_rsts(proc_net: ProcNet) -> io::Result<OutRsts> {
    let mut file = File::open(proc_net.file("snmp"))?;
    let inode = file.metadata()?.ino();
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let count = parse(&text).get("OutRsts").copied();
    let count = count.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no OutRsts in /proc/net/snmp"))?;
    Ok(OutRsts { inode, count })
}

/// Reads the counters that explain a difference in a namespace.
pub(crate) fn explaining(proc_net: ProcNet) -> io::Result<Explaining> {
    let netstat = parse(&fs::read_to_string(proc_net.file("netstat"))?);
    let no_route = match fs::read_to_string(proc_net.file("snmp6")) {
        Ok(text) => single(&text, "Ip6OutNoRoutes").unwrap_or(0),
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(Explaining { abort_failed: netstat.get("TCPAbortFailed").copied().unwrap_or(0), no_route })
}

/// The number in a line `name number`, the format of `snmp6`.
fn single(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Parses pairs of lines, names and then numbers, both beginning with the protocol.
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
    use super::{ProcNet, out_rsts, parse, single};

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

    #[test]
    fn a_single_counter_is_found_by_its_whole_name() {
        let text = "Ip6InNoRoutes                   \t3\nIp6OutNoRoutes                  \t16\n";
        assert_eq!(single(text, "Ip6OutNoRoutes"), Some(16));
        assert_eq!(single(text, "Ip6Out"), None);
    }

    #[test]
    fn a_namespace_is_known_by_the_file() {
        let own = out_rsts(ProcNet::Own).expect("readable");
        let same = out_rsts(ProcNet::Task(std::process::id())).expect("readable by its process, too");
        assert_eq!(own.inode, same.inode);
        assert!(out_rsts(ProcNet::Task(u32::MAX)).is_err());
    }
}
