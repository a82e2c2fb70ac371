//! A bounded queue to a reader in the same process. An event that does not fit is dropped and counted.

use super::{SLOW_SUBSCRIBER, Sink};
use crate::event::Event;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};

/// The sending end of the queue.
pub(crate) struct EventQueue {
    sender: SyncSender<Arc<Event>>,
    lost: AtomicU64,
}

impl EventQueue {
    /// Makes a queue of at most `capacity` events, and its receiving end.
    #[must_use]
    pub(crate) fn new(capacity: usize) -> (Arc<Self>, Receiver<Arc<Event>>) {
        let (sender, receiver) = sync_channel(capacity);
        (Arc::new(Self { sender, lost: AtomicU64::new(0) }), receiver)
    }
}

impl Sink for EventQueue {
    fn name(&self) -> &'static str {
        SLOW_SUBSCRIBER
    }

    fn take(&self, event: &Arc<Event>) {
        if self.sender.try_send(Arc::clone(event)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lost(&self) -> Option<u64> {
        Some(self.lost.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::{EventQueue, Sink as _};
    use crate::event::testing::event;
    use std::sync::Arc;

    #[test]
    fn events_beyond_the_capacity_are_counted_and_not_waited_for() {
        let (queue, receiver) = EventQueue::new(2);
        let event = Arc::new(event());
        for _ in 0..5 {
            queue.take(&event);
        }
        assert_eq!(queue.lost(), Some(3));
        assert_eq!(receiver.try_iter().count(), 2);
    }
}
