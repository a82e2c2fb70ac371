//! The report, which goes line by line over a serial line of its own to the host; `xtask` reads it
//! (`xtask/src/vm/matrix/outcome.rs`):
//!
//! ```text
//! kernel RELEASE
//! doctor JSON
//! begun FILE::TEST
//! passed MILLISECONDS FILE::TEST
//! failed MILLISECONDS FILE::TEST
//! impossible MILLISECONDS FILE::TEST
//! | more on the test before
//! without a part of the test before, and why
//! end NUMBER_OF_TESTS
//! ```

use anyhow::{Context as _, Result};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TestVerdict {
    /// Without these parts, which the kernel cannot do.
    Passed { without: Vec<String> },
    /// With the output of the test.
    Failed(String),
    /// The kernel cannot do it, for these reasons.
    NotPossible(Vec<String>),
}

pub(crate) struct TestReport(File);

impl TestReport {
    /// Opens the serial line by the name of its device.
    pub(crate) fn open(device: &str) -> Result<Self> {
        let line = Path::new("/dev").join(device);
        OpenOptions::new().write(true).open(&line).map(Self).with_context(|| line.display().to_string())
    }

    /// Writes one line.
    pub(crate) fn say(&mut self, verb: &str, text: &str) -> Result<()> {
        writeln!(self.0, "{verb} {text}").context("cannot report")
    }

    /// Writes the result of a test.
    pub(crate) fn test(&mut self, name: &str, took: Duration, verdict: &TestVerdict) -> Result<()> {
        let millis = took.as_millis();
        match verdict {
            TestVerdict::Passed { without } => {
                self.say("passed", &format!("{millis} {name}"))?;
                without.iter().try_for_each(|part| self.say("without", part))
            }
            TestVerdict::Failed(said) => {
                self.say("failed", &format!("{millis} {name}"))?;
                said.lines().try_for_each(|line| self.say("|", line))
            }
            TestVerdict::NotPossible(why) => {
                self.say("impossible", &format!("{millis} {name}"))?;
                why.iter().try_for_each(|why| self.say("|", why))
            }
        }
    }
}

/// Writes an error that could not be reported to the console. Returns the exit status.
pub(crate) fn to_console(error: &anyhow::Error) -> u8 {
    let _ = writeln!(io::stderr(), "{error:?}");
    1
}
