//! Fan-out of live events to subscribers that may be slow, stuck or gone.
//!
//! Contract: publishing never waits and never grows memory. Each subscriber has a bounded queue. A line that does not
//! fit is dropped for that subscriber only, counted, and announced to it in place of the gap by a line
//! `{"schema":1,"lost":N}`. A subscriber that takes nothing for [`STALL`] while its queue is full is cut off and
//! counted, and so is one whose connection is cut off before. A subscription unregisters when it is dropped.

mod subscription;

use super::{SLOW_SUBSCRIBER, Sink};
use crate::{
    event::{Event, filter::Filter, line::event_line},
    sync::lock,
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
pub(crate) use subscription::Subscription;
use tokio::sync::mpsc;

/// Lines that may wait for one subscriber; further ones are dropped.
pub(crate) const DEFAULT_QUEUE_LINES: usize = 1024;

/// Limit of the subscribers at the same time.
pub(crate) const DEFAULT_MAX_SUBSCRIBERS: usize = 64;

/// A subscriber that takes nothing for this long while its queue is full is cut off, to make room for others.
pub(crate) const STALL: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{max} subscribers follow the events already; end one of them (rstmon tail) and try again")]
pub(crate) struct TooManySubscribers {
    pub(crate) max: usize,
}

/// Sends each published event as a line to the subscribers whose filter it passes. Clones share the subscribers.
#[derive(Clone)]
pub(crate) struct Hub {
    shared: Arc<HubShared>,
}

struct HubShared {
    queue_lines: usize,
    max_subscribers: usize,
    /// The number of subscribers, so that publishing without any costs one load.
    count: AtomicUsize,
    lost: AtomicU64,
    cut: AtomicU64,
    subscribers: Mutex<HubSubscribers>,
}

#[derive(Default)]
struct HubSubscribers {
    next_id: u64,
    list: Vec<HubSubscriber>,
}

struct HubSubscriber {
    id: u64,
    filter: Filter,
    queue: mpsc::Sender<Delivery>,
    /// Lines dropped since the last one that was queued.
    lost: u64,
    /// When the first of those lines was dropped.
    full_since: Option<Instant>,
}

struct Delivery {
    lost_before: u64,
    line: Arc<str>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_SUBSCRIBERS, DEFAULT_QUEUE_LINES)
    }
}

impl Hub {
    /// Makes a hub for at most `max_subscribers`, each with a queue of `queue_lines` lines, at least one.
    #[must_use]
    pub(crate) fn new(max_subscribers: usize, queue_lines: usize) -> Self {
        Self {
            shared: Arc::new(HubShared {
                queue_lines: queue_lines.max(1),
                max_subscribers,
                count: AtomicUsize::new(0),
                lost: AtomicU64::new(0),
                cut: AtomicU64::new(0),
                subscribers: Mutex::default(),
            }),
        }
    }

    #[must_use]
    pub(crate) fn has_subscribers(&self) -> bool {
        self.shared.count.load(Ordering::Relaxed) > 0
    }

    /// Offers a line (one JSON object, without line end) to the subscribers for whose filter `wanted` is true. Calls
    /// `line` at most once, and only if there is such a subscriber.
    pub(crate) fn offer(
        &self,
        now: Instant,
        wanted: impl Fn(&Filter) -> bool,
        line: impl FnOnce() -> Option<Arc<str>>,
    ) {
        if !self.has_subscribers() {
            return;
        }
        let mut subscribers = self.shared.subscribers();
        let mut readers = subscribers.list.iter_mut().filter(|reader| wanted(&reader.filter)).peekable();
        if readers.peek().is_none() {
            return;
        }
        let Some(line) = line() else { return };
        let dropped: u64 = readers.map(|reader| u64::from(!reader.offer(&line, now))).sum();
        let before = subscribers.list.len();
        // Dropping the sender ends the subscription once its reader has taken the lines that are still queued.
        subscribers.list.retain(|reader| !reader.is_stalled(now));
        self.shared.count.store(subscribers.list.len(), Ordering::Relaxed);
        self.shared.lost.fetch_add(dropped, Ordering::Relaxed);
        self.shared.cut.fetch_add((before - subscribers.list.len()) as u64, Ordering::Relaxed);
    }

    /// Subscribes to the events of `history` and all later ones, as far as they pass `filter`.
    pub(crate) fn subscribe(
        &self,
        filter: Filter,
        history: Vec<Arc<Event>>,
    ) -> Result<Subscription, TooManySubscribers> {
        let mut subscribers = self.shared.subscribers();
        let max = self.shared.max_subscribers;
        if subscribers.list.len() >= max {
            return Err(TooManySubscribers { max });
        }
        let (queue, lines) = mpsc::channel(self.shared.queue_lines);
        let id = subscribers.next_id;
        subscribers.next_id += 1;
        let history = history.into_iter().filter(|event| filter.matches(&**event)).collect();
        subscribers.list.push(HubSubscriber { id, filter, queue, lost: 0, full_since: None });
        self.shared.count.store(subscribers.list.len(), Ordering::Relaxed);
        Ok(Subscription { id, history, lines, after_gap: None, shared: Arc::clone(&self.shared) })
    }

    /// Subscribers that were cut off so far because they took nothing for too long.
    #[must_use]
    pub(crate) fn subscribers_cut(&self) -> u64 {
        self.shared.cut.load(Ordering::Relaxed)
    }
}

impl Sink for Hub {
    fn name(&self) -> &'static str {
        SLOW_SUBSCRIBER
    }

    fn take(&self, event: &Arc<Event>) {
        self.offer(Instant::now(), |filter| filter.matches(&**event), || event_line(event));
    }

    /// Lines dropped so far because a subscriber was too slow, summed over all present and past subscribers.
    fn lost(&self) -> Option<u64> {
        Some(self.shared.lost.load(Ordering::Relaxed))
    }
}

impl HubSubscriber {
    /// Returns false if the subscriber misses the line.
    fn offer(&mut self, line: &Arc<str>, now: Instant) -> bool {
        match self.queue.try_send(Delivery { lost_before: self.lost, line: Arc::clone(line) }) {
            Ok(()) => {
                self.lost = 0;
                self.full_since = None;
                true
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.lost += 1;
                self.full_since.get_or_insert(now);
                false
            }
            // The subscription is being dropped and unregisters itself; no reader misses the line.
            Err(mpsc::error::TrySendError::Closed(_)) => true,
        }
    }

    /// Whether the queue has been full for [`STALL`]. A queue that the reader has emptied is not stalled, even if no
    /// line has been offered since.
    fn is_stalled(&self, now: Instant) -> bool {
        self.queue.capacity() == 0 && self.full_since.is_some_and(|since| now.duration_since(since) >= STALL)
    }
}

impl HubShared {
    fn subscribers(&self) -> MutexGuard<'_, HubSubscribers> {
        lock(&self.subscribers)
    }
}

#[cfg(test)]
mod tests;
