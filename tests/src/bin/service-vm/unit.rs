//! A unit: its state according to systemd.

use crate::system::{done, text, tool};
use anyhow::{Context as _, Result};
use rstmon_tests::wait;
use std::time::Duration;

/// Lines of the journal that are shown of a unit in trouble.
const JOURNAL_LINES: &str = "25";

/// A unit by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit(pub(crate) &'static str);

/// The main process of a unit, and the number of restarts before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MainProcess {
    pub(crate) pid: i32,
    pub(crate) restarts: u32,
}

impl Unit {
    /// A property, as `systemctl show` prints it.
    pub(crate) fn property(self, name: &str) -> Result<String> {
        Ok(done(&["systemctl", "show", self.0, "--value", &format!("--property={name}")])?.trim().to_owned())
    }

    /// Whether it is active, and no job of it is pending.
    pub(crate) fn is_active(self) -> Result<bool> {
        Ok(self.property("ActiveState")? == "active")
    }

    pub(crate) fn main_process(self) -> Result<MainProcess> {
        let pid = self.property("MainPID")?.parse().context("MainPID")?;
        let restarts = self.property("NRestarts")?.parse().context("NRestarts")?;
        Ok(MainProcess { pid, restarts })
    }

    /// Waits until systemd has started it anew, once, after `before`.
    pub(crate) fn await_restart(self, before: MainProcess, patience: Duration) -> Result<MainProcess> {
        wait::until("systemd to start it again", patience, || {
            let now = self.main_process()?;
            let new = now.pid != 0 && now.pid != before.pid && now.restarts == before.restarts + 1;
            Ok((new && self.is_active()?).then_some(now))
        })
    }

    /// The end of its journal.
    pub(crate) fn journal(self) -> String {
        let words =
            ["journalctl", "--no-pager", "--output=short-monotonic", "--lines", JOURNAL_LINES, "--unit", self.0];
        tool(&words).map_or_else(|error| format!("{error:#}"), |output| text(&output.stdout))
    }

    /// Whether its journal contains `what`, anywhere.
    pub(crate) fn journal_has(self, what: &str) -> Result<bool> {
        let words = ["journalctl", "--no-pager", "--output=cat", "--quiet", "--unit", self.0];
        Ok(done(&words)?.contains(what))
    }
}
