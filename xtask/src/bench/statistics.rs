//! The kernel's BPF run-time statistics, switched on for a while.

use crate::workspace;
use anyhow::Context as _;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Waits for the end of its input, then puts the old value back. A process of its own, deaf to Ctrl-C, so that the
/// switch is put back even when this one is killed.
const GUARD: &str = "trap '' INT TERM HUP; cat >/dev/null; printf '%s\\n' \"$1\" >\"$2\"";

/// Keeps the statistics on; the switch is back where it was when this is dropped.
#[derive(Debug)]
pub(super) struct Statistics {
    guard: Child,
}

impl Statistics {
    /// Switches them on.
    pub(super) fn enable() -> anyhow::Result<Self> {
        Self::set(Path::new(SWITCH), "1")
    }

    fn set(switch: &Path, value: &str) -> anyhow::Result<Self> {
        let before = workspace::read_text(switch)?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh", before.trim()])
            .arg(switch)
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start sh")?;
        let statistics = Self { guard };
        workspace::write(switch, format!("{value}\n"))?;
        Ok(statistics)
    }
}

impl Drop for Statistics {
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
        let dir = tempfile::tempdir().expect("temporary directory");
        let switch = dir.path().join("switch");
        workspace::write(&switch, "0\n").expect("write");
        let on = Statistics::set(&switch, "1").expect("switched on");
        assert_eq!(workspace::read_text(&switch).expect("read"), "1\n");
        drop(on);
        assert_eq!(workspace::read_text(&switch).expect("read"), "0\n");
    }
}
