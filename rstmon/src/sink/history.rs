//! The last events in bounded memory, for `why` and for subscribers that ask for past events.

use super::Sink;
use crate::{
    event::{Event, span::TimeSpan},
    sync::lock,
};
use jiff::Timestamp;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

pub(crate) struct History {
    begun: Timestamp,
    buffer: Mutex<HistoryBuffer>,
}

struct HistoryBuffer {
    /// Oldest event first.
    events: VecDeque<Arc<Event>>,
    capacity: usize,
    taken: u64,
    /// The latest time of an event that made room.
    forgotten_until: Option<Timestamp>,
}

/// Which events are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistoryExtent {
    /// All events after this time are remembered.
    pub(crate) complete_since: Timestamp,
    /// Whether older events made room, in contrast to a memory that began then.
    pub(crate) has_forgotten: bool,
}

impl History {
    #[must_use]
    pub(crate) fn new(capacity: usize) -> Self {
        let buffer = HistoryBuffer { events: VecDeque::new(), capacity, taken: 0, forgotten_until: None };
        Self { begun: Timestamp::now(), buffer: Mutex::new(buffer) }
    }

    /// Changes the capacity. If it shrinks, the oldest events are dropped.
    pub(crate) fn resize(&self, capacity: usize) {
        let mut buffer = lock(&self.buffer);
        buffer.capacity = capacity;
        while buffer.events.len() > capacity {
            buffer.forget();
        }
        buffer.events.shrink_to(capacity);
    }

    /// The number of events taken so far, including those that were dropped since.
    #[must_use]
    pub(crate) fn taken(&self) -> u64 {
        lock(&self.buffer).taken
    }

    /// The number of events that were dropped to make room, and the time of the oldest that is remembered.
    #[must_use]
    pub(crate) fn dropped_and_oldest(&self) -> (u64, Option<Timestamp>) {
        let buffer = lock(&self.buffer);
        (buffer.taken - buffer.events.len() as u64, buffer.events.front().map(|event| event.time))
    }

    /// The last `count` events, oldest first.
    #[must_use]
    pub(crate) fn last(&self, count: usize) -> Vec<Arc<Event>> {
        let buffer = lock(&self.buffer);
        let skipped = buffer.events.len().saturating_sub(count);
        buffer.events.iter().skip(skipped).cloned().collect()
    }

    /// The events of a span, oldest first, and which events are remembered at all.
    #[must_use]
    pub(crate) fn within(&self, span: TimeSpan) -> (Vec<Arc<Event>>, HistoryExtent) {
        let buffer = lock(&self.buffer);
        let events = buffer.events.iter().filter(|event| span.contains(event.time)).cloned().collect();
        (events, buffer.extent(self.begun))
    }

    #[must_use]
    pub(crate) fn extent(&self) -> HistoryExtent {
        lock(&self.buffer).extent(self.begun)
    }
}

impl HistoryBuffer {
    fn extent(&self, begun: Timestamp) -> HistoryExtent {
        let forgotten = self.forgotten_until;
        HistoryExtent { complete_since: forgotten.unwrap_or(begun), has_forgotten: forgotten.is_some() }
    }

    fn forget(&mut self) {
        let forgotten = self.events.pop_front().map(|event| event.time);
        self.forgotten_until = self.forgotten_until.max(forgotten);
    }
}

impl Sink for History {
    fn name(&self) -> &'static str {
        "history"
    }

    fn take(&self, event: &Arc<Event>) {
        let mut buffer = lock(&self.buffer);
        buffer.taken += 1;
        buffer.events.push_back(Arc::clone(event));
        if buffer.events.len() > buffer.capacity {
            buffer.forget();
        }
    }

    /// Old events that are dropped to make room do not count as lost.
    fn lost(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{History, HistoryExtent, Sink as _};
    use crate::event::{span::TimeSpan, testing::event_with};
    use jiff::Timestamp;
    use serde_json::json;
    use std::sync::Arc;

    fn filled(capacity: usize) -> History {
        let history = History::new(capacity);
        for second in 0..5 {
            history.take(&Arc::new(event_with(json!({"time": format!("2026-11-21T03:00:0{second}Z")}))));
        }
        history
    }

    fn at(second: u8) -> Timestamp {
        format!("2026-11-21T03:00:{second:02}Z").parse().expect("a time")
    }

    fn seconds(history: &History) -> Vec<i8> {
        history.last(usize::MAX).iter().map(|event| event.time.to_zoned(jiff::tz::TimeZone::UTC).second()).collect()
    }

    #[test]
    fn the_oldest_events_make_room() {
        let history = filled(3);
        assert_eq!(seconds(&history), [2, 3, 4]);
        assert_eq!(history.taken(), 5);
        assert_eq!(history.dropped_and_oldest(), (2, history.last(3).first().map(|event| event.time)));
        history.resize(1);
        assert_eq!(seconds(&history), [4]);
        assert!(filled(0).last(9).is_empty());
    }

    #[test]
    fn the_past_is_bounded_by_time_and_by_number() {
        let history = filled(9);
        let span = TimeSpan { since: at(2), until: at(3) };
        assert_eq!(history.within(span).0.len(), 2);
        assert_eq!(history.within(TimeSpan::ALWAYS).0.len(), 5);
        assert_eq!(history.last(2).len(), 2);
    }

    #[test]
    fn what_is_forgotten_is_known() {
        let whole = filled(5).extent();
        assert!(!whole.has_forgotten && whole.complete_since > at(59), "{whole:?}");
        let history = filled(3);
        assert_eq!(history.extent(), HistoryExtent { complete_since: at(1), has_forgotten: true });
        history.resize(1);
        assert_eq!(history.extent(), HistoryExtent { complete_since: at(3), has_forgotten: true });
        history.resize(9);
        assert_eq!(history.extent().complete_since, at(3), "room alone brings nothing back");
        assert_eq!(filled(0).extent(), HistoryExtent { complete_since: at(4), has_forgotten: true });
    }
}
