//! What was provoked against what was counted, from one moment to another.
//!
//! Sent: the kernel's `OutRsts` of the namespaces that the load is in is the truth. Received: the processes' own errors
//! are, for the kernel has no counter of these. Resets of others on this host are told apart as far as they can be: sent
//! by the host's own `OutRsts`, received by the names of their processes.

use crate::{field::OURS, load::Totals};
use anyhow::Result;
use rstmon_tests::{
    metrics::Metrics,
    netns::Place,
    scene::Watch,
    wait::{self, SOON},
    watched::RESETS,
};

/// Label value of what was folded away: nobody's name.
const FOLDED: &str = "_other";

/// Resets of each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Both {
    /// Sent.
    pub(crate) sent: u64,
    /// Received.
    pub(crate) received: u64,
}

/// Events that were not seen, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The ring was full.
    pub(crate) ring_full: u64,
    /// The limit of a key was reached.
    pub(crate) rate_limited: u64,
    /// A subscriber did not keep up, summed over all of them.
    pub(crate) slow_subscriber: u64,
}

/// An account that is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// What there was.
    pub(crate) provoked: Both,
    /// What rstmon counted.
    pub(crate) counted: Both,
    /// Events lost.
    pub(crate) lost: Lost,
    /// Resets of everybody, others' included: as many events were offered.
    pub(crate) everybody: u64,
    /// Counts that kept only direction and reason.
    pub(crate) overflow: u64,
    /// What rstmon itself says is missing (`rstmon_uncounted_resets`), without sign.
    pub(crate) uncounted: u64,
    /// Runs of the two counting hooks that the kernel left out, and says so.
    pub(crate) missed: u64,
}

impl Account {
    /// How far the counts are off, up or down.
    pub(crate) fn difference(&self) -> u64 {
        self.provoked.sent.abs_diff(self.counted.sent) + self.provoked.received.abs_diff(self.counted.received)
    }

    /// Adds another daemon's account of the same scenario.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, one) in [(&mut self.provoked, other.provoked), (&mut self.counted, other.counted)] {
            sum.sent += one.sent;
            sum.received += one.received;
        }
        self.lost.ring_full += other.lost.ring_full;
        self.lost.rate_limited += other.lost.rate_limited;
        self.lost.slow_subscriber += other.lost.slow_subscriber;
        self.everybody += other.everybody;
        self.overflow += other.overflow;
        self.uncounted += other.uncounted;
        self.missed += other.missed;
    }
}

/// An account that is open.
pub(crate) struct Ledger {
    field: Watch,
    host: Watch,
    before: Metrics,
}

impl Ledger {
    /// Begins; nothing may be provoked at this moment.
    pub(crate) fn open(place: &Place, mut scrape: impl FnMut() -> Result<Metrics>) -> Result<Self> {
        // Read until nothing moves: what is held back for a moment belongs to the time before.
        let mut before = scrape()?;
        wait::until_true("the counts to settle", SOON, || {
            wait::pause_for_settling();
            let last = std::mem::replace(&mut before, scrape()?);
            Ok(totals(&last) == totals(&before))
        })?;
        Ok(Self { field: Watch::on(place)?, host: Watch::on(&Place::Host)?, before })
    }

    /// Ends, when nothing is provoked any more. What is not yet counted is waited for; what is too much stays.
    pub(crate) fn close(&self, done: &Totals, mut scrape: impl FnMut() -> Result<Metrics>) -> Result<Account> {
        let mut account = self.look(done, &scrape()?)?;
        let _ = wait::until_true("the counts to agree", SOON, || {
            account = self.look(done, &scrape()?)?;
            Ok(account.difference() == 0 && account.uncounted == 0)
        });
        // And once more: what comes late must not be one too many.
        wait::pause_for_settling();
        self.look(done, &scrape()?)
    }

    fn look(&self, done: &Totals, now: &Metrics) -> Result<Account> {
        let (others, field) = (self.host.growth()?.get("OutRsts"), self.field.growth()?.get("OutRsts"));
        let grown = |labels: &[(&str, &str)]| growth(now, &self.before, RESETS, labels);
        let foreign = foreign(now).saturating_sub(foreign(&self.before));
        let lost = |why| growth(now, &self.before, "rstmon_events_lost_total", &[("why", why)]);
        Ok(Account {
            provoked: Both { sent: field + done.sent_elsewhere, received: done.received },
            counted: Both {
                sent: grown(&[("direction", "sent")]).saturating_sub(others),
                received: grown(&[("direction", "received")]).saturating_sub(foreign),
            },
            lost: Lost {
                ring_full: lost("ring_full"),
                rate_limited: lost("rate_limited"),
                slow_subscriber: lost("slow_subscriber"),
            },
            everybody: grown(&[]),
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

/// Resets that processes received whose name is known and none of ours. One without an owner is ours: others have names.
/// So is one whose name was folded away: the suite itself must not receive any.
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
    fn a_difference_is_one_whichever_way() {
        let account = |sent, received| Account {
            provoked: Both { sent: 10, received: 10 },
            counted: Both { sent, received },
            ..Account::default()
        };
        assert_eq!([account(10, 10), account(9, 11), account(12, 10)].map(|one| one.difference()), [0, 2, 2]);
    }

    #[test]
    fn resets_of_others_are_told_by_their_names() {
        let text = "rstmon_resets_total{direction=\"received\",process=\"st-storm4\"} 5\n\
                    rstmon_resets_total{direction=\"received\",process=\"curl\"} 3\n\
                    rstmon_resets_total{direction=\"received\",process=\"_other\"} 7\n\
                    rstmon_resets_total{direction=\"received\",process=\"\"} 2\n";
        assert_eq!(foreign(&Metrics::parse(text).expect("well-formed")), 3);
    }
}
