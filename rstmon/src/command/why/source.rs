//! The events of a diagnosis: from a daemon, from a probe in this process, or from a recording.

use crate::{
    command::Failure,
    config::Config,
    event::{Event, filter::Filter, line::StreamLine, span::TimeSpan},
    host::{counters, listeners, terminal::note},
    monitor::{doctor::DoctorReport, signals::Termination},
    query::{self, Origin, RecordingNames, covered::CoveredSpan, local, recordings::Recordings},
    serve::Client,
    sink::{History, Sink as _, Sinks},
};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::sleep;

/// A port whose listeners dropped something, or whose accept queue is full now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct OverloadedPort {
    pub(super) port: u16,
    /// Connections in the accept queue now.
    pub(super) backlog: u64,
    /// Limit of the accept queue.
    pub(super) limit: u64,
    /// Segments dropped since the listeners began to listen.
    pub(super) drops: u64,
}

/// Events with their origin, and what else is known of the span.
pub(super) struct ObservedResets {
    /// Oldest first, not yet filtered.
    pub(super) events: Vec<Arc<Event>>,
    pub(super) origin: Origin,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// Whether the span ends at the present.
    pub(super) ends_now: bool,
    /// What the origin has; `None` where it has all of the span.
    pub(super) covered: Option<CoveredSpan>,
    /// What this host cannot show.
    pub(super) hidden: Vec<String>,
    /// Events that are known to be missing; `None` where that is not known.
    pub(super) lost: Option<u64>,
    /// Whether the memory was full, so that older events may have been forgotten.
    pub(super) memory_full: bool,
    /// How much the kernel's counters of full accept queues grew; only while watching.
    pub(super) overflows: BTreeMap<&'static str, u64>,
    /// In ascending order of ports.
    pub(super) listeners: Vec<OverloadedPort>,
}

/// Counters that grow when an accept queue is full, also without a reset.
const OVERFLOWS: [&str; 2] = ["ListenOverflows", "ListenDrops"];
/// Events kept while watching, whatever the daemon is configured to remember.
const KEPT: usize = 50_000;

/// The events of a span that the daemon remembers. They are not filtered by the daemon: both ends of a RST are needed,
/// and the resets that the filter leaves out are counted.
pub(super) fn remember(config: &Config, span: TimeSpan) -> Result<ObservedResets, Failure> {
    query::runtime()?.block_on(async {
        let client = Client::new(&config.socket.path);
        let mut lines = client
            .history(span, &Filter::default())
            .await
            .map_err(|source| if source.is_no_daemon() { Failure::NoDaemon { source } } else { source.into() })?;
        let mut events = Vec::new();
        while let Some(line) = lines.try_next().await? {
            match serde_json::from_str::<Event>(&line) {
                Ok(event) => events.push(Arc::new(event)),
                Err(error) => tracing::warn!(%error, "the daemon sent an event that this version does not know"),
            }
        }
        let now = Timestamp::now();
        // A memory without room is full, whatever the span.
        let has_room = config.history.events > 0;
        let covered = lines.extent.filter(|_| has_room).map(|extent| CoveredSpan::of_memory(extent, now));
        let hidden = match serde_json::from_value::<DoctorReport>(client.doctor().await?) {
            Ok(report) => report.hidden(),
            Err(error) => {
                tracing::warn!(%error, "the daemon's doctor report has another form than this version's");
                vec!["what the daemon's own `rstmon doctor` says".to_owned()]
            }
        };
        Ok(ObservedResets {
            memory_full: !has_room || covered.is_some_and(|covered| covered.has_forgotten_of(span)),
            events,
            origin: Origin::Daemon(config.socket.path.clone()),
            since: span.since,
            until: span.until.min(now),
            ends_now: span.until >= now,
            covered,
            hidden,
            lost: None,
            overflows: BTreeMap::new(),
            listeners: overloaded_ports(),
        })
    })
}

/// The events from now on, from a probe in this process. SIGINT and SIGTERM end it early, with a report.
pub(super) fn watch(config: &Config, span: Duration) -> Result<ObservedResets, Failure> {
    let attached = local::attach(config)?;
    let runtime = query::runtime()?;
    // Before the note invites the user to press Ctrl-C.
    let mut signals = {
        let _in = runtime.enter();
        Termination::catch().map_err(Failure::io("cannot handle signals"))?
    };
    let history = Arc::new(History::new(KEPT));
    let sink = Arc::clone(&history);
    let alone = attached.watch(Arc::new(Sinks::new(vec![sink])))?;
    let (since, before) = (Timestamp::now(), counters::read().unwrap_or_default());
    note(&format!("watching resets on this host for {}s; Ctrl-C reports now", span.as_secs()));
    let counted = runtime.block_on(alone.until(async {
        tokio::select! {
            () = sleep(span) => {}
            _ = signals.received() => {}
        }
    }))?;
    // Ends the threads, after they have drained the ring into the history.
    let monitor = alone.finish();
    let after = counters::read().unwrap_or_default();
    let growth =
        |name| after.get(name).zip(before.get(name)).map_or(0, |(after, before)| after.saturating_sub(*before));
    let until = Timestamp::now();
    let (events, _) = history.within(TimeSpan::ALWAYS);
    Ok(ObservedResets {
        memory_full: history.taken() > events.len() as u64,
        events,
        origin: Origin::Local,
        since,
        until,
        ends_now: true,
        covered: None,
        hidden: DoctorReport::of_daemon(monitor.hooks(), monitor.missing_fields(), monitor.aspects()).hidden(),
        lost: Some(counted.saturating_sub(history.taken())),
        overflows: OVERFLOWS.into_iter().map(|name| (name, growth(name))).filter(|(_, grown)| *grown > 0).collect(),
        listeners: overloaded_ports(),
    })
}

/// The events of recordings, of a span.
pub(super) fn replay(paths: &[PathBuf], span: TimeSpan) -> Result<ObservedResets, Failure> {
    let mut recordings = Recordings::open(paths, span)?;
    let history = History::new(KEPT);
    let mut lost = 0_u64;
    while let Some(line) = recordings.next_line()? {
        match line {
            StreamLine::Event(event) => history.take(&Arc::from(event)),
            StreamLine::Lost(more) => lost = lost.saturating_add(more),
        }
    }
    for complaint in recordings.complaints() {
        note(complaint);
    }
    let events = history.last(KEPT);
    // An end that was not asked for is that of the recordings.
    let extent = recordings.extent().unwrap_or(span);
    let since = if span.since == TimeSpan::ALWAYS.since { extent.since.min(span.until) } else { span.since };
    let until = if span.until == TimeSpan::ALWAYS.until { extent.until.max(since) } else { span.until };
    Ok(ObservedResets {
        memory_full: history.taken() > events.len() as u64,
        events,
        origin: Origin::Recording(RecordingNames(paths.to_vec())),
        since,
        until,
        ends_now: false,
        covered: recordings.extent().map(CoveredSpan::of_recording),
        // What the recording's host could not show is not part of a recording.
        hidden: Vec::new(),
        lost: Some(lost),
        overflows: BTreeMap::new(),
        listeners: Vec::new(),
    })
}

/// Ports whose listeners dropped something or whose queue is full; none where the listeners cannot be read.
fn overloaded_ports() -> Vec<OverloadedPort> {
    let sockets = listeners::read().unwrap_or_else(|error| {
        tracing::debug!(%error, "cannot read the listeners");
        Vec::new()
    });
    listeners::by_port(&sockets)
        .into_iter()
        .map(|(port, listeners::PortListeners { backlog, limit, drops })| OverloadedPort {
            port,
            backlog,
            limit,
            drops,
        })
        // A queue takes one more than its limit: `sk_acceptq_is_full()` in include/net/sock.h.
        .filter(|port| port.drops > 0 || port.backlog > port.limit)
        .collect()
}
