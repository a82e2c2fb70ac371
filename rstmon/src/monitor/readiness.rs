//! Whether resets are being counted and events delivered right now, as far as the last reading of the counts and the
//! last check of the event path show.

use crate::{metrics::trend, sync::lock};
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// How often the counts are read without a scrape, so that the count map does not stay full and every step of the
/// trends gets a reading.
pub(super) const READ_INTERVAL: Duration = trend::STEP;
/// A step of a round that takes longer is reported in the log.
pub(super) const LATE: Duration = Duration::from_secs(5);
/// Both happen once in a [`READ_INTERVAL`]; one that is late for longer than [`LATE`] hangs.
const FRESH: Duration = READ_INTERVAL.saturating_add(LATE);

/// When something that is repeated was last done.
#[derive(Debug)]
pub(crate) struct LastDone {
    what: &'static str,
    at: Mutex<Instant>,
    /// Why the last try failed, if it did.
    failure: Mutex<Option<String>>,
}

impl LastDone {
    /// Counts as done now.
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, at: Mutex::new(Instant::now()), failure: Mutex::default() }
    }

    pub(crate) fn done(&self) {
        *lock(&self.at) = Instant::now();
        *lock(&self.failure) = None;
    }

    pub(crate) fn failed(&self, error: &impl ToString) {
        *lock(&self.failure) = Some(error.to_string());
    }

    /// What is wrong at this time, in words for an operator.
    pub(crate) fn complaint(&self, now: Instant) -> Option<String> {
        let what = self.what;
        if let Some(failure) = &*lock(&self.failure) {
            return Some(format!("{what} failed: {failure}"));
        }
        let age = now.saturating_duration_since(*lock(&self.at));
        (age > FRESH).then(|| format!("{what} has not succeeded for {} s", age.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_or_fails_is_named_until_it_works_again() {
        let last = LastDone::new("reading the counts");
        let complaint = |after| last.complaint(Instant::now() + after);
        assert_eq!(complaint(Duration::ZERO), None);
        assert_eq!(complaint(READ_INTERVAL), None);
        assert_eq!(complaint(FRESH + LATE).as_deref(), Some("reading the counts has not succeeded for 15 s"));
        last.failed(&"the map is gone");
        assert_eq!(complaint(Duration::ZERO).as_deref(), Some("reading the counts failed: the map is gone"));
        last.done();
        assert_eq!(complaint(Duration::ZERO), None);
    }
}
