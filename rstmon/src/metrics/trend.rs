//! Recent growth of the counts: for each series, the growth in each of the last [`STEPS`] steps of [`STEP`]. Pure.
//!
//! Growth belongs to the step in which it was read, so a step is exact to within the time between two readings. Of a
//! series without growth in all these steps, only the last sum is kept.

pub(crate) use super::growth::STEP;
use super::{
    Series,
    growth::{Growth, GrowthLog, LogPlace},
};
use crate::model::Direction;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Number of steps that are kept: five minutes.
pub(crate) const STEPS: usize = 60;

/// The growth of every series and of both directions. A series that others fold away into has no trend: its growth is
/// of no reset.
#[derive(Debug, Default)]
pub(crate) struct Trend {
    series: HashMap<Arc<Series>, NamedTrend>,
    log: GrowthLog,
    /// Events that the kernel half had lost at the last reading.
    events_lost: u64,
    /// The number of readings so far.
    readings: u64,
    directions: [SeriesTrend; 2],
}

/// The growth of one series.
#[derive(Debug)]
struct NamedTrend {
    /// The key of the series, once more.
    name: Arc<Series>,
    steps: SeriesTrend,
    /// The last reading that had the series.
    reading: u64,
    logged: LogPlace,
}

impl NamedTrend {
    fn new(name: Arc<Series>) -> Self {
        Self { name, steps: SeriesTrend::default(), reading: 0, logged: LogPlace::default() }
    }
}

/// The growth of one sum, of a series or of a direction.
#[derive(Debug, Default)]
struct SeriesTrend {
    sum: u64,
    /// The step of the last growth.
    newest: u64,
    /// Growth by step, oldest first, up to and including step `newest`.
    growth: VecDeque<u32>,
}

impl SeriesTrend {
    /// Returns the growth.
    fn take(&mut self, step: u64, sum: u64) -> u64 {
        let growth = sum.saturating_sub(self.sum);
        self.sum = sum;
        if growth == 0 {
            // All kept steps are zero: free their memory.
            if step.saturating_sub(self.newest) >= STEPS as u64 && !self.growth.is_empty() {
                self.growth = VecDeque::new();
            }
            return 0;
        }
        let silent = if self.growth.is_empty() { 1 } else { step.saturating_sub(self.newest) };
        for _ in 0..silent.min(STEPS as u64) {
            if self.growth.len() >= STEPS {
                self.growth.pop_front();
            }
            self.growth.push_back(0);
        }
        self.newest = step;
        if let Some(last) = self.growth.back_mut() {
            *last = last.saturating_add(u32::try_from(growth).unwrap_or(u32::MAX));
        }
        growth
    }

    /// Growth by step, oldest first, up to and including `step`.
    fn until(&self, step: u64) -> Vec<u32> {
        let silent = step.saturating_sub(self.newest);
        if self.growth.is_empty() || silent >= STEPS as u64 {
            return Vec::new();
        }
        let silent = usize::try_from(silent).unwrap_or(STEPS);
        let kept = (self.growth.len() + silent).min(STEPS) - silent;
        let skipped = self.growth.len() - kept;
        self.growth.iter().skip(skipped).copied().chain(std::iter::repeat_n(0, silent)).collect()
    }
}

fn step(elapsed: Duration) -> u64 {
    elapsed.as_secs() / STEP.as_secs()
}

impl Trend {
    /// Adds the sums at `elapsed` since counting began.
    pub(crate) fn absorb<'a>(&mut self, elapsed: Duration, sums: impl IntoIterator<Item = (&'a Series, u64)>) {
        let step = step(elapsed);
        let (mut totals, mut present) = ([0_u64; 2], 0);
        self.readings += 1;
        for (series, sum) in sums {
            totals[index(series.direction)] += sum;
            if series.is_folded_away() {
                continue;
            }
            present += 1;
            let trend = if let Some(trend) = self.series.get_mut(series) {
                trend
            } else {
                let name = Arc::new(series.clone());
                self.series.entry(Arc::clone(&name)).or_insert(NamedTrend::new(name))
            };
            trend.reading = self.readings;
            match trend.steps.take(step, sum) {
                0 => {}
                growth => self.log.add(step, &trend.name, growth, &mut trend.logged),
            }
        }
        // One that folds away and comes back counts from zero.
        if self.series.len() > present {
            self.series.retain(|_, trend| trend.reading == self.readings);
        }
        for (trend, total) in self.directions.iter_mut().zip(totals) {
            trend.take(step, total);
        }
    }

    /// Adds the number of events that the kernel half has lost so far, at `elapsed` since counting began.
    pub(crate) fn lose(&mut self, elapsed: Duration, events: u64) {
        let before = std::mem::replace(&mut self.events_lost, events);
        self.log.lose(step(elapsed), events.saturating_sub(before));
    }

    /// What was counted since `from`, a time since counting began, exact to within the time between two readings.
    #[must_use]
    pub(crate) fn growth_since(&self, from: Duration) -> Growth {
        self.log.since(from)
    }

    /// The growth of a series in the steps up to `elapsed`, oldest first; empty if there was none.
    #[must_use]
    pub(crate) fn of(&self, series: &Series, elapsed: Duration) -> Vec<u32> {
        self.series.get(series).map_or_else(Vec::new, |trend| trend.steps.until(step(elapsed)))
    }

    /// The growth of all series of a direction, as [`Trend::of`].
    #[must_use]
    pub(crate) fn of_direction(&self, direction: Direction, elapsed: Duration) -> Vec<u32> {
        self.directions[index(direction)].until(step(elapsed))
    }
}

fn index(direction: Direction) -> usize {
    match direction {
        Direction::Sent => 0,
        Direction::Received => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{Direction, Duration, STEP, STEPS, Series, Trend};

    fn series() -> Series {
        Series::overflow(Direction::Sent, "tcp_state".into())
    }

    fn at(step: u32) -> Duration {
        STEP * step
    }

    fn absorb(trend: &mut Trend, step: u32, sum: u64) {
        trend.absorb(at(step), [(&series(), sum)]);
    }

    #[test]
    fn growth_belongs_to_its_step() {
        let mut trend = Trend::default();
        for (step, sum) in [(0, 3), (0, 4), (1, 4), (2, 10)] {
            absorb(&mut trend, step, sum);
        }
        assert_eq!(trend.of(&series(), at(2)), [4, 0, 6]);
        assert_eq!(trend.of(&series(), at(4)), [4, 0, 6, 0, 0]);
        assert_eq!(trend.of_direction(Direction::Sent, at(2)), [4, 0, 6]);
        assert_eq!(trend.of_direction(Direction::Received, at(2)), [0; 0]);
    }

    #[test]
    fn what_is_older_than_the_memory_is_forgotten() {
        let mut trend = Trend::default();
        for step in 0..200 {
            absorb(&mut trend, step, u64::from(step) + 1);
        }
        assert_eq!(trend.of(&series(), at(199)), [1; STEPS]);
        let left = trend.of(&series(), at(199 + 58));
        assert_eq!((left.len(), left.iter().sum::<u32>()), (STEPS, 2));
        assert_eq!(trend.of(&series(), at(199 + 60)), [0; 0]);
    }

    #[test]
    fn a_long_silence_costs_no_memory_and_is_followed_by_a_fresh_trend() {
        let mut trend = Trend::default();
        absorb(&mut trend, 0, 5);
        absorb(&mut trend, 1000, 5);
        assert!(trend.series[&series()].steps.growth.is_empty());
        absorb(&mut trend, 1001, 7);
        assert_eq!(trend.of(&series(), at(1001)), [2]);
    }

    #[test]
    fn a_silence_shorter_than_the_memory_is_shown() {
        let mut trend = Trend::default();
        absorb(&mut trend, 0, 1);
        absorb(&mut trend, 59, 2);
        let steps = trend.of(&series(), at(59));
        assert_eq!((steps.len(), steps[0], steps[59]), (STEPS, 1, 1));
        absorb(&mut trend, 500, 9);
        let steps = trend.of(&series(), at(500));
        assert_eq!(steps.iter().sum::<u32>(), 7, "{steps:?}");
    }

    #[test]
    fn a_series_that_folds_away_and_comes_back_grows_from_zero() {
        let mut trend = Trend::default();
        let (name, away) = (Series::overflow(Direction::Sent, "no_socket".into()), series().folded_away());
        absorb(&mut trend, 0, 5);
        trend.absorb(at(1), [(&away, 5), (&name, 1)]);
        assert_eq!((trend.of(&series(), at(1)), trend.of(&away, at(1))), (vec![], vec![]));
        assert_eq!(trend.of_direction(Direction::Sent, at(1)), [5, 1], "no reset comes from folding");
        trend.absorb(at(2), [(&away, 5), (&name, 1), (&series(), 3)]);
        assert_eq!(trend.of(&series(), at(2)), [3]);
    }

    #[test]
    fn a_span_has_what_was_counted_and_lost_in_it() {
        let mut trend = Trend::default();
        for (step, sum, lost) in [(0, 3, 0), (0, 4, 1), (9, 9, 3)] {
            absorb(&mut trend, step, sum);
            trend.lose(at(step), lost);
        }
        let since = |step| {
            let growth = trend.growth_since(at(step));
            (growth.series.get(&series()).copied(), growth.events_lost)
        };
        assert_eq!((since(0), since(1), since(10)), ((Some(9), 3), (Some(5), 2), (None, 0)));
    }
}
