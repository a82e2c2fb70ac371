//! What the daemon serves.

use crate::{
    command::{
        doctor,
        monitor::{Monitor, lock},
    },
    metrics::Format,
    sandbox::Sandbox,
    serve::{
        DEFAULT_MAX_SUBSCRIBERS, DEFAULT_QUEUE_LINES, Hub, NotReady, Source, SourceError, Subscription,
        TooManySubscribers, event::Event, event_line, filter::Filter, history::History, snapshot::Snapshot,
    },
};
use jiff::Timestamp;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// The monitor, its memory of events and those who watch.
pub(super) struct Daemon {
    monitor: Arc<Monitor>,
    history: Mutex<History>,
    hub: Hub,
    sandbox: Sandbox,
}

impl Daemon {
    pub(super) fn new(monitor: Arc<Monitor>, history: usize, sandbox: Sandbox) -> Self {
        Self {
            monitor,
            history: Mutex::new(History::new(history)),
            hub: Hub::new(DEFAULT_MAX_SUBSCRIBERS, DEFAULT_QUEUE_LINES),
            sandbox,
        }
    }

    /// Remembers so many events from now on.
    pub(super) fn resize_history(&self, events: usize) {
        lock(&self.history).resize(events);
    }

    /// Remembers an event and shows it to those who watch; it is put into JSON only for them.
    pub(super) fn publish(&self, event: Event) {
        let event = Arc::new(event);
        // Both under one lock: who subscribes gets each event from exactly one of the two.
        let mut history = lock(&self.history);
        self.hub.publish(&event);
        history.push(event);
    }
}

impl Source for Daemon {
    fn metrics(&self, format: Format) -> Result<String, SourceError> {
        Ok(self.monitor.metrics(self.hub.slow_subscriber_lost(), self.hub.subscribers_cut(), format)?)
    }

    fn ready(&self) -> Result<(), NotReady> {
        // The server starts only after the hooks are attached, and they stay so until it ends.
        Ok(())
    }

    fn doctor(&self) -> serde_json::Value {
        let report =
            doctor::Report::of_daemon(self.monitor.hooks(), self.monitor.missing_fields(), self.monitor.aspects())
                .confined(&self.sandbox);
        serde_json::to_value(report).unwrap_or_default()
    }

    fn history(&self, since: Duration) -> Box<dyn Iterator<Item = Arc<str>> + Send> {
        let events = lock(&self.history).since(since, Timestamp::now());
        Box::new(events.into_iter().filter_map(|event| event_line(&event)))
    }

    fn snapshot(&self) -> Result<Snapshot, SourceError> {
        Ok(self.monitor.snapshot(self.hub.slow_subscriber_lost())?)
    }

    fn subscribe(&self, history: usize, filter: Filter) -> Result<Subscription, TooManySubscribers> {
        let remembered = lock(&self.history);
        self.hub.subscribe(filter, remembered.last(history))
    }
}
