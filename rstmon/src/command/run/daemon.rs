//! The data that the daemon serves.

use crate::{
    event::{filter::Filter, line::event_line, snapshot::Snapshot},
    metrics::Format,
    monitor::{Monitor, doctor::DoctorReport, store},
    sandbox::Sandbox,
    serve::{NotReady, Source, SourceError},
    sink::{
        History, Hub, Sink, Sinks, Store,
        hub::{Subscription, TooManySubscribers},
        store::StoreStatus,
    },
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// The monitor and the sinks of its events.
pub(super) struct DaemonSource {
    monitor: Arc<Monitor>,
    history: Arc<History>,
    hub: Arc<Hub>,
    store: Option<Arc<Store>>,
    sinks: Arc<Sinks>,
    sandbox: Sandbox,
}

impl DaemonSource {
    pub(super) fn new(monitor: Arc<Monitor>, history: usize, store: Option<Arc<Store>>, sandbox: Sandbox) -> Self {
        let (history, hub) = (Arc::new(History::new(history)), Arc::new(Hub::default()));
        let mut sinks: Vec<Arc<dyn Sink>> = vec![Arc::clone(&hub) as _, Arc::clone(&history) as _];
        sinks.extend(store.clone().map(|store| store as _));
        Self { monitor, history, hub, store, sinks: Arc::new(Sinks::new(sinks)), sandbox }
    }

    fn store_status(&self) -> Option<StoreStatus> {
        self.store.as_ref().map(|store| store.status())
    }

    pub(super) fn sinks(&self) -> Arc<Sinks> {
        Arc::clone(&self.sinks)
    }

    pub(super) fn resize_history(&self, events: usize) {
        self.history.resize(events);
    }
}

impl Source for DaemonSource {
    fn metrics(&self, format: Format) -> Result<String, SourceError> {
        let (losses, cut) = (self.sinks.losses(), self.hub.subscribers_cut());
        Ok(self.monitor.metrics(losses, cut, self.store_status(), format)?)
    }

    fn ready(&self) -> Result<(), NotReady> {
        // The server starts only after the hooks are attached, and they stay attached until it ends.
        Ok(())
    }

    fn doctor(&self) -> serde_json::Value {
        let report =
            DoctorReport::of_daemon(self.monitor.hooks(), self.monitor.missing_fields(), self.monitor.aspects())
                .with([store::check(self.store_status().as_ref())])
                .with(self.sandbox.checks());
        serde_json::to_value(report).unwrap_or_default()
    }

    fn history(&self, since: Duration) -> Box<dyn Iterator<Item = Arc<str>> + Send> {
        let events = self.history.since(since, Timestamp::now());
        Box::new(events.into_iter().filter_map(|event| event_line(&event)))
    }

    fn snapshot(&self) -> Result<Snapshot, SourceError> {
        Ok(self.monitor.snapshot(&self.sinks.losses())?)
    }

    fn subscribe(&self, history: usize, filter: Filter) -> Result<Subscription, TooManySubscribers> {
        // Between events, so that each event is either in the history or sent live, and never both.
        self.sinks.between_events(|| self.hub.subscribe(filter, self.history.last(history)))
    }
}
