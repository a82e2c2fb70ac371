//! The data of the host or of a recording: the last snapshot, counts and events. Pure.

use super::{counts::CountHistory, memory::EventMemory, pairs::PairCounts};
use crate::{
    event::{
        Event,
        snapshot::{Count, Snapshot},
    },
    metrics::trend::STEP,
    model::Direction,
};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Steps of a trend in a minute.
const MINUTE_STEPS: usize = 12;

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// The last snapshot, without its series, which are in `counts`.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) counts: CountHistory,
    pub(crate) memory: EventMemory,
    pub(crate) pairs: PairCounts,
    /// Events that are missing because the view was too slow.
    pub(crate) lost: u64,
}

/// Rates and total of the resets in one direction, for the header.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct DirectionRates {
    /// Resets per second in the last seconds.
    pub(crate) now: Option<f64>,
    /// Resets per second in the last minute, or since counting began if that is less.
    pub(crate) minute: Option<f64>,
    /// Resets since the view was zeroed or counting began.
    pub(crate) total: u64,
}

impl Model {
    /// Takes a snapshot. Returns whether counting began again.
    pub(crate) fn absorb(&mut self, mut snapshot: Snapshot) -> bool {
        let restarted = self.counts.absorb(&snapshot);
        if restarted {
            self.pairs.begin_at(snapshot.started);
        }
        snapshot.series = Vec::new();
        self.snapshot = Some(snapshot);
        restarted
    }

    /// Returns whether the event changes what is counted in one row.
    pub(crate) fn remember(&mut self, event: Arc<Event>) -> bool {
        let is_pair = self.pairs.push(&event);
        self.memory.push(event);
        is_pair
    }

    /// Sets the totals to zero.
    pub(crate) fn zero(&mut self) {
        self.counts.zero();
        if let Some(zeroed) = self.counts.zeroed() {
            self.pairs.begin_at(zeroed);
        }
    }

    /// The time of the last snapshot.
    #[must_use]
    pub(crate) fn now(&self) -> Timestamp {
        self.snapshot.as_ref().map_or(Timestamp::UNIX_EPOCH, |snapshot| snapshot.time)
    }

    #[must_use]
    pub(crate) fn rates(&self, direction: Direction) -> DirectionRates {
        let Some(snapshot) = &self.snapshot else { return DirectionRates::default() };
        let count = match direction {
            Direction::Sent => &snapshot.sent,
            Direction::Received => &snapshot.received,
        };
        let series = self.counts.series().filter(|counted| counted.series.direction == direction);
        DirectionRates {
            now: self.counts.rate(direction),
            minute: minute_rate(count, snapshot.time.duration_since(snapshot.started)),
            total: series.map(super::counts::Counted::total).sum(),
        }
    }
}

/// Mean rate of the last minute. The last step of the trend is still running.
fn minute_rate(count: &Count, counting: SignedDuration) -> Option<f64> {
    let counting = counting.as_secs_f64();
    if counting < 1.0 {
        return None;
    }
    let skipped = count.trend.len().saturating_sub(MINUTE_STEPS);
    let grown: u64 = count.trend[skipped..].iter().map(|&growth| u64::from(growth)).sum();
    let step = STEP.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
    let (grown, whole) = (grown as f64, (MINUTE_STEPS - 1) as f64 * step);
    Some(grown / (whole + counting % step).min(counting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_what_was_seen_of_it() {
        let count = |trend: &[u32]| Count { total: 0, trend: trend.to_vec() };
        let seconds = SignedDuration::from_secs;
        assert_eq!(minute_rate(&count(&[7]), SignedDuration::from_millis(900)), None);
        assert_eq!(minute_rate(&count(&[30]), seconds(10)), Some(3.0));
        // Eleven whole steps and two seconds.
        assert_eq!(minute_rate(&count(&[57; 13]), seconds(3602)), Some(12.0));
        assert_eq!(minute_rate(&count(&[]), seconds(3602)), Some(0.0));
    }
}
