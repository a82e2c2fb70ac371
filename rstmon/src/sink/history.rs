//! The last events in memory, for `why` and for subscribers that want the past first. Bounded by number.

use super::Sink;
use crate::{event::Event, sync::lock};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The last events, oldest first.
pub(crate) struct History {
    memory: Mutex<Memory>,
}

struct Memory {
    events: VecDeque<Arc<Event>>,
    capacity: usize,
    taken: u64,
}

impl History {
    /// Holds at most `capacity` events.
    #[must_use]
    pub(crate) fn new(capacity: usize) -> Self {
        Self { memory: Mutex::new(Memory { events: VecDeque::new(), capacity, taken: 0 }) }
    }

    /// Holds at most `capacity` events from now on; the oldest ones are dropped.
    pub(crate) fn resize(&self, capacity: usize) {
        let mut memory = lock(&self.memory);
        memory.capacity = capacity;
        let surplus = memory.events.len().saturating_sub(capacity);
        drop(memory.events.drain(..surplus));
        memory.events.shrink_to(capacity);
    }

    /// The number of events taken so far, those included that made room for later ones.
    #[must_use]
    pub(crate) fn taken(&self) -> u64 {
        lock(&self.memory).taken
    }

    /// The last `count` events, oldest first.
    #[must_use]
    pub(crate) fn last(&self, count: usize) -> Vec<Arc<Event>> {
        let memory = lock(&self.memory);
        let skipped = memory.events.len().saturating_sub(count);
        memory.events.iter().skip(skipped).cloned().collect()
    }

    /// Events no older than `since` before `now`, oldest first.
    #[must_use]
    pub(crate) fn since(&self, since: Duration, now: Timestamp) -> Vec<Arc<Event>> {
        let earliest = SignedDuration::try_from(since)
            .ok()
            .and_then(|since| now.checked_sub(since).ok())
            .unwrap_or(Timestamp::MIN);
        lock(&self.memory).events.iter().filter(|event| event.time >= earliest).cloned().collect()
    }
}

impl Sink for History {
    fn name(&self) -> &'static str {
        "history"
    }

    fn take(&self, event: &Arc<Event>) {
        let mut memory = lock(&self.memory);
        memory.taken += 1;
        if memory.capacity == 0 {
            return;
        }
        if memory.events.len() >= memory.capacity {
            memory.events.pop_front();
        }
        memory.events.push_back(Arc::clone(event));
    }

    /// Events that made room for later ones are forgotten, not lost.
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
