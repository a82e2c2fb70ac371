//! Destinations of events: the [`Sink`] trait and one module for each sink.

pub(crate) mod history;
pub(crate) mod hub;
pub(crate) mod queue;
pub(crate) mod store;
#[cfg(test)]
mod tests;

use crate::{event::Event, sync::lock};
pub(crate) use history::History;
pub(crate) use hub::Hub;
pub(crate) use queue::EventQueue;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
pub(crate) use store::Store;

pub(crate) trait Sink: Send + Sync {
    /// The value of the label `why` in `rstmon_events_lost_total`, and the key in the snapshot's `events_lost`, for
    /// events that this sink loses.
    fn name(&self) -> &'static str;

    /// Takes an event. The thread of the event path calls this function, so it must return at once, without waiting for
    /// a disk, a reader or a network. A sink that has no room drops the event and counts it in [`lost`](Self::lost).
    fn take(&self, event: &Arc<Event>);

    /// Events dropped so far; `None` for a sink that cannot lose any.
    fn lost(&self) -> Option<u64>;
}

/// The name of the sinks that lose events to slow readers.
pub(crate) const SLOW_SUBSCRIBER: &str = "slow_subscriber";

/// Events lost so far, by the name of the sink that lost them.
pub(crate) type SinkLosses = BTreeMap<&'static str, u64>;

/// The sinks of a process, in the order in which they get an event.
#[derive(Default)]
pub(crate) struct Sinks {
    sinks: Vec<Arc<dyn Sink>>,
    /// Held while one event is handed to all sinks.
    handing_out: Mutex<()>,
}

impl Sinks {
    #[must_use]
    pub(crate) fn new(sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self { sinks, handing_out: Mutex::default() }
    }

    pub(crate) fn take(&self, event: &Arc<Event>) {
        let _handing_out = lock(&self.handing_out);
        for sink in &self.sinks {
            sink.take(event);
        }
    }

    /// Runs `work` while no event is being handed out, so that `work` sees the same events in all sinks.
    pub(crate) fn between_events<T>(&self, work: impl FnOnce() -> T) -> T {
        let _handing_out = lock(&self.handing_out);
        work()
    }

    /// The losses of all sinks that can lose events.
    #[must_use]
    pub(crate) fn losses(&self) -> SinkLosses {
        let mut losses = SinkLosses::new();
        for sink in &self.sinks {
            if let Some(lost) = sink.lost() {
                *losses.entry(sink.name()).or_default() += lost;
            }
        }
        losses
    }
}
