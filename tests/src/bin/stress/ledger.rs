//! Provoked resets compared with counted ones, from one moment to another.
//!
//! The kernel's `OutRsts` of the load's namespaces says how many were sent. The errors of the load's processes say how
//! many were received, since the kernel has no counter of these. Resets of other programs on this host are subtracted
//! as far as they can be distinguished: sent ones by the host's own `OutRsts`, received ones by the names of their
//! processes.

use crate::{load::Totals, testbed::OURS};
use anyhow::Result;
use rstmon_tests::{
    metrics::Metrics,
    netns::NetworkPlace,
    scene::Watch,
    wait::{self, SOON},
    watched::RESETS,
};

/// Label value of series that were folded: not the name of a process.
const FOLDED: &str = "_other";

/// Resets by direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Both {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// Lost events by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) ring_full: u64,
    pub(crate) rate_limited: u64,
    /// The sum over all subscribers.
    pub(crate) slow_subscriber: u64,
}

/// The result of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) provoked: Both,
    pub(crate) counted: Both,
    pub(crate) lost: Lost,
    /// All resets that rstmon counted, other programs' included: each of them was offered as an event.
    pub(crate) all_resets: u64,
    /// Resets that were counted by direction and reason only (`rstmon_count_overflow_total`).
    pub(crate) overflow: u64,
    /// Absolute value of `rstmon_uncounted_resets`.
    pub(crate) uncounted: u64,
    /// Runs of the two counting hooks that the kernel skipped (`rstmon_probe_missed_runs_total`).
    pub(crate) missed: u64,
}

impl Account {
    /// How far the counts are off, in either direction.
    pub(crate) fn difference(&self) -> u64 {
        self.provoked.sent.abs_diff(self.counted.sent) + self.provoked.received.abs_diff(self.counted.received)
    }

    /// Adds the account of another daemon of the same scenario.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, one) in [(&mut self.provoked, other.provoked), (&mut self.counted, other.counted)] {
            sum.sent += one.sent;
            sum.received += one.received;
        }
        self.lost.ring_full += other.lost.ring_full;
        self.lost.rate_limited += other.lost.rate_limited;
        self.lost.slow_subscriber += other.lost.slow_subscriber;
        self.all_resets += other.all_resets;
        self.overflow += other.overflow;
        self.uncounted += other.uncounted;
        self.missed += other.missed;
    }
}

/// A comparison that has begun.
pub(crate) struct Ledger {
    testbed: Watch,
    host: Watch,
    before: Metrics,
}

impl Ledger {
    /// Begins a comparison; no reset may be provoked meanwhile.
    pub(crate) fn open(place: &NetworkPlace, mut scrape: impl FnMut() -> Result<Metrics>) -> Result<Self> {
        // Until the counts stand still: received resets that wait for their verdict belong to the time before.
        let mut before = scrape()?;
        wait::until_true("the counts to settle", SOON, || {
            wait::pause_for_settling();
            let last = std::mem::replace(&mut before, scrape()?);
            Ok(totals(&last) == totals(&before))
        })?;
        Ok(Self { testbed: Watch::on(place)?, host: Watch::on(&NetworkPlace::Host)?, before })
    }

    /// Ends the comparison, once no more resets are provoked. Waits for resets that are not counted yet.
    pub(crate) fn close(&self, done: &Totals, mut scrape: impl FnMut() -> Result<Metrics>) -> Result<Account> {
        let mut account = self.look(done, &scrape()?)?;
        let _ = wait::until_true("the counts to agree", SOON, || {
            account = self.look(done, &scrape()?)?;
            Ok(account.difference() == 0 && account.uncounted == 0)
        });
        // Once more after a while, so that a reset that is counted twice shows.
        wait::pause_for_settling();
        self.look(done, &scrape()?)
    }

    fn look(&self, done: &Totals, now: &Metrics) -> Result<Account> {
        let (others, sent) = (self.host.growth()?.get("OutRsts"), self.testbed.growth()?.get("OutRsts"));
        let grown = |labels: &[(&str, &str)]| growth(now, &self.before, RESETS, labels);
        let foreign = foreign(now).saturating_sub(foreign(&self.before));
        let lost = |why| growth(now, &self.before, "rstmon_events_lost_total", &[("why", why)]);
        Ok(Account {
            provoked: Both { sent: sent + done.sent_elsewhere, received: done.received },
            counted: Both {
                sent: grown(&[("direction", "sent")]).saturating_sub(others),
                received: grown(&[("direction", "received")]).saturating_sub(foreign),
            },
            lost: Lost {
                ring_full: lost("ring_full"),
                rate_limited: lost("rate_limited"),
                slow_subscriber: lost("slow_subscriber"),
            },
            all_resets: grown(&[]),
            overflow: growth(now, &self.before, "rstmon_count_overflow_total", &[]),
            missed: ["tcp_send_reset", "tcp_receive_reset"]
                .map(|hook| growth(now, &self.before, "rstmon_probe_missed_runs_total", &[("hook", hook)]))
                .iter()
                .sum(),
            uncounted: format!("{:.0}", now.sum("rstmon_uncounted_resets", &[]).abs()).parse()?,
        })
    }
}

fn totals(metrics: &Metrics) -> [u64; 2] {
    ["sent", "received"].map(|way| metrics.count(RESETS, &[("direction", way)]))
}

fn growth(now: &Metrics, before: &Metrics, name: &str, labels: &[(&str, &str)]) -> u64 {
    now.count(name, labels).saturating_sub(before.count(name, labels))
}

/// Resets that were received by processes of other names than the suite's. A reset without an owner counts as the
/// suite's, and so does one whose name was folded.
fn foreign(metrics: &Metrics) -> u64 {
    let received = metrics.select(RESETS, &[("direction", "received")]);
    let foreign = received.filter(|sample| {
        sample.labels.get("process").is_some_and(|name| !name.is_empty() && name != FOLDED && !name.starts_with(OURS))
    });
    let sum: f64 = foreign.map(|sample| sample.value).sum();
    format!("{:.0}", sum.abs()).parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_in_either_direction() {
        let account = |sent, received| Account {
            provoked: Both { sent: 10, received: 10 },
            counted: Both { sent, received },
            ..Account::default()
        };
        assert_eq!([account(10, 10), account(9, 11), account(12, 10)].map(|one| one.difference()), [0, 2, 2]);
    }

    #[test]
    fn resets_of_other_programs_are_recognised_by_name() {
        let text = "rstmon_resets_total{direction=\"received\",process=\"st-storm4\"} 5\n\
                    rstmon_resets_total{direction=\"received\",process=\"curl\"} 3\n\
                    rstmon_resets_total{direction=\"received\",process=\"_other\"} 7\n\
                    rstmon_resets_total{direction=\"received\",process=\"\"} 2\n";
        assert_eq!(foreign(&Metrics::parse(text).expect("well-formed")), 3);
    }
}
