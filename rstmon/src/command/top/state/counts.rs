//! Exact counts over time: the total of each series, its rate, and its total when the view was zeroed. Pure.

use super::group::SeriesId;
use crate::event::snapshot::{SeriesCount, Snapshot};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, VecDeque};

/// The current rate is the growth over this time, which is long enough for the user to notice a single reset.
const WINDOW: SignedDuration = SignedDuration::from_secs(2);

/// The counts of one daemon or of one recording.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountHistory {
    started: Option<Timestamp>,
    /// Time of the last snapshot.
    taken: Option<Timestamp>,
    /// Time of the snapshot before the last.
    before: Option<Timestamp>,
    zeroed: Option<Timestamp>,
    series: HashMap<SeriesId, Counted>,
}

/// The counts of one series.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    /// The series in the last snapshot.
    pub(crate) series: SeriesCount,
    /// The total when the view was zeroed.
    baseline: u64,
    /// Totals of the last snapshots, oldest first.
    recent: VecDeque<(Timestamp, u64)>,
}

impl Counted {
    /// Resets since the view was zeroed, or since counting began.
    #[must_use]
    pub(crate) fn total(&self) -> u64 {
        self.series.count.total.saturating_sub(self.baseline)
    }

    /// Current resets per second; `None` before the second snapshot.
    #[must_use]
    pub(crate) fn rate(&self) -> Option<f64> {
        let (&(then, before), &(now, after)) = (self.recent.front()?, self.recent.back()?);
        let seconds = now.duration_since(then).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
        (seconds > 0.0).then(|| after.saturating_sub(before) as f64 / seconds)
    }

    fn take(&mut self, at: Timestamp, series: SeriesCount) {
        if series.is_folded_away() {
            // It grows by what other series had counted: that is no rate.
            self.recent.clear();
        }
        self.recent.push_back((at, series.count.total));
        // Keep the newest total that is at least as old as the window, and all later ones.
        while self.recent.len() > 2 && at.duration_since(self.recent[1].0) >= WINDOW {
            self.recent.pop_front();
        }
        self.series = series;
    }
}

impl CountHistory {
    /// Takes a snapshot. Returns whether counting began again since the last one.
    pub(crate) fn absorb(&mut self, snapshot: &Snapshot) -> bool {
        let restarted = self.started.is_some_and(|started| started != snapshot.started);
        if restarted {
            *self = Self::default();
        }
        self.started = Some(snapshot.started);
        // A series that has folded away is counted elsewhere, and counts from zero when it comes back.
        let mut before = std::mem::take(&mut self.series);
        for series in &snapshot.series {
            let counted = self.series.entry(SeriesId::of(series)).or_insert_with_key(|id| {
                before.remove(id).unwrap_or_else(|| {
                    // The previous snapshot did not have the series, so its total was zero.
                    let recent = self.taken.map(|before| (before, 0)).into_iter().collect();
                    Counted { series: series.clone(), baseline: 0, recent }
                })
            });
            counted.take(snapshot.time, series.clone());
        }
        self.before = self.taken.replace(snapshot.time);
        restarted
    }

    /// Sets the totals to zero.
    pub(crate) fn zero(&mut self) {
        for counted in self.series.values_mut() {
            counted.baseline = counted.series.count.total;
        }
        self.zeroed = self.taken;
    }

    /// When the totals were set to zero, if they were.
    #[must_use]
    pub(crate) fn zeroed(&self) -> Option<Timestamp> {
        self.zeroed
    }

    #[must_use]
    pub(crate) fn has(&self, series: &SeriesId) -> bool {
        self.series.contains_key(series)
    }

    /// Every series with resets since the view was zeroed or counting began.
    pub(crate) fn series(&self) -> impl Iterator<Item = &Counted> {
        self.named_series().map(|(_, counted)| counted)
    }

    /// The same with their identities.
    pub(crate) fn named_series(&self) -> impl Iterator<Item = (&SeriesId, &Counted)> {
        self.series.iter().filter(|(_, counted)| counted.total() > 0)
    }

    /// Current resets per second in one direction; `None` before the second snapshot.
    #[must_use]
    pub(crate) fn rate(&self, direction: crate::model::Direction) -> Option<f64> {
        self.before?;
        let series = self.series.values().filter(|counted| counted.series.direction == direction);
        Some(series.filter_map(Counted::rate).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::top::testing::snapshot, model::Direction};

    fn at(second: u32, totals: &[(u16, u64)]) -> Snapshot {
        snapshot(second, totals.iter().map(|&(port, total)| ("java", port, total)))
    }

    fn rates(counts: &CountHistory) -> Vec<Option<f64>> {
        let mut series: Vec<_> = counts.series().collect();
        series.sort_by_key(|counted| counted.series.port);
        series.into_iter().map(Counted::rate).collect()
    }

    #[test]
    fn a_rate_is_known_after_two_snapshots() {
        let mut counts = CountHistory::default();
        counts.absorb(&at(0, &[(80, 100)]));
        assert_eq!((rates(&counts), counts.rate(Direction::Sent)), (vec![None], None));
        counts.absorb(&at(1, &[(80, 110)]));
        assert_eq!((rates(&counts), counts.rate(Direction::Sent)), (vec![Some(10.0)], Some(10.0)));
    }

    #[test]
    fn a_new_series_had_nothing_before() {
        let mut counts = CountHistory::default();
        counts.absorb(&at(0, &[(80, 1)]));
        counts.absorb(&at(1, &[(80, 1), (443, 4)]));
        assert_eq!(rates(&counts), [Some(0.0), Some(4.0)]);
    }

    #[test]
    fn a_rate_forgets_what_is_older_than_its_window() {
        let mut counts = CountHistory::default();
        for second in 0..10 {
            counts.absorb(&at(second, &[(80, if second == 0 { 1 } else { 101 })]));
        }
        assert_eq!(rates(&counts), [Some(0.0)]);
    }

    #[test]
    fn zeroed_totals_start_again_and_what_is_silent_disappears() {
        let mut counts = CountHistory::default();
        counts.absorb(&at(0, &[(80, 5), (443, 7)]));
        counts.zero();
        counts.absorb(&at(1, &[(80, 6), (443, 7)]));
        let totals: Vec<_> = counts.series().map(|counted| (counted.series.port, counted.total())).collect();
        assert_eq!(totals, [(Some(80), 1)]);
        assert!(counts.zeroed().is_some());
    }

    #[test]
    fn a_series_that_folds_away_is_gone_and_comes_back_at_zero() {
        let mut counts = CountHistory::default();
        let totals = |counts: &CountHistory| {
            let mut totals: Vec<_> = counts.series().map(|counted| (counted.series.port, counted.total())).collect();
            totals.sort_unstable();
            totals
        };
        counts.absorb(&at(0, &[(80, 5), (443, 7)]));
        counts.zero();
        let mut folded = at(1, &[(80, 6)]);
        let mut away = at(1, &[(1, 7)]).series.remove(0);
        (away.process, away.port) = (Some("_folded".to_owned()), None);
        folded.series.push(away);
        counts.absorb(&folded);
        assert_eq!(totals(&counts), [(None, 7), (Some(80), 1)]);
        assert_eq!(counts.rate(Direction::Sent), Some(1.0), "what folds away is no new reset");
        counts.absorb(&at(2, &[(80, 6), (443, 2)]));
        assert_eq!(totals(&counts), [(Some(80), 1), (Some(443), 2)]);
    }

    #[test]
    fn another_daemon_counts_from_zero() {
        let mut counts = CountHistory::default();
        assert!(!counts.absorb(&at(0, &[(80, 500)])));
        let mut other = at(1, &[(80, 2)]);
        other.started = "2026-11-21T04:00:00Z".parse().expect("a time");
        assert!(counts.absorb(&other));
        assert_eq!(counts.series().map(Counted::total).collect::<Vec<_>>(), [2]);
    }
}
