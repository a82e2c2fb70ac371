//! The report, which goes line by line over the second serial line to the host; `xtask` reads it
//! (`xtask/src/vm/service/report.rs`):
//!
//! ```text
//! passed MILLISECONDS NAME
//! failed MILLISECONDS NAME
//! | more on the check before
//! end NUMBER_OF_CHECKS
//! ```

use anyhow::{Context as _, Result, anyhow};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

const LINE: &str = "/dev/ttyS1";

pub(crate) struct CheckReport(File);

impl CheckReport {
    /// Opens the serial line.
    pub(crate) fn open() -> Result<Self> {
        OpenOptions::new().write(true).open(LINE).map(Self).context(LINE)
    }

    /// Runs a check and writes its result.
    pub(crate) fn check(&mut self, name: &str, run: impl FnOnce() -> Result<()>) -> io::Result<bool> {
        let started = Instant::now();
        // A check that panics has failed; the checks after it examine the system themselves.
        let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(anyhow!("panicked, see above")));
        let millis = started.elapsed().as_millis();
        let verdict = if result.is_ok() { "passed" } else { "failed" };
        writeln!(self.0, "{verdict} {millis} {name}")?;
        if let Err(error) = &result {
            self.detail(&format!("{error:?}"))?;
        }
        Ok(result.is_ok())
    }

    /// Writes more on the check before.
    pub(crate) fn detail(&mut self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| writeln!(self.0, "| {line}"))
    }

    /// Ends the report.
    pub(crate) fn end(&mut self, checks: usize) -> io::Result<()> {
        writeln!(self.0, "end {checks}")
    }
}

/// Writes an error that could not be reported to standard error, which is the same serial line. Returns the exit
/// status.
pub(crate) fn to_console(error: &anyhow::Error) -> u8 {
    let _ = writeln!(io::stderr(), "{error:?}");
    1
}
