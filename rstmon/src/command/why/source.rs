//! Where the events of a diagnosis come from.

use crate::{
    command::{
        Failure,
        config::Config,
        doctor,
        monitor::{Monitor, lock},
        tail::note,
    },
    metrics::kernel,
    probe::privileges,
    serve::{Client, event::Event, history::History},
};
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Events, where they are from, and what else is known of that time.
pub(super) struct Seen {
    pub(super) events: Vec<Arc<Event>>,
    pub(super) source: String,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// What this host cannot show.
    pub(super) hidden: Vec<String>,
    /// How much the kernel's counters of full accept queues grew; only while watching.
    pub(super) overflows: BTreeMap<&'static str, u64>,
}

/// Counters that tell of accept queues that were full without a reset.
const OVERFLOWS: [&str; 2] = ["ListenOverflows", "ListenDrops"];

/// What the daemon remembers.
pub(super) fn remember(config: &Config, since: Duration) -> Result<Seen, Failure> {
    runtime()?.block_on(async {
        let client = Client::new(&config.socket.path);
        let mut lines = client
            .history(since)
            .await
            .map_err(|source| if source.is_no_daemon() { Failure::NoDaemon { source } } else { source.into() })?;
        let mut events = Vec::new();
        while let Some(line) = lines.try_next().await? {
            match serde_json::from_str::<Event>(&line) {
                Ok(event) => events.push(Arc::new(event)),
                Err(error) => tracing::warn!(%error, "the daemon sent an event that this version does not know"),
            }
        }
        let until = Timestamp::now();
        let report: doctor::Report =
            serde_json::from_value(client.doctor().await?).unwrap_or_else(|_| doctor::Report::of_daemon(&[], &[]));
        Ok(Seen {
            events,
            source: format!("the daemon at {}", config.socket.path.display()),
            since: before(until, since),
            until,
            hidden: report.hidden(),
            overflows: BTreeMap::new(),
        })
    })
}

/// What happens from now on, alone. Ctrl-C ends it early.
pub(super) fn watch(config: &Config, span: Duration) -> Result<Seen, Failure> {
    let (monitor, events) = Monitor::attach(config)?;
    let monitor = Arc::new(monitor);
    privileges::drop_privileges()?;
    let history = Arc::new(Mutex::new(History::new(config.history.events)));
    let sink = Arc::clone(&history);
    let watching = monitor.watch(events, move |event| lock(&sink).push(Arc::new(event)))?;
    let (since, before) = (Timestamp::now(), kernel::read().unwrap_or_default());
    note(&format!("watching resets on this host for {span:?}; Ctrl-C reports now"));
    runtime()?.block_on(async {
        tokio::select! {
            () = tokio::time::sleep(span) => {}
            // Without a handler Ctrl-C would end the process without a report; that is all that can be lost.
            _ = tokio::signal::ctrl_c() => {}
        }
    });
    // Ends the threads: what is still in the ring gets into the history.
    drop(watching);
    let after = kernel::read().unwrap_or_default();
    let growth =
        |name| after.get(name).zip(before.get(name)).map_or(0, |(after, before)| after.saturating_sub(*before));
    let events = lock(&history).since(Duration::MAX, Timestamp::now());
    Ok(Seen {
        events,
        source: "this host, watched".to_owned(),
        since,
        until: Timestamp::now(),
        hidden: doctor::Report::of_daemon(monitor.hooks(), monitor.missing_fields()).hidden(),
        overflows: OVERFLOWS.into_iter().map(|name| (name, growth(name))).filter(|(_, grown)| *grown > 0).collect(),
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::io("cannot start the runtime"))
}

fn before(until: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| until.checked_sub(span).ok()).unwrap_or(Timestamp::MIN)
}
