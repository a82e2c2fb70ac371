//! Files, users and groups of a system before and after, to find what a package leaves behind.

use super::root::Root;
use anyhow::bail;

/// Paths that dpkg, rpm and the tools for users write on their own account: records, caches, and backups.
const RECORDS: &str = concat!(
    "^/(var/lib/dpkg|var/lib/rpm|var/cache|var/log|var/tmp|proc|sys|dev)(/|$)|",
    "^/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|",
    "^/systemctl-calls$|/\\.updated$|^/etc/\\.pwd\\.lock$"
);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct SystemSnapshot {
    lines: Vec<String>,
}

impl SystemSnapshot {
    /// All paths except those in [`RECORDS`], all users and groups, and the records of systemd's helpers.
    pub(super) fn of(root: &Root) -> anyhow::Result<Self> {
        let script = format!("find / -xdev | grep -Ev '{RECORDS}' | sort; cat /etc/passwd /etc/group");
        Ok(Self { lines: root.sh(&script)?.lines().map(str::to_owned).collect() })
    }

    /// Fails if `later` differs.
    pub(super) fn expect_unchanged(&self, later: &Self) -> anyhow::Result<()> {
        let only = |a: &Self, b: &Self| -> Vec<String> {
            a.lines.iter().filter(|line| !b.lines.contains(line)).cloned().collect()
        };
        let (gone, left) = (only(self, later), only(later, self));
        if !gone.is_empty() || !left.is_empty() {
            bail!("left behind: {left:?}; removed: {gone:?}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named() {
        let snapshot = |lines: &[&str]| SystemSnapshot { lines: lines.iter().map(|line| (*line).to_owned()).collect() };
        let before = snapshot(&["/etc", "/run"]);
        before.expect_unchanged(&before).expect("the same");
        let error = before.expect_unchanged(&snapshot(&["/etc", "/run", "/etc/rstmon"])).expect_err("a trace");
        assert!(error.to_string().contains("/etc/rstmon"), "found `{error}`");
    }
}
