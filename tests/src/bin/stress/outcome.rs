//! What came out of a scenario.

use crate::ledger::Account;
use anyhow::Result;
use rstmon_tests::vitals::Vitals;
use std::time::{Duration, Instant};

/// How much resident memory may grow after the warm-up: the allocator keeps room for answers that are written to several
/// scrapers at once.
pub(crate) const MOST_GROWTH_KIB: u64 = 8 * 1024;
/// Threads that a daemon may have: its own three and the pool's eight.
pub(crate) const MOST_THREADS: u64 = 11;

/// What a daemon took before and after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// Once it was warm.
    pub(crate) before: Vitals,
    /// At the end.
    pub(crate) after: Vitals,
}

impl Held {
    /// What has grown that must not.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let Self { before, after } = self;
        let mut complaints = Vec::new();
        if after.resident_kib > before.resident_kib + MOST_GROWTH_KIB {
            complaints.push(format!("memory grew from {} to {} KiB", before.resident_kib, after.resident_kib));
        }
        if after.descriptors > before.descriptors {
            complaints.push(format!("descriptors grew from {} to {}", before.descriptors, after.descriptors));
        }
        if after.threads > MOST_THREADS {
            complaints.push(format!("{} threads, allowed are {MOST_THREADS}", after.threads));
        }
        complaints
    }
}

/// What a scenario has found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finding {
    /// The resets.
    pub(crate) account: Account,
    /// What was done to the daemon, and how often.
    pub(crate) faults: Vec<(&'static str, u64)>,
    /// What it took, where there is one daemon to be asked.
    pub(crate) held: Option<Held>,
    /// What is worth knowing besides.
    pub(crate) notes: Vec<String>,
    /// What must not be.
    pub(crate) complaints: Vec<String>,
}

impl Finding {
    /// Notes faults.
    pub(crate) fn with_faults(mut self, faults: &[(&'static str, u64)]) -> Self {
        self.faults.extend_from_slice(faults);
        self
    }

    /// Notes something.
    pub(crate) fn with_note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// Complains unless it is so.
    pub(crate) fn demand(mut self, so: bool, complaint: impl FnOnce() -> String) -> Self {
        if !so {
            self.complaints.push(complaint());
        }
        self
    }
}

/// A scenario that was played.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) what: &'static str,
    /// How long it took.
    pub(crate) took: Duration,
    /// What it found, as far as it got.
    pub(crate) finding: Finding,
}

impl Outcome {
    /// Adds what every account must fulfil.
    pub(crate) fn of(name: &'static str, what: &'static str, started: Instant, found: Result<Finding>) -> Self {
        let mut finding = found.unwrap_or_else(|error| Finding {
            complaints: vec![format!("it broke off: {error:#}")],
            ..Finding::default()
        });
        let account = finding.account;
        if account.difference() > 0 {
            finding.complaints.push(format!(
                "provoked {:?}, counted {:?}, runs missed: {}",
                account.provoked, account.counted, account.missed
            ));
        }
        if account.uncounted > 0 {
            finding.complaints.push(format!("rstmon_uncounted_resets is off by {}", account.uncounted));
        }
        Self { name, what, took: started.elapsed(), finding }
    }

    /// Whether there is nothing to complain about.
    pub(crate) fn is_clean(&self) -> bool {
        self.finding.complaints.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Both;

    #[test]
    fn a_difference_is_a_complaint() {
        let account = Account { provoked: Both { sent: 3, received: 3 }, ..Account::default() };
        let finding = Finding { account, ..Finding::default() };
        assert!(!Outcome::of("x", "", Instant::now(), Ok(finding)).is_clean());
        assert!(Outcome::of("x", "", Instant::now(), Ok(Finding::default())).is_clean());
        assert!(!Outcome::of("x", "", Instant::now(), Err(anyhow::anyhow!("y"))).is_clean());
    }

    #[test]
    fn what_grows_is_a_complaint() {
        let before = Vitals { resident_kib: 1000, descriptors: 20, threads: 5 };
        assert!(Held { before, after: before }.complaints().is_empty());
        let after = Vitals { resident_kib: 1001 + MOST_GROWTH_KIB, descriptors: 21, threads: MOST_THREADS + 1 };
        assert_eq!(Held { before, after }.complaints().len(), 3);
    }
}
