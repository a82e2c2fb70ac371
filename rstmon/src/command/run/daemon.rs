//! What the daemon serves.

use crate::{
    command::{
        doctor,
        monitor::{Monitor, lock},
    },
    sandbox::Sandbox,
    serve::{
        DEFAULT_MAX_SUBSCRIBERS, DEFAULT_QUEUE_LINES, Hub, NotReady, Source, SourceError, Subscription,
        TooManySubscribers, event::Event, history::History,
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
        if self.hub.has_subscribers()
            && let Some(line) = json(&event)
        {
            self.hub.publish(&line);
        }
        lock(&self.history).push(event);
    }
}

fn json(event: &Event) -> Option<Arc<str>> {
    match serde_json::to_string(event) {
        Ok(line) => Some(line.into()),
        Err(error) => {
            tracing::error!(%error, "an event cannot be written as JSON");
            None
        }
    }
}

impl Source for Daemon {
    fn metrics(&self) -> Result<String, SourceError> {
        Ok(self.monitor.metrics(self.hub.slow_subscriber_lost())?)
    }

    fn ready(&self) -> Result<(), NotReady> {
        // The server starts only after the hooks are attached, and they stay so until it ends.
        Ok(())
    }

    fn doctor(&self) -> serde_json::Value {
        let report =
            doctor::Report::of_daemon(self.monitor.hooks(), self.monitor.missing_fields()).confined(&self.sandbox);
        serde_json::to_value(report).unwrap_or_default()
    }

    fn history(&self, since: Duration) -> Vec<Arc<str>> {
        let events = lock(&self.history).since(since, Timestamp::now());
        events.iter().filter_map(|event| json(event)).collect()
    }

    fn subscribe(&self) -> Result<Subscription, TooManySubscribers> {
        self.hub.subscribe()
    }
}
