//! Fan-out of live events to subscribers that may be slow, stuck or gone.
//!
//! Contract: publishing never waits and never grows memory. Each subscriber has a bounded queue; a line that does not
//! fit is dropped for that subscriber alone, counted, and announced to it at the very place of the gap by a line
//! `{"schema":1,"lost":N}`. A subscriber unregisters when it is dropped.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio::sync::mpsc;

/// Version of the NDJSON lines on the socket; a line with another number must not be interpreted.
pub const EVENT_SCHEMA: u32 = 1;

/// Lines that wait for one subscriber before its next ones are dropped.
pub const DEFAULT_QUEUE_LINES: usize = 1024;

/// Subscribers at the same time.
pub const DEFAULT_MAX_SUBSCRIBERS: usize = 64;

/// Every seat of the hub is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{max} subscribers follow the events already; end one of them (rstmon tail) and try again")]
pub struct TooManySubscribers {
    /// The bound that was reached.
    pub max: usize,
}

/// Hands each published line to all subscribers. Clones share the subscribers.
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
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    next_id: u64,
    taken: Vec<Seat>,
}

struct Seat {
    id: u64,
    queue: mpsc::Sender<Delivery>,
    /// Lines dropped since the last one that fitted.
    lost: u64,
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
                seats: Mutex::default(),
            }),
        }
    }

    /// Whether anybody listens: ask before rendering a line that nobody would read.
    #[must_use]
    pub fn has_subscribers(&self) -> bool {
        self.shared.seated.load(Ordering::Relaxed) > 0
    }

    /// Offers `line` (one JSON object, no line end) to every subscriber, without waiting for any.
    pub fn publish(&self, line: &Arc<str>) {
        if !self.has_subscribers() {
            return;
        }
        let mut dropped = 0;
        for seat in &mut self.shared.seats().taken {
            let delivery = Delivery { lost_before: seat.lost, line: Arc::clone(line) };
            match seat.queue.try_send(delivery) {
                Ok(()) => seat.lost = 0,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    seat.lost += 1;
                    dropped += 1;
                }
                // Its subscription is being dropped and unregisters itself: nobody is left to miss the line.
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
        self.shared.lost.fetch_add(dropped, Ordering::Relaxed);
    }

    /// Follows the lines published from now on.
    pub fn subscribe(&self) -> Result<Subscription, TooManySubscribers> {
        let mut seats = self.shared.seats();
        let max = self.shared.max_subscribers;
        if seats.taken.len() >= max {
            return Err(TooManySubscribers { max });
        }
        let (queue, lines) = mpsc::channel(self.shared.queue_lines);
        let id = seats.next_id;
        seats.next_id += 1;
        seats.taken.push(Seat { id, queue, lost: 0 });
        self.shared.seated.store(seats.taken.len(), Ordering::Relaxed);
        Ok(Subscription { id, lines, after_gap: None, shared: Arc::clone(&self.shared) })
    }

    /// Lines dropped so far because a subscriber was too slow, summed over all subscribers ever.
    #[must_use]
    pub fn slow_subscriber_lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
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
    lines: mpsc::Receiver<Delivery>,
    /// The line behind a gap, while the gap itself is being announced.
    after_gap: Option<Arc<str>>,
    shared: Arc<Shared>,
}

impl Subscription {
    /// The next line that is there already.
    pub(super) fn next_queued(&mut self) -> Option<Arc<str>> {
        if let Some(line) = self.after_gap.take() {
            return Some(line);
        }
        let delivery = self.lines.try_recv().ok()?;
        Some(self.accept(delivery))
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
        if let Some(line) = self.after_gap.take() {
            return Poll::Ready(Some(line));
        }
        let delivery = ready!(self.lines.poll_recv(context));
        Poll::Ready(delivery.map(|delivery| self.accept(delivery)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut seats = self.shared.seats();
        seats.taken.retain(|seat| seat.id != self.id);
        self.shared.seated.store(seats.taken.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn line(text: &str) -> Arc<str> {
        Arc::from(text)
    }

    fn drain(subscription: &mut Subscription) -> Vec<String> {
        std::iter::from_fn(|| subscription.next_queued()).map(|line| line.to_string()).collect()
    }

    #[tokio::test]
    async fn every_subscriber_gets_every_line_in_order() {
        let hub = Hub::default();
        let (mut first, mut second) = (hub.subscribe().expect("a seat"), hub.subscribe().expect("a seat"));
        hub.publish(&line("1"));
        hub.publish(&line("2"));
        for subscription in [&mut first, &mut second] {
            assert_eq!(subscription.next().await.as_deref(), Some("1"));
            assert_eq!(subscription.next().await.as_deref(), Some("2"));
        }
    }

    #[test]
    fn a_slow_subscriber_is_told_of_its_gap_where_the_gap_is() {
        let hub = Hub::new(2, 2);
        let mut slow = hub.subscribe().expect("a seat");
        let mut quick = hub.subscribe().expect("a seat");
        let mut seen = Vec::new();
        for number in 1..=5 {
            hub.publish(&line(&number.to_string()));
            seen.extend(drain(&mut quick));
        }
        assert_eq!(seen, ["1", "2", "3", "4", "5"], "the quick one must not suffer");
        assert_eq!(hub.slow_subscriber_lost(), 3);
        assert_eq!(drain(&mut slow), ["1", "2"]);
        hub.publish(&line("6"));
        hub.publish(&line("7"));
        assert_eq!(drain(&mut slow), [r#"{"schema":1,"lost":3}"#, "6", "7"]);
    }

    #[test]
    fn seats_are_bounded_and_freed_on_drop() {
        let hub = Hub::new(1, 1);
        assert!(!hub.has_subscribers());
        let seated = hub.subscribe().expect("a seat");
        assert!(hub.has_subscribers());
        assert_eq!(hub.subscribe().err(), Some(TooManySubscribers { max: 1 }));
        drop(seated);
        assert!(!hub.has_subscribers());
        assert!(hub.subscribe().is_ok());
    }

    #[test]
    fn lines_nobody_follows_are_not_lost_lines() {
        let hub = Hub::new(1, 1);
        hub.publish(&line("unheard"));
        let mut late = hub.subscribe().expect("a seat");
        assert_eq!(drain(&mut late), Vec::<String>::new());
        assert_eq!(hub.slow_subscriber_lost(), 0);
    }
}
