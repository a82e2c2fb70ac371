//! Kernel counts -> series: exact sums, a bounded number of series, counters that never decrease. Pure.

use super::series::Series;
use crate::{
    model::{Direction, Reasons},
    probe::Counts,
};
use rstmon_common::CountKey;
use std::collections::{BTreeMap, HashMap};

/// Series reserved for folded series: combinations of direction, cause, severity and reason.
const FOLDED_RESERVE: usize = 128;
/// The smallest useful `max_series`.
pub(crate) const MIN_SERIES: usize = 2 * FOLDED_RESERVE;

/// The sum of each series, with the readings that it was made from.
pub(crate) struct Fold {
    max_series: usize,
    sums: BTreeMap<Series, u64>,
    unowned: usize,
    /// The series of each key of the current generation, and the key's count at the last reading. A key keeps its
    /// series even when its unit cannot be resolved any more, so that no series ever decreases.
    seen: HashMap<CountKey, (Series, u64)>,
    overflow: HashMap<(u8, u8), u64>,
}

impl Fold {
    /// All sums start at zero. There will be at most `max_series` series; a limit below [`MIN_SERIES`] is raised to
    /// that.
    #[must_use]
    pub(crate) fn new(max_series: usize) -> Self {
        Self {
            max_series: max_series.max(MIN_SERIES),
            sums: BTreeMap::new(),
            unowned: 0,
            seen: HashMap::new(),
            overflow: HashMap::new(),
        }
    }

    /// Adds a reading. `label` returns the series of a key; it is called once for each key and generation.
    pub(crate) fn absorb(&mut self, counts: &Counts, reasons: &Reasons, mut label: impl FnMut(&CountKey) -> Series) {
        if !counts.settled.is_empty() {
            for (key, hits) in &counts.settled {
                self.add(key, *hits, &mut label);
            }
            // The next generation counts its keys from zero.
            self.seen.clear();
        }
        for (key, hits) in &counts.live {
            self.add(key, *hits, &mut label);
        }
        for &(direction, reason, hits) in &counts.overflow {
            let before = self.overflow.insert((direction, reason), hits).unwrap_or(0);
            let direction = Direction::from_record(direction).unwrap_or(Direction::Sent);
            let reason = reasons.get(reason).as_str().into();
            let series = self.admit(Series::overflow(direction, reason));
            *self.sums.entry(series).or_default() += hits.saturating_sub(before);
        }
    }

    fn add(&mut self, key: &CountKey, hits: u64, label: &mut impl FnMut(&CountKey) -> Series) {
        if let Some((series, before)) = self.seen.get_mut(key) {
            let growth = hits.saturating_sub(*before);
            *before = hits.max(*before);
            if let Some(sum) = self.sums.get_mut(series) {
                *sum += growth;
            }
            return;
        }
        // A key without a count was inserted a moment ago, or its generation was emptied: nothing to show yet.
        if hits == 0 {
            return;
        }
        let series = self.admit(label(key));
        *self.sums.entry(series.clone()).or_default() += hits;
        self.seen.insert(*key, (series, hits));
    }

    /// The series itself while the limit allows it, its folded form otherwise.
    fn admit(&mut self, series: Series) -> Series {
        if self.sums.contains_key(&series) {
            return series;
        }
        let room = self.max_series - FOLDED_RESERVE;
        let unowned_room = room / 4;
        if self.sums.len() < room && !(series.is_unowned() && self.unowned >= unowned_room) {
            self.unowned += usize::from(series.is_unowned());
            return series;
        }
        let folded = series.folded();
        if self.sums.contains_key(&folded) || self.sums.len() + 2 < self.max_series {
            folded
        } else {
            Series::overflow(series.direction, super::series::OTHER.into())
        }
    }

    /// Raises the limit of series; series that were folded before stay folded. A lower limit than before changes
    /// nothing, so that a series once shown stays.
    pub(crate) fn raise_max_series(&mut self, max_series: usize) {
        self.max_series = self.max_series.max(max_series);
    }

    /// The sums, ordered by label values.
    pub(crate) fn sums(&self) -> impl Iterator<Item = (&Series, u64)> {
        self.sums.iter().map(|(series, sum)| (series, *sum))
    }
}

#[cfg(test)]
mod tests {
    use super::{Fold, MIN_SERIES};
    use crate::{
        metrics::Series,
        model::{Direction, Family, Reasons},
        probe::Counts,
    };
    use rstmon_common::CountKey;

    fn key(port: u16) -> CountKey {
        CountKey { service_port: port, ..CountKey::default() }
    }

    fn label(process: &'static str) -> impl FnMut(&CountKey) -> Series {
        move |key| Series {
            direction: Direction::Sent,
            cause: "refused".into(),
            severity: "notice",
            reason: "no_socket".into(),
            process: process.into(),
            unit: "".into(),
            container: "".into(),
            port: Some(key.service_port),
            family: Some(Family::Ipv4),
        }
    }

    fn live(entries: impl IntoIterator<Item = (CountKey, u64)>) -> Counts {
        Counts { live: entries.into_iter().collect(), ..Counts::default() }
    }

    fn total(fold: &Fold) -> u64 {
        fold.sums().map(|(_, sum)| sum).sum()
    }

    fn reasons() -> Reasons {
        Reasons::from_variants([("SK_RST_REASON_NO_SOCKET", 1)])
    }

    #[test]
    fn a_higher_limit_serves_new_series_and_a_lower_one_changes_nothing() {
        let mut fold = Fold::new(MIN_SERIES);
        let ports = |from: u16, count: u16| live((from..from + count).map(|port| (key(port), 1)));
        fold.absorb(&ports(1, 500), &reasons(), label("java"));
        let folded = fold.sums().count();
        assert!(folded <= MIN_SERIES, "{folded} series");
        fold.raise_max_series(MIN_SERIES + 100);
        fold.raise_max_series(MIN_SERIES);
        fold.absorb(&ports(1000, 500), &reasons(), label("java"));
        assert_eq!(fold.sums().count(), MIN_SERIES + 100 - super::FOLDED_RESERVE, "{folded} before");
        assert_eq!(total(&fold), 1000);
    }

    #[test]
    fn a_growing_count_is_added_once() {
        let mut fold = Fold::new(2000);
        for hits in [3, 3, 10] {
            fold.absorb(&live([(key(1), hits)]), &reasons(), label("java"));
        }
        assert_eq!(total(&fold), 10);
    }

    #[test]
    fn a_settled_generation_is_added_once_and_the_next_starts_at_zero() {
        let mut fold = Fold::new(2000);
        fold.absorb(&live([(key(1), 5)]), &reasons(), label("java"));
        let change = Counts { settled: vec![(key(1), 7)], live: vec![(key(1), 2)], ..Counts::default() };
        fold.absorb(&change, &reasons(), label("java"));
        fold.absorb(&live([(key(1), 4)]), &reasons(), label("java"));
        assert_eq!(total(&fold), 11);
    }

    #[test]
    fn a_key_stays_with_its_series() {
        let mut fold = Fold::new(2000);
        fold.absorb(&live([(key(1), 5)]), &reasons(), label("java"));
        fold.absorb(&live([(key(1), 6)]), &reasons(), label("forgotten"));
        let series: Vec<_> = fold.sums().map(|(series, sum)| (series.process.to_string(), sum)).collect();
        assert_eq!(series, [("java".to_owned(), 6)]);
    }

    #[test]
    fn too_many_series_fold_and_the_sum_stays_exact() {
        let mut fold = Fold::new(MIN_SERIES);
        fold.absorb(&live((0..5000).map(|port| (key(port), 2))), &reasons(), label("java"));
        assert_eq!(total(&fold), 10_000);
        assert!(fold.sums().count() <= MIN_SERIES, "{} series", fold.sums().count());
        assert!(fold.sums().any(|(series, _)| &*series.process == "_other"));
    }

    #[test]
    fn a_port_scan_does_not_take_the_room_of_processes() {
        let mut fold = Fold::new(400);
        fold.absorb(&live((0..5000).map(|port| (key(port), 1))), &reasons(), label(""));
        let java = CountKey { comm: *b"java\0\0\0\0\0\0\0\0\0\0\0\0", ..key(8080) };
        fold.absorb(&live([(java, 1)]), &reasons(), label("java"));
        assert!(fold.sums().any(|(series, _)| &*series.process == "java"), "java was folded away");
    }

    #[test]
    fn overflow_keeps_direction_and_reason() {
        let mut fold = Fold::new(2000);
        for hits in [4, 9] {
            let counts = Counts { overflow: vec![(1, 1, hits)], ..Counts::default() };
            fold.absorb(&counts, &reasons(), label("java"));
        }
        let series: Vec<_> = fold.sums().collect();
        assert_eq!(series.len(), 1);
        assert_eq!((series[0].0.direction, &*series[0].0.reason, series[0].1), (Direction::Received, "no_socket", 9));
    }

    #[test]
    fn even_endless_combinations_stay_bounded() {
        let mut fold = Fold::new(MIN_SERIES);
        let names: Vec<String> = (0..5000).map(|number| format!("reason{number}")).collect();
        let mut label_reason = |key: &CountKey| Series {
            reason: names[usize::from(key.service_port)].as_str().into(),
            ..label("java")(key)
        };
        fold.absorb(&live((0..5000).map(|port| (key(port), 1))), &reasons(), &mut label_reason);
        assert_eq!(total(&fold), 5000);
        assert!(fold.sums().count() <= MIN_SERIES);
    }
}
