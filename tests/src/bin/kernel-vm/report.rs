//! What is said to the world outside of the virtual machine, line by line over a serial line of its own; `xtask` reads
//! it (`xtask/src/vm/matrix/outcome.rs`):
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

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should, but for these parts.
    Passed { without: Vec<String> },
    /// Otherwise; what it said.
    Failed(String),
    /// This kernel cannot do it.
    NotPossible(Vec<String>),
}

/// The way out.
pub(crate) struct Report(File);

impl Report {
    /// Opens the serial line, by the name of its device.
    pub(crate) fn open(device: &str) -> Result<Self> {
        let line = Path::new("/dev").join(device);
        OpenOptions::new().write(true).open(&line).map(Self).with_context(|| line.display().to_string())
    }

    /// Says one thing.
    pub(crate) fn say(&mut self, verb: &str, text: &str) -> Result<()> {
        writeln!(self.0, "{verb} {text}").context("cannot report")
    }

    /// Says how a test went.
    pub(crate) fn test(&mut self, name: &str, took: Duration, verdict: &Verdict) -> Result<()> {
        let millis = took.as_millis();
        match verdict {
            Verdict::Passed { without } => {
                self.say("passed", &format!("{millis} {name}"))?;
                without.iter().try_for_each(|part| self.say("without", part))
            }
            Verdict::Failed(said) => {
                self.say("failed", &format!("{millis} {name}"))?;
                said.lines().try_for_each(|line| self.say("|", line))
            }
            Verdict::NotPossible(why) => {
                self.say("impossible", &format!("{millis} {name}"))?;
                why.iter().try_for_each(|why| self.say("|", why))
            }
        }
    }
}

/// Where to tell what could not be reported: the console. Returns the exit status.
pub(crate) fn last_words(error: &anyhow::Error) -> u8 {
    let _ = writeln!(io::stderr(), "{error:?}");
    1
}
