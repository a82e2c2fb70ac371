//! Fan-out of live events to subscribers that may be slow, stuck or gone.
//!
//! Contract: publishing never waits and never grows memory. Each subscriber has a bounded queue; a line that does not
//! fit is dropped for that subscriber alone, counted, and announced to it at the very place of the gap by a line
//! `{"schema":1,"lost":N}`. A subscriber that takes nothing for [`STALL`] while its queue is full is cut off and counted
//! as such, as is one whose connection is cut off before that. A subscription unregisters when it is dropped.

use super::{SLOW_SUBSCRIBER, Sink};
use crate::{
    event::{
        Event,
        filter::Filter,
        line::{event_line, lost_line},
    },
    sync::lock,
};
use futures_util::Stream;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Lines that wait for one subscriber before its next ones are dropped.
pub(crate) const DEFAULT_QUEUE_LINES: usize = 1024;

/// Subscribers at the same time.
pub(crate) const DEFAULT_MAX_SUBSCRIBERS: usize = 64;

/// How long a subscriber may take nothing while its queue is full before it is cut off to make room for others.
pub(crate) const STALL: Duration = Duration::from_mins(1);

/// The hub has no room for another subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{max} subscribers follow the events already; end one of them (rstmon tail) and try again")]
pub(crate) struct TooManySubscribers {
    /// The bound that was reached.
    pub(crate) max: usize,
}

/// Hands each published event to all subscribers that asked for it, as a line. Clones share the subscribers.
#[derive(Clone)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    queue_lines: usize,
    max_subscribers: usize,
    /// Mirrors the number of subscribers, so that publishing without any costs one load.
    count: AtomicUsize,
    lost: AtomicU64,
    cut: AtomicU64,
    subscribers: Mutex<Subscribers>,
}

#[derive(Default)]
struct Subscribers {
    next_id: u64,
    list: Vec<Subscriber>,
}

struct Subscriber {
    id: u64,
    filter: Filter,
    queue: mpsc::Sender<Delivery>,
    /// Lines dropped since the last one that fitted.
    lost: u64,
    /// Since when no line fits.
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
    /// A hub for at most `max_subscribers`, each with a queue of `queue_lines` lines (at least one).
    #[must_use]
    pub(crate) fn new(max_subscribers: usize, queue_lines: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                queue_lines: queue_lines.max(1),
                max_subscribers,
                count: AtomicUsize::new(0),
                lost: AtomicU64::new(0),
                cut: AtomicU64::new(0),
                subscribers: Mutex::default(),
            }),
        }
    }

    /// Whether there is any subscriber: without one, no line needs to be rendered.
    #[must_use]
    pub(crate) fn has_subscribers(&self) -> bool {
        self.shared.count.load(Ordering::Relaxed) > 0
    }

    /// Offers a line (one JSON object, no line end) to the subscribers whose filter is `wanted`. `line` is called once at
    /// most, and only if there is such a subscriber.
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
        // The end of its queue ends the subscription as soon as the reader moves.
        subscribers.list.retain(|reader| !reader.is_stalled(now));
        self.shared.count.store(subscribers.list.len(), Ordering::Relaxed);
        self.shared.lost.fetch_add(dropped, Ordering::Relaxed);
        self.shared.cut.fetch_add((before - subscribers.list.len()) as u64, Ordering::Relaxed);
    }

    /// Follows what is published from now on and passes `filter`, after those of `history` that pass it.
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
        subscribers.list.push(Subscriber { id, filter, queue, lost: 0, full_since: None });
        self.shared.count.store(subscribers.list.len(), Ordering::Relaxed);
        Ok(Subscription { id, history, lines, after_gap: None, shared: Arc::clone(&self.shared) })
    }

    /// The number of subscribers cut off so far because they took nothing for too long.
    #[must_use]
    pub(crate) fn subscribers_cut(&self) -> u64 {
        self.shared.cut.load(Ordering::Relaxed)
    }
}

impl Sink for Hub {
    fn name(&self) -> &'static str {
        SLOW_SUBSCRIBER
    }

    /// Offers an event to every subscriber whose filter it passes.
    fn take(&self, event: &Arc<Event>) {
        self.offer(Instant::now(), |filter| filter.matches(&**event), || event_line(event));
    }

    /// Lines dropped so far because a subscriber was too slow, summed over all subscribers ever.
    fn lost(&self) -> Option<u64> {
        Some(self.shared.lost.load(Ordering::Relaxed))
    }
}

impl Subscriber {
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
            // The subscription is being dropped and unregisters itself: it has no reader left that would miss the line.
            Err(mpsc::error::TrySendError::Closed(_)) => true,
        }
    }

    /// Whether the queue is full and has been for [`STALL`]. A queue that was emptied meanwhile is not stalled, even if no
    /// line has been offered since.
    fn is_stalled(&self, now: Instant) -> bool {
        self.queue.capacity() == 0 && self.full_since.is_some_and(|since| now.duration_since(since) >= STALL)
    }
}

impl Shared {
    fn subscribers(&self) -> MutexGuard<'_, Subscribers> {
        lock(&self.subscribers)
    }
}

/// One subscriber's stream of NDJSON lines (without line ends).
pub(crate) struct Subscription {
    id: u64,
    /// Sent before the live lines; put into JSON only as it is read.
    history: VecDeque<Arc<Event>>,
    lines: mpsc::Receiver<Delivery>,
    /// The line behind a gap, while the gap itself is being announced.
    after_gap: Option<Arc<str>>,
    shared: Arc<Shared>,
}

impl Subscription {
    /// The next line, if one is queued already.
    pub(crate) fn next_queued(&mut self) -> Option<Arc<str>> {
        if let Some(line) = self.remembered().or_else(|| self.after_gap.take()) {
            return Some(line);
        }
        let delivery = self.lines.try_recv().ok()?;
        Some(self.accept(delivery))
    }

    /// Unregisters because the reader was cut off for taking nothing. Counted once, whether the hub or the connection cut
    /// it off.
    pub(crate) fn cut_off(&self) {
        if self.unregister() {
            self.shared.cut.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns false if the subscriber was unregistered before.
    fn unregister(&self) -> bool {
        let mut subscribers = self.shared.subscribers();
        let before = subscribers.list.len();
        subscribers.list.retain(|subscriber| subscriber.id != self.id);
        self.shared.count.store(subscribers.list.len(), Ordering::Relaxed);
        subscribers.list.len() < before
    }

    fn remembered(&mut self) -> Option<Arc<str>> {
        while let Some(event) = self.history.pop_front() {
            if let Some(line) = event_line(&event) {
                return Some(line);
            }
        }
        None
    }

    fn accept(&mut self, Delivery { lost_before, line }: Delivery) -> Arc<str> {
        if lost_before == 0 {
            return line;
        }
        self.after_gap = Some(line);
        lost_line(lost_before).into()
    }
}

impl Stream for Subscription {
    type Item = Arc<str>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Arc<str>>> {
        if let Some(line) = self.remembered().or_else(|| self.after_gap.take()) {
            return Poll::Ready(Some(line));
        }
        let delivery = ready!(self.lines.poll_recv(context));
        Poll::Ready(delivery.map(|delivery| self.accept(delivery)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.unregister();
    }
}

#[cfg(test)]
mod tests;
