//! How often and for how long to measure.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds of each configuration.
    pub(crate) rounds: u32,
    /// A fifth of the time and of the connections, to see that everything works.
    pub(crate) quick: bool,
}

impl Effort {
    /// How long to measure what takes `seconds` in a full run.
    pub(crate) fn seconds(self, seconds: u32) -> Duration {
        Duration::from_secs(seconds.into()) / if self.quick { 5 } else { 1 }
    }

    /// How many connections or scrapes to make where a full run makes `count`.
    pub(crate) fn count(self, count: u32) -> u32 {
        if self.quick { count / 5 } else { count }
    }

    /// Rounds of a section that needs no more than `most`.
    pub(crate) fn at_most(self, most: u32) -> u32 {
        self.rounds.min(most)
    }
}
