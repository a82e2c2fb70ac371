//! Sums of the counts to growth by minute, and minutes to ten minutes. Pure.

use super::line::{CountKind, CountRow, CountsLine};
use crate::{
    event::EVENT_SCHEMA,
    metrics::{Series, is_reserved},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Length of a span after minutes were added up.
pub(super) const COARSE_SECONDS: i64 = 600;

/// A reading of the counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountReading {
    /// The exact sums since counting began.
    pub(crate) sums: Vec<(Series, u64)>,
    /// Events that the kernel half lost since the start, by the reason.
    pub(crate) lost: Vec<(&'static str, u64)>,
}

/// The sums that were stored last.
#[derive(Debug, Default)]
pub(super) struct CountGrowth {
    stored: BTreeMap<CountKind, u64>,
}

/// Sums by what the store distinguishes; the rest is added up.
pub(super) fn by_kind(sums: &[(Series, u64)]) -> BTreeMap<CountKind, u64> {
    let mut by_kind = BTreeMap::new();
    for (series, sum) in sums {
        let Series { direction, cause, severity, reason: _, process, unit, container: _, port, family: _ } = series;
        let kind = CountKind {
            direction: direction.as_str().to_owned(),
            cause: cause.to_string(),
            severity: (*severity).to_owned(),
            process: process.to_string(),
            unit: unit.to_string(),
            port: *port,
        };
        *by_kind.entry(kind).or_default() += sum;
    }
    by_kind
}

impl CountGrowth {
    /// What has grown since the last [`store`](Self::store).
    ///
    /// A series whose sum was moved into another one to save memory shrinks, and the other grows by as much: that is no
    /// reset. The other one is of the same direction, and its process is a reserved name.
    pub(super) fn since_stored(&self, sums: &BTreeMap<CountKind, u64>) -> Vec<CountRow> {
        let mut moved: BTreeMap<&str, u64> = BTreeMap::new();
        for (kind, before) in &self.stored {
            let now = sums.get(kind).copied().unwrap_or(0);
            *moved.entry(&kind.direction).or_default() += before.saturating_sub(now);
        }
        let growth = |kind: &CountKind, sum: u64| sum.saturating_sub(self.stored.get(kind).copied().unwrap_or(0));
        let mut rows = Vec::new();
        for (kind, &sum) in sums {
            let mut count = growth(kind, sum);
            if is_reserved(&kind.process)
                && let Some(moved) = moved.get_mut(kind.direction.as_str())
            {
                let not_new = count.min(*moved);
                *moved -= not_new;
                count -= not_new;
            }
            if count > 0 {
                rows.push(CountRow { kind: kind.clone(), count });
            }
        }
        rows
    }

    /// The sums are on disk.
    pub(super) fn store(&mut self, sums: BTreeMap<CountKind, u64>) {
        self.stored = sums;
    }
}

/// Adds up the lines of each ten minutes. Lines come in the order in which they were written.
#[derive(Debug, Default)]
pub(super) struct Coarsener {
    /// End of the ten minutes that are being added up, and their sums.
    open: Option<(i64, u64, BTreeMap<CountKind, u64>)>,
}

impl Coarsener {
    /// Takes a line, and returns the sum of the ten minutes before it if it belongs to others.
    pub(super) fn push(&mut self, line: CountsLine) -> Option<CountsLine> {
        let second = line.time.as_second();
        // A line at 03:10:00 is of the ten minutes that end then.
        let end = second.saturating_sub(1).div_euclid(COARSE_SECONDS).saturating_add(1).saturating_mul(COARSE_SECONDS);
        let finished = if self.open.as_ref().is_some_and(|(open, ..)| *open != end) { self.finish() } else { None };
        let (_, seconds, rows) = self.open.get_or_insert_with(|| (end, 0, BTreeMap::new()));
        *seconds = seconds.saturating_add(line.seconds);
        for CountRow { kind, count } in line.counts {
            let sum = rows.entry(kind).or_default();
            *sum = sum.saturating_add(count);
        }
        finished
    }

    /// The sum of what was pushed last.
    pub(super) fn finish(&mut self) -> Option<CountsLine> {
        let (end, seconds, rows) = self.open.take()?;
        let time = Timestamp::from_second(end).ok()?;
        let counts = rows.into_iter().map(|(kind, count)| CountRow { kind, count }).collect();
        Some(CountsLine { schema: EVENT_SCHEMA, time, seconds, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::{Coarsener, CountGrowth, CountKind, CountRow, CountsLine};
    use std::collections::BTreeMap;

    fn kind(process: &str) -> CountKind {
        CountKind {
            direction: "sent".to_owned(),
            cause: "refused".to_owned(),
            severity: "notice".to_owned(),
            process: process.to_owned(),
            unit: String::new(),
            port: Some(80),
        }
    }

    fn sums(sums: &[(&str, u64)]) -> BTreeMap<CountKind, u64> {
        sums.iter().map(|(process, sum)| (kind(process), *sum)).collect()
    }

    fn growth(growth: &CountGrowth, now: &[(&str, u64)]) -> Vec<(String, u64)> {
        growth.since_stored(&sums(now)).into_iter().map(|row| (row.kind.process, row.count)).collect()
    }

    #[test]
    fn only_growth_since_the_last_stored_sums_is_stored() {
        let mut stored = CountGrowth::default();
        assert_eq!(growth(&stored, &[("java", 3)]), [("java".to_owned(), 3)]);
        stored.store(sums(&[("java", 3)]));
        assert_eq!(growth(&stored, &[("java", 3)]), []);
        assert_eq!(growth(&stored, &[("java", 5), ("nginx", 1)]), [("java".to_owned(), 2), ("nginx".to_owned(), 1)]);
    }

    #[test]
    fn a_sum_that_moves_is_no_reset() {
        let mut stored = CountGrowth::default();
        stored.store(sums(&[("java", 7), ("nginx", 1)]));
        let found = growth(&stored, &[("_other", 9), ("nginx", 2)]);
        assert_eq!(found, [("_other".to_owned(), 2), ("nginx".to_owned(), 1)]);
    }

    #[test]
    fn ten_minutes_have_the_sum_of_their_minutes() {
        let line = |time: &str, process: &str, count| CountsLine {
            schema: 1,
            time: time.parse().expect("a time"),
            seconds: 60,
            counts: vec![CountRow { kind: kind(process), count }],
        };
        let mut coarse = Coarsener::default();
        assert_eq!(coarse.push(line("2026-11-28T03:01:00Z", "java", 1)), None);
        assert_eq!(coarse.push(line("2026-11-28T03:10:00Z", "java", 2)), None);
        let first = coarse.push(line("2026-11-28T03:11:00Z", "nginx", 4)).expect("ten minutes");
        assert_eq!((first.time.to_string().as_str(), first.seconds), ("2026-11-28T03:10:00Z", 120));
        assert_eq!(first.counts, [CountRow { kind: kind("java"), count: 3 }]);
        let last = coarse.finish().expect("the rest");
        assert_eq!(last.counts, [CountRow { kind: kind("nginx"), count: 4 }]);
        assert_eq!(coarse.finish(), None);
    }
}
