//! The kernel's BPF run-time statistics (`kernel.bpf_stats_enabled`), on for as long as a value lives.

use anyhow::{Context as _, Result};
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Waits for the end of its input, then restores the old value. It is a process of its own that ignores signals, so
/// that the value is restored even when the benchmark is killed.
const GUARD: &str = "trap '' INT TERM HUP; cat >/dev/null; printf '%s\\n' \"$1\" >\"$2\"";

/// Keeps the statistics on; dropping it restores the old value.
#[derive(Debug)]
pub(crate) struct BpfStatistics {
    guard: Child,
}

impl BpfStatistics {
    pub(crate) fn enable() -> Result<Self> {
        Self::set(Path::new(SWITCH), "1")
    }

    fn set(switch: &Path, value: &str) -> Result<Self> {
        let before = fs::read_to_string(switch).with_context(|| format!("cannot read {}", switch.display()))?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh", before.trim()])
            .arg(switch)
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start sh")?;
        let statistics = Self { guard };
        fs::write(switch, format!("{value}\n")).with_context(|| format!("cannot write {}", switch.display()))?;
        Ok(statistics)
    }
}

impl Drop for BpfStatistics {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_value_comes_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let switch = directory.path().join("switch");
        fs::write(&switch, "0\n").expect("write");
        let on = BpfStatistics::set(&switch, "1").expect("switched on");
        assert_eq!(fs::read_to_string(&switch).expect("read"), "1\n");
        drop(on);
        assert_eq!(fs::read_to_string(&switch).expect("read"), "0\n");
    }
}
