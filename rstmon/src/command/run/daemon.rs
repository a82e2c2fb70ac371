//! The data that the daemon serves.

use crate::{
    event::{counted::SpanCounts, filter::Filter, line::event_line, snapshot::Snapshot, span::TimeSpan},
    metrics::Format,
    monitor::{Monitor, doctor::DoctorReport, liveness::LivenessCheck, store},
    sandbox::Sandbox,
    serve::{NotReady, Past, RememberedLines, Source, SourceError},
    sink::{
        History, Hub, Sink, Sinks, Store,
        history::HistoryExtent,
        hub::{DEFAULT_QUEUE_LINES, Subscription, TooManySubscribers},
        store::StoreStatus,
    },
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The monitor and the sinks of its events.
pub(super) struct DaemonSource {
    monitor: Arc<Monitor>,
    history: Arc<History>,
    hub: Arc<Hub>,
    store: Option<Arc<Store>>,
    sinks: Arc<Sinks>,
    sandbox: Sandbox,
    /// Absent until the event path has begun.
    event_path: OnceLock<LivenessCheck>,
}

impl DaemonSource {
    pub(super) fn new(
        monitor: Arc<Monitor>,
        history: usize,
        followers: usize,
        store: Option<Arc<Store>>,
        sandbox: Sandbox,
    ) -> Self {
        let history = Arc::new(History::new(history));
        let hub = Arc::new(Hub::new(followers, DEFAULT_QUEUE_LINES));
        let mut sinks: Vec<Arc<dyn Sink>> = vec![Arc::clone(&hub) as _, Arc::clone(&history) as _];
        sinks.extend(store.clone().map(|store| store as _));
        let sinks = Arc::new(Sinks::new(sinks));
        Self { monitor, history, hub, store, sinks, sandbox, event_path: OnceLock::new() }
    }

    fn store_status(&self) -> Option<StoreStatus> {
        self.store.as_ref().map(|store| store.status())
    }

    pub(super) fn sinks(&self) -> Arc<Sinks> {
        Arc::clone(&self.sinks)
    }

    /// From now on readiness covers the event path, too. To be called once.
    pub(super) fn begun(&self, event_path: LivenessCheck) {
        let _ = self.event_path.set(event_path);
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
        let event_path = || self.event_path.get().and_then(LivenessCheck::complaint);
        self.monitor.reading_complaint().or_else(event_path).map_or(Ok(()), |reason| Err(NotReady::new(reason)))
    }

    fn doctor(&self) -> serde_json::Value {
        let report =
            DoctorReport::of_daemon(self.monitor.hooks(), self.monitor.missing_fields(), self.monitor.aspects())
                .with([store::check(self.store_status().as_ref())])
                .with(self.sandbox.checks());
        serde_json::to_value(report).unwrap_or_default()
    }

    fn history(&self, span: TimeSpan, filter: Filter) -> RememberedLines {
        let (events, extent) = self.history.within(span);
        let passed = events.into_iter().filter(move |event| filter.matches(&**event));
        RememberedLines { extent, lines: Box::new(passed.filter_map(|event| event_line(&event))) }
    }

    fn snapshot(&self) -> Result<Snapshot, SourceError> {
        Ok(self.monitor.snapshot(&self.sinks.losses())?)
    }

    fn counts(&self, since: Duration) -> Result<SpanCounts, SourceError> {
        Ok(self.monitor.counts_since(since, &self.history)?)
    }

    fn subscribe(&self, past: Past, filter: Filter) -> Result<(HistoryExtent, Subscription), TooManySubscribers> {
        // Between events, so that each event is either in the history or sent live, and never both.
        self.sinks.between_events(|| {
            let mut remembered = self.history.last(past.last);
            remembered.retain(|event| event.time >= past.since);
            Ok((self.history.extent(), self.hub.subscribe(filter, remembered)?))
        })
    }
}
