//! Both ends of one RST on this host are one row: how many resets of a series are the other ends of another's. Pure.
//!
//! The counters count each end, and only events say which two are of one RST. A reset whose other end has no event, as
//! with a rate limit, therefore stays in its own row: the rows and the resets seen at both ends add up to the counts.

use super::group::SeriesId;
use crate::event::{
    Event,
    pairs::{PairFinder, is_reported_at},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Events whose other ends may still come.
const OPEN: usize = 4096;
/// Times that are kept of the pairs of two series.
const TIMES: usize = 10_000;

/// The pairs since counting began or the view was zeroed, as far as their events have come.
#[derive(Clone, Debug, Default)]
pub(crate) struct PairCounts {
    finder: PairFinder,
    open: VecDeque<Arc<Event>>,
    /// Number of the first open event.
    first: u64,
    /// By the series of the end that has no row of its own for them, and that of the other.
    folded: HashMap<SeriesId, HashMap<SeriesId, FoldedEnds>>,
}

/// Resets of a series that are shown in the rows of another.
#[derive(Clone, Debug)]
pub(crate) struct FoldedEnds {
    /// An event of the end that is shown.
    pub(crate) shown: Arc<Event>,
    /// An event of the end that is not.
    pub(crate) hidden: Arc<Event>,
    pub(crate) count: u64,
    /// The times of the last of them, oldest first.
    times: VecDeque<Timestamp>,
}

impl PairCounts {
    /// Takes an event. Returns whether it completes a pair.
    pub(crate) fn push(&mut self, event: &Arc<Event>) -> bool {
        if self.open.len() >= OPEN
            && let Some(oldest) = self.open.pop_front()
        {
            self.finder.forget(self.first, &oldest);
            self.first += 1;
        }
        let other = self.finder.push(self.first + self.open.len() as u64, event);
        let other =
            other.and_then(|other| self.open.get(usize::try_from(other.checked_sub(self.first)?).ok()?)).cloned();
        self.open.push_back(Arc::clone(event));
        let Some(other) = other else { return false };
        let (shown, hidden) = if is_reported_at(event, &other) { (event, &other) } else { (&other, event) };
        let ends = self.folded.entry(SeriesId::of_event(hidden)).or_default();
        let ends = ends.entry(SeriesId::of_event(shown)).or_insert_with(|| FoldedEnds {
            shown: Arc::clone(shown),
            hidden: Arc::clone(hidden),
            count: 0,
            times: VecDeque::new(),
        });
        ends.count += 1;
        if ends.times.len() >= TIMES {
            ends.times.pop_front();
        }
        ends.times.push_back(hidden.time);
        true
    }

    /// Keeps the pairs after `since` only, as far back as their times are known.
    pub(crate) fn begin_at(&mut self, since: Timestamp) {
        self.folded.retain(|_, shown| {
            shown.retain(|_, ends| {
                ends.times.retain(|time| *time > since);
                ends.count = ends.times.len() as u64;
                ends.count > 0
            });
            !shown.is_empty()
        });
    }

    /// The resets of a series that are shown in those of others.
    pub(crate) fn of(&self, series: &SeriesId) -> impl Iterator<Item = (&SeriesId, &FoldedEnds)> {
        self.folded.get(series).into_iter().flatten()
    }
}

impl FoldedEnds {
    /// How many steps of this length ago each of them was, the latest first.
    pub(crate) fn ages(&self, now: Timestamp, step: SignedDuration) -> impl Iterator<Item = usize> {
        let step = step.as_secs_f64();
        self.times.iter().rev().map(move |time| {
            let age = now.duration_since(*time).max(SignedDuration::ZERO).as_secs_f64();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an age is positive")]
            let steps = (age / step) as usize;
            steps
        })
    }
}
