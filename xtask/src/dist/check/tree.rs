//! What a package has left behind: a system's files, users and groups before and after.

use super::root::Root;
use anyhow::bail;

/// What dpkg, rpm and the tools for users write down for themselves: records, caches, and backups of the last state.
const RECORDS: &str = "^/(var/lib/dpkg|var/lib/rpm|var/cache|var/log|var/tmp|proc|sys|dev)(/|$)|^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|^/systemctl-calls$|/\\.updated$|^/etc/\\.pwd\\.lock$";

/// A system's state.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    lines: Vec<String>,
}

impl Snapshot {
    /// All paths that are no records, all users and groups, and what systemd's helpers remember.
    pub(super) fn of(root: &Root) -> anyhow::Result<Self> {
        let script = format!("find / -xdev | grep -Ev '{RECORDS}' | sort; cat /etc/passwd /etc/group");
        Ok(Self { lines: root.sh(&script)?.lines().map(str::to_owned).collect() })
    }

    /// Fails if `later` has anything more or less.
    pub(super) fn expect_unchanged(&self, later: &Self) -> anyhow::Result<()> {
        let only = |a: &Self, b: &Self| -> Vec<String> {
            a.lines.iter().filter(|line| !b.lines.contains(line)).cloned().collect()
        };
        let (gone, left) = (only(self, later), only(later, self));
        if !gone.is_empty() || !left.is_empty() {
            bail!("left behind: {left:?}; taken away: {gone:?}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named() {
        let snapshot = |lines: &[&str]| Snapshot { lines: lines.iter().map(|line| (*line).to_owned()).collect() };
        let before = snapshot(&["/etc", "/run"]);
        before.expect_unchanged(&before).expect("the same");
        let error = before.expect_unchanged(&snapshot(&["/etc", "/run", "/etc/rstmon"])).expect_err("a trace");
        assert!(error.to_string().contains("/etc/rstmon"), "found `{error}`");
    }
}
