//! How much each series grew in any span that ends now: the growth of each step, as far back as memory for it lasts.
//! Pure.

use super::Series;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

pub(crate) const STEP: Duration = Duration::from_secs(5);

/// Growths of a series in a step that are kept. Each takes 16 bytes.
const ENTRIES: usize = 64 * 1024;
/// Steps that are kept: a day of 5 s each.
const STEPS: usize = 24 * 3600 / 5;

/// The steps with growth, oldest first.
#[derive(Debug, Default)]
pub(super) struct GrowthLog {
    steps: VecDeque<LoggedStep>,
    entries: usize,
    /// The first step from which on nothing is forgotten.
    complete_from: u64,
}

#[derive(Debug)]
struct LoggedStep {
    step: u64,
    growth: Vec<(Arc<Series>, u64)>,
    events_lost: u64,
}

/// Where the growth of a series in the step is, so that a later reading in the same step adds to it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogPlace {
    step: u64,
    index: Option<usize>,
}

/// What was counted from some moment on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    /// The moment, in time since counting began: at most what was asked for, or later where that is forgotten.
    pub(crate) from: Duration,
    pub(crate) series: HashMap<Arc<Series>, u64>,
    /// Events that the kernel half lost.
    pub(crate) events_lost: u64,
}

impl GrowthLog {
    /// Adds growth of a series in a step, which is not older than the newest.
    pub(super) fn add(&mut self, step: u64, series: &Arc<Series>, growth: u64, place: &mut LogPlace) {
        let logged = self.step(step);
        if let Some(index) = place.index
            && place.step == step
            && let Some((_, sum)) = logged.growth.get_mut(index)
        {
            *sum += growth;
            return;
        }
        *place = LogPlace { step, index: Some(logged.growth.len()) };
        logged.growth.push((Arc::clone(series), growth));
        self.entries += 1;
        self.shrink();
    }

    /// Adds events that the kernel half lost in a step.
    pub(super) fn lose(&mut self, step: u64, events: u64) {
        if events > 0 {
            self.step(step).events_lost += events;
            self.shrink();
        }
    }

    fn step(&mut self, step: u64) -> &mut LoggedStep {
        if self.steps.back().is_none_or(|last| last.step < step) {
            self.steps.push_back(LoggedStep { step, growth: Vec::new(), events_lost: 0 });
        }
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    /// Forgets the oldest steps where there are too many. The newest one stays.
    fn shrink(&mut self) {
        while self.steps.len() > 1 && (self.steps.len() > STEPS || self.entries > ENTRIES) {
            if let Some(oldest) = self.steps.pop_front() {
                self.entries -= oldest.growth.len();
                self.complete_from = oldest.step + 1;
            }
        }
    }

    /// The growth from the beginning of the step that `from` is in.
    pub(super) fn since(&self, from: Duration) -> Growth {
        let step_seconds = STEP.as_secs();
        let first = (from.as_secs() / step_seconds).max(self.complete_from);
        let mut growth = Growth { from: Duration::from_secs(first * step_seconds), ..Growth::default() };
        for logged in self.steps.iter().filter(|logged| logged.step >= first) {
            growth.events_lost += logged.events_lost;
            for (series, grown) in &logged.growth {
                *growth.series.entry(Arc::clone(series)).or_default() += grown;
            }
        }
        growth
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Duration, ENTRIES, GrowthLog, LogPlace, STEP, Series};
    use crate::model::Direction;

    fn series(reason: &str) -> Arc<Series> {
        Arc::new(Series::overflow(Direction::Sent, reason.into()))
    }

    fn at(step: u32) -> Duration {
        STEP * step
    }

    #[test]
    fn a_span_has_the_growth_of_its_steps() {
        let (mut log, [one, other]) = (GrowthLog::default(), ["one", "other"].map(series));
        let mut places = [LogPlace::default(); 2];
        for (step, growths) in [(0, [1, 0]), (3, [2, 10]), (3, [0, 20]), (7, [4, 0])] {
            for ((series, growth), place) in [&one, &other].into_iter().zip(growths).zip(&mut places) {
                if growth > 0 {
                    log.add(step, series, growth, place);
                }
            }
            log.lose(step, step);
        }
        let grown = |from: Duration| {
            let growth = log.since(from);
            [&one, &other].map(|series| growth.series.get(series).copied().unwrap_or(0))
        };
        assert_eq!((grown(at(0)), grown(at(1)), grown(at(3)), grown(at(4))), ([7, 30], [6, 30], [6, 30], [4, 0]));
        assert_eq!((log.since(at(1)).events_lost, log.since(at(7)).events_lost), (13, 7));
        assert_eq!(log.since(at(3) + Duration::from_secs(4)).from, at(3), "whole steps");
    }

    #[test]
    fn what_is_forgotten_is_not_part_of_a_span() {
        let mut log = GrowthLog::default();
        let all: Vec<_> = (0..1000).map(|number| series(&number.to_string())).collect();
        let mut places = vec![LogPlace::default(); all.len()];
        for step in 0..100 {
            for (series, place) in all.iter().zip(&mut places) {
                log.add(step, series, 1, place);
            }
        }
        let growth = log.since(Duration::ZERO);
        assert!(log.entries <= ENTRIES);
        let steps = 100 - growth.from.as_secs() / STEP.as_secs();
        assert!((60..=66).contains(&steps), "{steps} steps of 1000 series");
        assert!(growth.series.len() == 1000 && growth.series.values().all(|grown| *grown == steps), "{steps}");
        assert_eq!(log.since(at(99)).from, at(99));
    }
}
