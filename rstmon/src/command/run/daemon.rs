//! The data that the daemon serves.

use crate::{
    event::{filter::Filter, line::event_line, snapshot::Snapshot, span::TimeSpan},
    metrics::Format,
    monitor::{Monitor, doctor::DoctorReport},
    sandbox::Sandbox,
    serve::{NotReady, Past, RememberedLines, Source, SourceError},
    sink::{
        History, Hub, Sinks,
        history::HistoryExtent,
        hub::{Subscription, TooManySubscribers},
    },
};
use std::sync::Arc;

/// The monitor and the sinks of its events.
pub(super) struct DaemonSource {
    monitor: Arc<Monitor>,
    history: Arc<History>,
    hub: Arc<Hub>,
    sinks: Arc<Sinks>,
    sandbox: Sandbox,
}

impl DaemonSource {
    pub(super) fn new(monitor: Arc<Monitor>, history: usize, sandbox: Sandbox) -> Self {
        let (history, hub) = (Arc::new(History::new(history)), Arc::new(Hub::default()));
        let sinks = Arc::new(Sinks::new(vec![Arc::clone(&hub) as _, Arc::clone(&history) as _]));
        Self { monitor, history, hub, sinks, sandbox }
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
        Ok(self.monitor.metrics(self.sinks.losses(), self.hub.subscribers_cut(), format)?)
    }

    fn ready(&self) -> Result<(), NotReady> {
        // The server starts only after the hooks are attached, and they stay attached until it ends.
        Ok(())
    }

    fn doctor(&self) -> serde_json::Value {
        let report =
            DoctorReport::of_daemon(self.monitor.hooks(), self.monitor.missing_fields(), self.monitor.aspects())
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

    fn subscribe(&self, past: Past, filter: Filter) -> Result<(HistoryExtent, Subscription), TooManySubscribers> {
        // Between events, so that each event is either in the history or sent live, and never both.
        self.sinks.between_events(|| {
            let mut remembered = self.history.last(past.last);
            remembered.retain(|event| event.time >= past.since);
            Ok((self.history.extent(), self.hub.subscribe(filter, remembered)?))
        })
    }
}
