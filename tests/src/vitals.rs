//! What a process takes of the machine, for the question whether it takes more and more.

use anyhow::{Context as _, Result};
use std::fs;

/// At one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Resident memory in KiB.
    pub resident_kib: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
}

impl Vitals {
    /// Of a process.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("a process' status")?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).context("a process' descriptors")?.count();
        Ok(Self {
            resident_kib: field(&status, "VmRSS:").context("no VmRSS")?,
            descriptors: descriptors as u64,
            threads: field(&status, "Threads:").context("no Threads")?,
        })
    }
}

fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_a_descriptor_more_show() {
        let pid = std::process::id();
        let before = Vitals::of(pid).expect("own figures");
        assert!(before.resident_kib > 0 && before.threads > 0, "{before:?}");
        assert_eq!(field("Threads:\t7\n", "Threads:"), Some(7));
        assert_eq!(field("Threads:\t7\n", "VmRSS:"), None);
    }
}
