//! The kernel's own TCP counters, per network namespace: the oracle for rstmon's counts.

use crate::netns::NetworkPlace;
use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeMap, fs};

/// One reading of `/proc/net/snmp` and `/proc/net/netstat`, keyed by the name of the counter (`OutRsts`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// Reads the counters of a namespace.
    ///
    /// # Errors
    /// When a file cannot be read or is not in the kernel's two-line table format.
    pub fn read(place: &NetworkPlace) -> Result<Self> {
        place.run(|| {
            let mut counters = BTreeMap::new();
            // `/proc/net` is that of the thread-group leader; only `thread-self` follows a thread into a namespace.
            for (file, group) in [("snmp", "Tcp:"), ("netstat", "TcpExt:")] {
                let path = format!("/proc/thread-self/net/{file}");
                let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
                counters.extend(parse(&text, group).with_context(|| format!("parsing {path}"))?);
            }
            Ok(Self(counters))
        })?
    }

    /// Parses the text of `/proc/net/snmp` alone.
    ///
    /// # Errors
    /// When it is not in the kernel's two-line table format.
    pub fn of_snmp(text: &str) -> Result<Self> {
        Ok(Self(parse(text, "Tcp:")?))
    }

    /// The value of a counter; 0 if this kernel does not have it.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The growth of each counter since `earlier`, without counters that did not change.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let grown = self.0.iter().map(|(name, now)| (name.clone(), now.saturating_sub(earlier.get(name))));
        Self(grown.filter(|(_, by)| *by > 0).collect())
    }
}

/// One counter of the group `MPTcpExt` of `/proc/net/netstat`; 0 if the kernel has no MPTCP.
///
/// # Errors
/// When the file cannot be read.
pub fn mptcp(place: &NetworkPlace, name: &str) -> Result<u64> {
    let text = place.run(|| fs::read_to_string("/proc/thread-self/net/netstat"))?.context("reading netstat")?;
    Ok(parse(&text, "MPTcpExt:")?.get(name).copied().unwrap_or(0))
}

/// The counters of one group: a line of names followed by a line of values, both with the group's prefix.
fn parse(text: &str, group: &str) -> Result<BTreeMap<String, u64>> {
    let mut lines = text.lines().filter(|line| line.starts_with(group));
    let names = lines.next().with_context(|| format!("no line {group}"))?.split_whitespace().skip(1);
    let values = lines.next().with_context(|| format!("no second line {group}"))?.split_whitespace().skip(1);
    let table: BTreeMap<String, u64> = names
        .clone()
        .zip(values.clone())
        // MaxConn is -1 and no counter.
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect();
    ensure!(names.count() == values.count(), "{group}: more names than values");
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Ip: Forwarding\nIp: 1\nTcp: MaxConn OutRsts\nTcp: -1 75\n";

    #[test]
    fn reads_the_group_asked_for() {
        let table = parse(TEXT, "Tcp:").expect("well-formed");
        assert_eq!(table, BTreeMap::from([("OutRsts".to_owned(), 75)]));
    }

    #[test]
    fn refuses_a_table_whose_lines_disagree() {
        assert!(parse("Tcp: A B\nTcp: 1\n", "Tcp:").is_err());
        assert!(parse("Tcp: A B\n", "Tcp:").is_err());
    }

    #[test]
    fn growth_leaves_out_unchanged_counters() {
        let counters = |out| Counters(BTreeMap::from([("OutRsts".to_owned(), out), ("InSegs".to_owned(), 4)]));
        assert_eq!(counters(9).since(&counters(7)), Counters(BTreeMap::from([("OutRsts".to_owned(), 2)])));
    }

    #[test]
    fn the_host_has_the_counters_the_tests_rely_on() {
        let counters = Counters::read(&NetworkPlace::Host).expect("readable");
        for name in ["OutRsts", "EstabResets", "AttemptFails", "TCPAbortOnClose", "EmbryonicRsts", "ListenOverflows"] {
            assert!(counters.0.contains_key(name), "no counter {name}");
        }
    }
}
