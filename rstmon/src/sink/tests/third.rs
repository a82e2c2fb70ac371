//! A test sink that counts all events after the second as lost.

use crate::{event::Event, sink::Sink};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

#[derive(Default)]
pub(super) struct Third {
    taken: AtomicU64,
}

impl Sink for Third {
    fn name(&self) -> &'static str {
        "third"
    }

    fn take(&self, _: &Arc<Event>) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    fn lost(&self) -> Option<u64> {
        Some(self.taken.load(Ordering::Relaxed).saturating_sub(2))
    }
}
