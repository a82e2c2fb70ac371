//! Fan-out of live events to subscribers that may be slow, stuck or gone.
//!
//! Contract: publishing never waits and never grows memory. Each subscriber has a bounded queue; a line that does not
//! fit is dropped for that subscriber alone, counted, and announced to it at the very place of the gap by a line
//! `{"schema":1,"lost":N}`. Who takes nothing for [`STALL`] while its queue is full is cut off, and counted, too, as is
//! one whose connection is cut off before that. A subscriber unregisters when it is dropped.

use super::{event::Event, filter::Filter};
use futures_util::Stream;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Version of the NDJSON lines on the socket; a line with another number must not be interpreted.
pub const EVENT_SCHEMA: u32 = 1;

/// Lines that wait for one subscriber before its next ones are dropped.
pub const DEFAULT_QUEUE_LINES: usize = 1024;

/// Subscribers at the same time.
pub const DEFAULT_MAX_SUBSCRIBERS: usize = 64;

/// How long a subscriber may take nothing while its queue is full; then its place is given to others.
pub(super) const STALL: Duration = Duration::from_mins(1);

/// Every seat of the hub is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{max} subscribers follow the events already; end one of them (rstmon tail) and try again")]
pub struct TooManySubscribers {
    /// The bound that was reached.
    pub max: usize,
}

/// Hands each published event to all subscribers that asked for it, as a line. Clones share the subscribers.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    queue_lines: usize,
    max_subscribers: usize,
    /// Mirrors `seats.len()`, so that publishing to nobody costs one load.
    seated: AtomicUsize,
    lost: AtomicU64,
    cut: AtomicU64,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    next_id: u64,
    taken: Vec<Seat>,
}

struct Seat {
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
    pub fn new(max_subscribers: usize, queue_lines: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                queue_lines: queue_lines.max(1),
                max_subscribers,
                seated: AtomicUsize::new(0),
                lost: AtomicU64::new(0),
                cut: AtomicU64::new(0),
                seats: Mutex::default(),
            }),
        }
    }

    /// Whether anybody listens: ask before rendering a line that nobody would read.
    #[must_use]
    pub fn has_subscribers(&self) -> bool {
        self.shared.seated.load(Ordering::Relaxed) > 0
    }

    /// Offers an event to every subscriber whose filter it passes, without waiting for any.
    pub fn publish(&self, event: &Event) {
        self.offer(Instant::now(), |filter| filter.matches(event), || event_line(event));
    }

    /// Offers a line (one JSON object, no line end) to those whose filter is `wanted`. It is made once, if at all.
    pub(super) fn offer(
        &self,
        now: Instant,
        wanted: impl Fn(&Filter) -> bool,
        line: impl FnOnce() -> Option<Arc<str>>,
    ) {
        if !self.has_subscribers() {
            return;
        }
        let mut seats = self.shared.seats();
        let mut readers = seats.taken.iter_mut().filter(|seat| wanted(&seat.filter)).peekable();
        if readers.peek().is_none() {
            return;
        }
        let Some(line) = line() else { return };
        let dropped: u64 = readers.map(|seat| u64::from(!seat.offer(&line, now))).sum();
        let before = seats.taken.len();
        // The end of its queue ends the subscription as soon as the reader moves.
        seats.taken.retain(|seat| !seat.is_stalled(now));
        self.shared.seated.store(seats.taken.len(), Ordering::Relaxed);
        self.shared.lost.fetch_add(dropped, Ordering::Relaxed);
        self.shared.cut.fetch_add((before - seats.taken.len()) as u64, Ordering::Relaxed);
    }

    /// Follows what is published from now on and passes `filter`, after those of `history` that pass it.
    pub fn subscribe(&self, filter: Filter, history: Vec<Arc<Event>>) -> Result<Subscription, TooManySubscribers> {
        let mut seats = self.shared.seats();
        let max = self.shared.max_subscribers;
        if seats.taken.len() >= max {
            return Err(TooManySubscribers { max });
        }
        let (queue, lines) = mpsc::channel(self.shared.queue_lines);
        let id = seats.next_id;
        seats.next_id += 1;
        let history = history.into_iter().filter(|event| filter.matches(&**event)).collect();
        seats.taken.push(Seat { id, filter, queue, lost: 0, full_since: None });
        self.shared.seated.store(seats.taken.len(), Ordering::Relaxed);
        Ok(Subscription { id, history, lines, after_gap: None, shared: Arc::clone(&self.shared) })
    }

    /// Subscribers cut off so far because they took nothing for too long.
    #[must_use]
    pub fn subscribers_cut(&self) -> u64 {
        self.shared.cut.load(Ordering::Relaxed)
    }

    /// Lines dropped so far because a subscriber was too slow, summed over all subscribers ever.
    #[must_use]
    pub fn slow_subscriber_lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl Seat {
    /// Whether nobody misses the line.
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
            // Its subscription is being dropped and unregisters itself: nobody is left to miss the line.
            Err(mpsc::error::TrySendError::Closed(_)) => true,
        }
    }

    /// Its queue is full, and has been for too long. One that has been emptied since, without a line for it to show
    /// that, is not.
    fn is_stalled(&self, now: Instant) -> bool {
        self.queue.capacity() == 0 && self.full_since.is_some_and(|since| now.duration_since(since) >= STALL)
    }
}

/// An event as a line of NDJSON, without the line end. It fails for no event; if one did, that is logged, and no reason
/// to stop.
#[must_use]
pub fn event_line(event: &Event) -> Option<Arc<str>> {
    match serde_json::to_string(event) {
        Ok(line) => Some(line.into()),
        Err(error) => {
            tracing::error!(%error, "an event cannot be written as JSON");
            None
        }
    }
}

impl Shared {
    fn seats(&self) -> MutexGuard<'_, Seats> {
        // The list is consistent between any two statements, so a panic elsewhere does not spoil it.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One subscriber's stream of NDJSON lines (without line ends).
pub struct Subscription {
    id: u64,
    /// What is told before the live lines; put into JSON only as it is read.
    history: VecDeque<Arc<Event>>,
    lines: mpsc::Receiver<Delivery>,
    /// The line behind a gap, while the gap itself is being announced.
    after_gap: Option<Arc<str>>,
    shared: Arc<Shared>,
}

impl Subscription {
    /// The next line that is there already.
    pub(super) fn next_queued(&mut self) -> Option<Arc<str>> {
        if let Some(line) = self.remembered().or_else(|| self.after_gap.take()) {
            return Some(line);
        }
        let delivery = self.lines.try_recv().ok()?;
        Some(self.accept(delivery))
    }

    /// Gives up the seat because the reader was cut off for taking nothing. Counted once, whoever cut it off.
    pub(super) fn cut_off(&self) {
        if self.leave() {
            self.shared.cut.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether there was a seat to give up.
    fn leave(&self) -> bool {
        let mut seats = self.shared.seats();
        let before = seats.taken.len();
        seats.taken.retain(|seat| seat.id != self.id);
        self.shared.seated.store(seats.taken.len(), Ordering::Relaxed);
        seats.taken.len() < before
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
        format!(r#"{{"schema":{EVENT_SCHEMA},"lost":{lost_before}}}"#).into()
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
        self.leave();
    }
}

#[cfg(test)]
mod tests;
