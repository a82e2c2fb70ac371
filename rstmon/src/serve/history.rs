//! The last events, for `why` and for those who come late. Bounded by number.

use super::event::Event;
use jiff::Timestamp;
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// The last events, oldest first.
pub struct History {
    events: VecDeque<Arc<Event>>,
    capacity: usize,
}

impl History {
    /// Holds at most `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { events: VecDeque::new(), capacity }
    }

    /// Holds at most this many from now on; the oldest go.
    pub fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        let surplus = self.events.len().saturating_sub(capacity);
        drop(self.events.drain(..surplus));
        self.events.shrink_to(capacity);
    }

    /// Adds an event; the oldest makes room.
    pub fn push(&mut self, event: Arc<Event>) {
        if self.capacity == 0 {
            return;
        }
        if self.events.len() >= self.capacity {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The last `count` events, oldest first.
    #[must_use]
    pub fn last(&self, count: usize) -> Vec<Arc<Event>> {
        let skipped = self.events.len().saturating_sub(count);
        self.events.iter().skip(skipped).cloned().collect()
    }

    /// Events no older than `since`, oldest first.
    #[must_use]
    pub fn since(&self, since: Duration, now: Timestamp) -> Vec<Arc<Event>> {
        let earliest = jiff::SignedDuration::try_from(since)
            .ok()
            .and_then(|since| now.checked_sub(since).ok())
            .unwrap_or(Timestamp::MIN);
        self.events.iter().filter(|event| event.time >= earliest).cloned().collect()
    }
}
