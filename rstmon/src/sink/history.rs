//! The last events in bounded memory, for `why` and for subscribers that ask for past events.

use super::Sink;
use crate::{event::Event, sync::lock};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

pub(crate) struct History {
    buffer: Mutex<HistoryBuffer>,
}

struct HistoryBuffer {
    /// Oldest event first.
    events: VecDeque<Arc<Event>>,
    capacity: usize,
    taken: u64,
}

impl History {
    #[must_use]
    pub(crate) fn new(capacity: usize) -> Self {
        Self { buffer: Mutex::new(HistoryBuffer { events: VecDeque::new(), capacity, taken: 0 }) }
    }

    /// Changes the capacity. If it shrinks, the oldest events are dropped.
    pub(crate) fn resize(&self, capacity: usize) {
        let mut buffer = lock(&self.buffer);
        buffer.capacity = capacity;
        let surplus = buffer.events.len().saturating_sub(capacity);
        drop(buffer.events.drain(..surplus));
        buffer.events.shrink_to(capacity);
    }

    /// The number of events taken so far, including those that were dropped since.
    #[must_use]
    pub(crate) fn taken(&self) -> u64 {
        lock(&self.buffer).taken
    }

    /// The number of events that were dropped to make room, and the time of the oldest that is remembered.
    #[must_use]
    pub(crate) fn extent(&self) -> (u64, Option<Timestamp>) {
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

    /// The events of the time span `since` up to `now`, oldest first.
    #[must_use]
    pub(crate) fn since(&self, since: Duration, now: Timestamp) -> Vec<Arc<Event>> {
        let earliest = SignedDuration::try_from(since)
            .ok()
            .and_then(|since| now.checked_sub(since).ok())
            .unwrap_or(Timestamp::MIN);
        lock(&self.buffer).events.iter().filter(|event| event.time >= earliest).cloned().collect()
    }
}

impl Sink for History {
    fn name(&self) -> &'static str {
        "history"
    }

    fn take(&self, event: &Arc<Event>) {
        let mut buffer = lock(&self.buffer);
        buffer.taken += 1;
        if buffer.capacity == 0 {
            return;
        }
        if buffer.events.len() >= buffer.capacity {
            buffer.events.pop_front();
        }
        buffer.events.push_back(Arc::clone(event));
    }

    /// Old events that are dropped to make room do not count as lost.
    fn lost(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{History, Sink as _};
    use crate::event::testing::event_with;
    use jiff::Timestamp;
    use serde_json::json;
    use std::{sync::Arc, time::Duration};

    fn filled(capacity: usize) -> History {
        let history = History::new(capacity);
        for second in 0..5 {
            history.take(&Arc::new(event_with(json!({"time": format!("2026-11-21T03:00:0{second}Z")}))));
        }
        history
    }

    fn seconds(history: &History) -> Vec<i8> {
        history.last(usize::MAX).iter().map(|event| event.time.to_zoned(jiff::tz::TimeZone::UTC).second()).collect()
    }

    #[test]
    fn the_oldest_events_make_room() {
        let history = filled(3);
        assert_eq!(seconds(&history), [2, 3, 4]);
        assert_eq!(history.taken(), 5);
        assert_eq!(history.extent(), (2, history.last(3).first().map(|event| event.time)));
        history.resize(1);
        assert_eq!(seconds(&history), [4]);
        assert!(filled(0).last(9).is_empty());
    }

    #[test]
    fn the_past_is_bounded_by_time_and_by_number() {
        let history = filled(9);
        let now: Timestamp = "2026-11-21T03:00:05Z".parse().expect("a time");
        assert_eq!(history.since(Duration::from_secs(2), now).len(), 2);
        assert_eq!(history.since(Duration::MAX, now).len(), 5);
        assert_eq!(history.last(2).len(), 2);
    }
}
