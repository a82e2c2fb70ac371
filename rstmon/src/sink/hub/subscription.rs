//! The subscriber's end: a stream of NDJSON lines.

use super::{Delivery, HubShared};
use crate::event::{
    Event,
    line::{event_line, lost_line},
};
use futures_util::Stream;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};
use tokio::sync::mpsc;

/// One subscriber's stream of NDJSON lines, without line ends.
pub(crate) struct Subscription {
    pub(super) id: u64,
    /// Past events, sent before the live lines and serialised only when they are read.
    pub(super) history: VecDeque<Arc<Event>>,
    pub(super) lines: mpsc::Receiver<Delivery>,
    /// The line after a gap, while the gap itself is being announced.
    pub(super) after_gap: Option<Arc<str>>,
    pub(super) shared: Arc<HubShared>,
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

    /// Unregisters a reader that was cut off because it took nothing. It counts once, even if the hub has cut it off
    /// before.
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
