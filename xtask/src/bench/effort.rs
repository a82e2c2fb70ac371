//! How thoroughly to measure.

use std::{path::PathBuf, time::Duration};

/// What is measured, how often and for how long.
#[derive(Clone, Debug)]
pub(super) struct Effort {
    /// rstmon.
    pub(super) binary: PathBuf,
    /// Rounds of each configuration.
    pub(super) rounds: u32,
    /// Only to see that everything works: a fifth of the time.
    pub(super) quick: bool,
}

impl Effort {
    /// How long something is measured that takes `seconds`.
    pub(super) fn seconds(&self, seconds: u32) -> Duration {
        Duration::from_secs(seconds.into()) / if self.quick { 5 } else { 1 }
    }

    /// How many of something are made.
    pub(super) fn count(&self, count: u32) -> u32 {
        if self.quick { count / 5 } else { count }
    }

    /// Rounds of something of which `most` say enough.
    pub(super) fn at_most(&self, most: u32) -> u32 {
        self.rounds.min(most)
    }
}
