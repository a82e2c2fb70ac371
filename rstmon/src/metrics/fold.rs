//! Kernel counts -> series: exact sums, a bounded number of series, counters that never decrease. Pure.
//!
//! Where a new name finds no room, series that have not grown for a while make it: the longest silent ones *fold away*.
//! Their counts move into one series for each direction and reason, [`Series::folded_away`], so that the sum over all
//! series stays exact and only grows. Scrapers see such a series end. A name that counts again begins at zero, with
//! what it counted since: the increases of all series but `process="_folded"` add up to the resets that there were.

use super::series::{OTHER, Series};
use crate::{
    model::{Direction, Reasons},
    probe::Counts,
};
use rstmon_common::CountKey;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Series reserved for folded series: combinations of direction, cause, severity and reason.
const FOLDED_RESERVE: usize = 128;
/// Of them, those in which everything ends that finds no other: both directions, counted or folded away.
const LAST_RESORT: usize = 4;
/// The smallest useful `max_series`.
pub(crate) const MIN_SERIES: usize = 2 * FOLDED_RESERVE;

/// A name that has folded away stays without a series of its own for this long, so that each scraper sees that the
/// series has ended before it begins again with a lower count.
const PAUSE: Duration = Duration::from_mins(10);

/// The sum of each series, with the readings that it was made from.
pub(crate) struct Fold {
    max_series: usize,
    /// Silence after which a series may fold away.
    silence: Duration,
    sums: BTreeMap<Series, Sum>,
    /// The number of series that are of one name, and of those among them without an owner.
    names: usize,
    unowned: usize,
    /// The series that each key of the current generation belongs to, and the key's count at the last reading. A key
    /// keeps it even when its unit cannot be resolved any more, so that its count does not move to another series.
    seen: HashMap<CountKey, (Series, u64)>,
    overflow: HashMap<(u8, u8), u64>,
    /// Series that have folded away within the last [`PAUSE`], and when.
    gone: HashMap<Series, Duration>,
}

/// The sum of a series, and when it grew last, in time since counting began.
struct Sum {
    hits: u64,
    grown: Duration,
}

/// Series that may fold away at a reading, the longest silent last; made when the first is needed.
type Silent = Option<Vec<Series>>;

impl Fold {
    /// All sums start at zero. There will be at most `max_series` series; a limit below [`MIN_SERIES`] is raised to
    /// that. A series without growth for `fold_after` makes room for others.
    #[must_use]
    pub(crate) fn new(max_series: usize, fold_after: Duration) -> Self {
        Self {
            max_series: max_series.max(MIN_SERIES),
            silence: fold_after,
            sums: BTreeMap::new(),
            names: 0,
            unowned: 0,
            seen: HashMap::new(),
            overflow: HashMap::new(),
            gone: HashMap::new(),
        }
    }

    /// Adds a reading, made `now` after counting began. `label` returns the series of a key; it is called once for each
    /// key and generation.
    pub(crate) fn absorb(
        &mut self,
        counts: &Counts,
        reasons: &Reasons,
        now: Duration,
        mut label: impl FnMut(&CountKey) -> Series,
    ) {
        let pause = self.pause();
        self.gone.retain(|_, since| now.saturating_sub(*since) < pause);
        // All growth of present series comes first: none of them may fold away that this reading has growth for.
        let mut homeless = Vec::new();
        if !counts.settled.is_empty() {
            for (key, hits) in &counts.settled {
                homeless.extend(self.take(key, *hits, now, &mut label));
            }
            // The next generation counts its keys from zero.
            self.seen.clear();
        }
        for (key, hits) in &counts.live {
            homeless.extend(self.take(key, *hits, now, &mut label));
        }
        for &(direction, reason, hits) in &counts.overflow {
            let before = self.overflow.insert((direction, reason), hits).unwrap_or(0);
            let direction = Direction::from_record(direction).unwrap_or(Direction::Sent);
            let series = Series::overflow(direction, reasons.get(reason).as_str().into());
            homeless.extend(Self::grow(&mut self.sums, &series, hits.saturating_sub(before), now));
        }
        let mut silent = None;
        for (series, growth) in homeless {
            let series = self.admit(series, now, &mut silent);
            self.sum(series, now).hits += growth;
        }
    }

    /// Takes the count of a key. Returns its growth, and the series that it belongs to, if that is not present.
    fn take(
        &mut self,
        key: &CountKey,
        hits: u64,
        now: Duration,
        label: &mut impl FnMut(&CountKey) -> Series,
    ) -> Option<(Series, u64)> {
        // A key without a count was inserted a moment ago, or its generation was emptied: nothing to show yet.
        if hits == 0 {
            return None;
        }
        let (series, before) = self.seen.entry(*key).or_insert_with(|| (label(key), 0));
        let growth = hits.saturating_sub(*before);
        *before = hits.max(*before);
        Self::grow(&mut self.sums, series, growth, now)
    }

    /// Adds growth to a series, or returns both if the series is not present.
    fn grow(sums: &mut BTreeMap<Series, Sum>, series: &Series, growth: u64, now: Duration) -> Option<(Series, u64)> {
        if growth == 0 {
            return None;
        }
        let Some(sum) = sums.get_mut(series) else { return Some((series.clone(), growth)) };
        sum.hits += growth;
        sum.grown = now;
        None
    }

    fn sum(&mut self, series: Series, now: Duration) -> &mut Sum {
        let sum = self.sums.entry(series).or_insert(Sum { hits: 0, grown: now });
        sum.grown = now;
        sum
    }

    /// The series itself while the limit allows it or a silent one makes room, its folded form otherwise.
    fn admit(&mut self, series: Series, now: Duration, silent: &mut Silent) -> Series {
        if self.sums.contains_key(&series) {
            return series;
        }
        let is_unowned = series.is_unowned();
        if !series.is_of_several() && !self.gone.contains_key(&series) {
            while !self.has_room(is_unowned) && self.fold_away(is_unowned, now, silent) {}
            if self.has_room(is_unowned) {
                self.names += 1;
                self.unowned += usize::from(is_unowned);
                return series;
            }
        }
        let folded = series.folded();
        if self.has_reserve_for(&folded) { folded } else { Series::overflow(series.direction, OTHER.into()) }
    }

    /// Room for the series of one name.
    fn room(&self) -> usize {
        self.max_series - FOLDED_RESERVE
    }

    /// Whether one more name has room. Those without an owner have a quarter of it.
    fn has_room(&self, is_unowned: bool) -> bool {
        self.names < self.room() && (!is_unowned || self.unowned < self.room() / 4)
    }

    /// Whether a series of several names is present, or has room.
    fn has_reserve_for(&self, series: &Series) -> bool {
        self.sums.contains_key(series) || self.sums.len() - self.names + LAST_RESORT < FOLDED_RESERVE
    }

    /// Folds the longest silent series away; one without an owner, where those have no room. Returns whether there was
    /// one.
    fn fold_away(&mut self, is_unowned: bool, now: Duration, silent: &mut Silent) -> bool {
        // Each name that has folded away is remembered for a while: there may be as many of them as there are series.
        if self.gone.len() >= self.max_series {
            return false;
        }
        let silent = silent.get_or_insert_with(|| self.silent(now));
        let only_unowned = is_unowned && self.unowned >= self.room() / 4;
        let Some(at) = silent.iter().rposition(|series| !only_unowned || series.is_unowned()) else { return false };
        let series = silent.remove(at);
        let Some(Sum { hits, .. }) = self.sums.remove(&series) else { return false };
        self.names -= 1;
        self.unowned -= usize::from(series.is_unowned());
        let mut end = series.folded_away();
        if !self.has_reserve_for(&end) {
            end = Series::overflow(series.direction, OTHER.into()).folded_away();
        }
        self.sum(end, now).hits += hits;
        self.gone.insert(series, now);
        true
    }

    /// The series without growth for [`Self::silence`], the longest silent last.
    fn silent(&self, now: Duration) -> Vec<Series> {
        let names = self.sums.iter().filter(|(series, _)| !series.is_of_several());
        let silence = names.map(|(series, sum)| (now.saturating_sub(sum.grown), series));
        let mut silent: Vec<_> =
            silence.filter(|(silence, _)| !silence.is_zero() && *silence >= self.silence).collect();
        silent.sort();
        silent.into_iter().map(|(_, series)| series.clone()).collect()
    }

    fn pause(&self) -> Duration {
        PAUSE.min(self.silence)
    }

    /// Raises the limit of series. A lower limit than before changes nothing, so that a series once shown stays.
    pub(crate) fn raise_max_series(&mut self, max_series: usize) {
        self.max_series = self.max_series.max(max_series);
    }

    /// Changes the silence after which a series may fold away.
    pub(crate) fn fold_after(&mut self, fold_after: Duration) {
        self.silence = fold_after;
    }

    /// The sums, ordered by label values.
    pub(crate) fn sums(&self) -> impl Iterator<Item = (&Series, u64)> {
        self.sums.iter().map(|(series, sum)| (series, sum.hits))
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, FOLDED_RESERVE, Fold, MIN_SERIES, PAUSE};
    use crate::{
        metrics::Series,
        model::{Direction, Family, Reasons},
        probe::Counts,
    };
    use rstmon_common::CountKey;

    const DAY: Duration = Duration::from_hours(24);

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
        let mut fold = Fold::new(MIN_SERIES, DAY);
        let ports = |from: u16, count: u16| live((from..from + count).map(|port| (key(port), 1)));
        fold.absorb(&ports(1, 500), &reasons(), Duration::ZERO, label("java"));
        let folded = fold.sums().count();
        assert!(folded <= MIN_SERIES, "{folded} series");
        fold.raise_max_series(MIN_SERIES + 100);
        fold.raise_max_series(MIN_SERIES);
        fold.absorb(&ports(1000, 500), &reasons(), Duration::ZERO, label("java"));
        assert_eq!(named(&fold).len(), MIN_SERIES + 100 - FOLDED_RESERVE, "{folded} series before");
        assert_eq!(total(&fold), 1000);
    }

    #[test]
    fn a_growing_count_is_added_once() {
        let mut fold = Fold::new(2000, DAY);
        for hits in [3, 3, 10] {
            fold.absorb(&live([(key(1), hits)]), &reasons(), Duration::ZERO, label("java"));
        }
        assert_eq!(total(&fold), 10);
    }

    #[test]
    fn a_settled_generation_is_added_once_and_the_next_starts_at_zero() {
        let mut fold = Fold::new(2000, DAY);
        fold.absorb(&live([(key(1), 5)]), &reasons(), Duration::ZERO, label("java"));
        let change = Counts { settled: vec![(key(1), 7)], live: vec![(key(1), 2)], ..Counts::default() };
        fold.absorb(&change, &reasons(), Duration::ZERO, label("java"));
        fold.absorb(&live([(key(1), 4)]), &reasons(), Duration::ZERO, label("java"));
        assert_eq!(total(&fold), 11);
    }

    #[test]
    fn a_key_stays_with_its_series() {
        let mut fold = Fold::new(2000, DAY);
        fold.absorb(&live([(key(1), 5)]), &reasons(), Duration::ZERO, label("java"));
        fold.absorb(&live([(key(1), 6)]), &reasons(), Duration::ZERO, label("forgotten"));
        let series: Vec<_> = fold.sums().map(|(series, sum)| (series.process.to_string(), sum)).collect();
        assert_eq!(series, [("java".to_owned(), 6)]);
    }

    #[test]
    fn too_many_series_fold_and_the_sum_stays_exact() {
        let mut fold = Fold::new(MIN_SERIES, DAY);
        fold.absorb(&live((0..5000).map(|port| (key(port), 2))), &reasons(), Duration::ZERO, label("java"));
        assert_eq!(total(&fold), 10_000);
        assert!(fold.sums().count() <= MIN_SERIES, "{} series", fold.sums().count());
        assert!(fold.sums().any(|(series, _)| &*series.process == "_other"));
    }

    #[test]
    fn a_port_scan_does_not_take_the_room_of_processes() {
        let mut fold = Fold::new(400, DAY);
        fold.absorb(&live((0..5000).map(|port| (key(port), 1))), &reasons(), Duration::ZERO, label(""));
        let java = CountKey { comm: *b"java\0\0\0\0\0\0\0\0\0\0\0\0", ..key(8080) };
        fold.absorb(&live([(java, 1)]), &reasons(), Duration::ZERO, label("java"));
        assert!(fold.sums().any(|(series, _)| &*series.process == "java"), "java was folded away");
    }

    #[test]
    fn overflow_keeps_direction_and_reason() {
        let mut fold = Fold::new(2000, DAY);
        for hits in [4, 9] {
            let counts = Counts { overflow: vec![(1, 1, hits)], ..Counts::default() };
            fold.absorb(&counts, &reasons(), Duration::ZERO, label("java"));
        }
        let series: Vec<_> = fold.sums().collect();
        assert_eq!(series.len(), 1);
        assert_eq!((series[0].0.direction, &*series[0].0.reason, series[0].1), (Direction::Received, "no_socket", 9));
    }

    #[test]
    fn even_endless_combinations_stay_bounded() {
        let mut fold = Fold::new(MIN_SERIES, DAY);
        let names: Vec<String> = (0..5000).map(|number| format!("reason{number}")).collect();
        let mut label_reason = |key: &CountKey| Series {
            reason: names[usize::from(key.service_port)].as_str().into(),
            ..label("java")(key)
        };
        fold.absorb(&live((0..5000).map(|port| (key(port), 1))), &reasons(), Duration::ZERO, &mut label_reason);
        assert_eq!(total(&fold), 5000);
        assert!(fold.sums().count() <= MIN_SERIES);
    }

    /// The process, port and sum of each series that is not of several names.
    fn named(fold: &Fold) -> Vec<(String, u16, u64)> {
        let names = fold.sums().filter(|(series, _)| !series.is_of_several());
        names.map(|(series, sum)| (series.process.to_string(), series.port.unwrap_or(0), sum)).collect()
    }

    fn folded_away(fold: &Fold) -> u64 {
        fold.sums().filter(|(series, _)| series.is_folded_away()).map(|(_, sum)| sum).sum()
    }

    /// A fold that names on ports from 1000 on have filled at the start, with two resets each.
    fn taken_hostage() -> Fold {
        let mut fold = Fold::new(MIN_SERIES, DAY);
        fold.absorb(&live((1000..3500).map(|port| (key(port), 2))), &reasons(), Duration::ZERO, label("burst"));
        assert_eq!(named(&fold).len(), MIN_SERIES - FOLDED_RESERVE);
        fold
    }

    #[test]
    fn names_that_are_silent_for_a_day_make_room_and_no_earlier() {
        let mut fold = taken_hostage();
        fold.absorb(&live([(key(1), 3)]), &reasons(), DAY / 8 * 7, label("java"));
        assert!(!named(&fold).iter().any(|(process, ..)| process == "java"), "there is no room yet");
        let before = fold.sums().count();
        fold.absorb(&live([(key(1), 7)]), &reasons(), DAY, label("java"));
        assert!(named(&fold).contains(&("java".into(), 1, 4)), "what it counted before stays where it was counted");
        assert_eq!((folded_away(&fold), total(&fold)), (2, 5000 + 7), "one name made room");
        assert_eq!(fold.sums().count(), before + 1, "one name for another, and the series that it folded into");
    }

    #[test]
    fn without_need_of_room_nothing_folds_away() {
        let mut fold = Fold::new(MIN_SERIES, DAY);
        for days in 0..100 {
            fold.absorb(&live([(key(days), 1)]), &reasons(), DAY * u32::from(days), label("java"));
        }
        assert_eq!((named(&fold).len(), folded_away(&fold)), (100, 0));
    }

    #[test]
    fn the_longest_silent_folds_first_and_one_that_counts_never() {
        let mut fold = taken_hostage();
        // All but the first of the names that have a series count again, at noon.
        let again = (1001..1000 + 128).map(|port| (key(port), 3));
        fold.absorb(&live(again), &reasons(), DAY / 2, label("burst"));
        fold.absorb(&live([(key(1), 1), (key(2), 1)]), &reasons(), DAY, label("java"));
        assert_eq!(folded_away(&fold), 2);
        let named = named(&fold);
        assert!(!named.iter().any(|(_, port, _)| *port == 1000), "the only name that was silent for a day");
        assert_eq!(named.iter().filter(|(process, ..)| process == "java").count(), 1, "room for one");
    }

    #[test]
    fn a_name_that_comes_back_begins_at_zero_after_a_pause() {
        let mut fold = taken_hostage();
        fold.absorb(&live((1..=128).map(|port| (key(port), 1))), &reasons(), DAY, label("java"));
        assert_eq!(folded_away(&fold), 2 * 128, "all names of the burst");
        // There is room for it at once.
        fold.raise_max_series(2 * MIN_SERIES);
        fold.absorb(&live([(key(1000), 5)]), &reasons(), DAY + PAUSE / 2, label("burst"));
        assert!(!named(&fold).iter().any(|(process, ..)| process == "burst"), "scrapers must see its end first");
        let later = DAY * 2 + PAUSE;
        fold.absorb(&live([(key(1000), 9)]), &reasons(), later, label("burst"));
        assert!(named(&fold).contains(&("burst".into(), 1000, 4)), "what it counted since");
        assert_eq!(total(&fold), 5000 + 128 + 7);
    }

    #[test]
    fn names_without_an_owner_make_room_for_their_like_only() {
        let mut fold = Fold::new(400, DAY);
        fold.absorb(&live((0..5000).map(|port| (key(port), 1))), &reasons(), Duration::ZERO, label(""));
        let before = fold.sums().filter(|(series, _)| series.is_unowned()).count();
        let java = CountKey { comm: *b"java\0\0\0\0\0\0\0\0\0\0\0\0", ..key(8080) };
        fold.absorb(&live([(java, 1)]), &reasons(), DAY / 2, label("java"));
        fold.absorb(&live((6000..7000).map(|port| (key(port), 1))), &reasons(), DAY, label(""));
        let unowned = fold.sums().filter(|(series, _)| series.is_unowned()).count();
        assert_eq!(unowned, before, "a quarter of the room");
        assert!(named(&fold).contains(&("java".into(), 8080, 1)), "a scan takes no room of processes");
        assert!(named(&fold).contains(&(String::new(), 6000, 1)), "the later scan has names");
        assert_eq!(total(&fold), 6001);
    }
}
