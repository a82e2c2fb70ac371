//! What came out of a scenario.

use crate::ledger::Account;
use anyhow::Result;
use rstmon_tests::vitals::Vitals;
use std::time::{Duration, Instant};

/// How much resident memory may grow after the warm-up: the allocator keeps room for answers that are written to
/// several scrapers at once.
pub(crate) const MOST_GROWTH_KIB: u64 = 8 * 1024;
/// Threads that a daemon may have: its own five and the pool's eight.
pub(crate) const MOST_THREADS: u64 = 13;
/// Descriptors that may be added: the store's segment of counts, which the first minute opens, and while a segment is
/// closed its file, the new one and the lines that are read back.
pub(crate) const MOST_NEW_DESCRIPTORS: u64 = 4;

/// Resources of a daemon at the beginning and at the end of a scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// After the warm-up.
    pub(crate) before: Vitals,
    /// Before it is stopped.
    pub(crate) after: Vitals,
}

impl Held {
    /// One for each resource that has grown too much.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let Self { before, after } = self;
        let mut complaints = Vec::new();
        if after.resident_kib > before.resident_kib + MOST_GROWTH_KIB {
            complaints.push(format!("memory grew from {} to {} KiB", before.resident_kib, after.resident_kib));
        }
        if after.descriptors > before.descriptors + MOST_NEW_DESCRIPTORS {
            complaints.push(format!("descriptors grew from {} to {}", before.descriptors, after.descriptors));
        }
        if after.threads > MOST_THREADS {
            complaints.push(format!("{} threads, allowed are {MOST_THREADS}", after.threads));
        }
        complaints
    }
}

/// What a scenario has measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScenarioFinding {
    pub(crate) account: Account,
    /// Faults that were injected, and how often.
    pub(crate) faults: Vec<(&'static str, u64)>,
    /// `None` for a scenario with several daemons.
    pub(crate) held: Option<Held>,
    /// More for the report.
    pub(crate) notes: Vec<String>,
    /// Failed checks: the scenario passes without any.
    pub(crate) complaints: Vec<String>,
}

impl ScenarioFinding {
    pub(crate) fn with_faults(mut self, faults: &[(&'static str, u64)]) -> Self {
        self.faults.extend_from_slice(faults);
        self
    }

    pub(crate) fn with_note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// Adds a complaint unless the check holds.
    pub(crate) fn demand(mut self, holds: bool, complaint: impl FnOnce() -> String) -> Self {
        if !holds {
            self.complaints.push(complaint());
        }
        self
    }
}

/// The result of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct ScenarioOutcome {
    pub(crate) name: &'static str,
    /// One line of description.
    pub(crate) what: &'static str,
    pub(crate) took: Duration,
    /// As far as the scenario got.
    pub(crate) finding: ScenarioFinding,
}

impl ScenarioOutcome {
    /// Adds the checks that every account has to pass.
    pub(crate) fn of(name: &'static str, what: &'static str, started: Instant, found: Result<ScenarioFinding>) -> Self {
        let mut finding = found.unwrap_or_else(|error| ScenarioFinding {
            complaints: vec![format!("it broke off: {error:#}")],
            ..ScenarioFinding::default()
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

    /// Whether every check passed.
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
        let finding = ScenarioFinding { account, ..ScenarioFinding::default() };
        assert!(!ScenarioOutcome::of("x", "", Instant::now(), Ok(finding)).is_clean());
        assert!(ScenarioOutcome::of("x", "", Instant::now(), Ok(ScenarioFinding::default())).is_clean());
        assert!(!ScenarioOutcome::of("x", "", Instant::now(), Err(anyhow::anyhow!("y"))).is_clean());
    }

    #[test]
    fn growth_is_a_complaint() {
        let before = Vitals { resident_kib: 1000, descriptors: 20, threads: 5 };
        assert!(Held { before, after: before }.complaints().is_empty());
        let after = Vitals {
            resident_kib: 1001 + MOST_GROWTH_KIB,
            descriptors: 21 + MOST_NEW_DESCRIPTORS,
            threads: MOST_THREADS + 1,
        };
        assert_eq!(Held { before, after }.complaints().len(), 3);
    }
}
