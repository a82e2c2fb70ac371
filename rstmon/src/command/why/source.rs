//! The events of a diagnosis: from a daemon, from a probe in this process, or from a recording.

use crate::{
    command::{Failure, end_with_reader},
    config::Config,
    event::{Event, counted::SpanCounts, filter::Filter, line::StreamLine, span::TimeSpan},
    host::{counters, listeners, terminal::note},
    model::text::safe,
    monitor::{doctor::DoctorReport, signals::Termination},
    query::{self, Origin, RecordingNames, covered::CoveredSpan, local, recordings::Recordings},
    serve::{Client, Past},
    sink::{History, Sink as _, Sinks},
};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

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
    /// What was counted meanwhile; `None` for a span that has passed, a recording, and a daemon of version 0.1.
    pub(super) counts: Option<SpanCounts>,
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
/// How long an event may take from the kernel to a reader of the daemon: a received one waits for its sender, and lines
/// are gathered into batches.
const ON_THE_WAY: Duration = Duration::from_millis(250);
/// Events kept while watching, whatever the daemon is configured to remember.
const KEPT: usize = 50_000;

/// The events of a span that the daemon remembers. They are not filtered by the daemon: both ends of a RST are needed,
/// and the resets that the filter leaves out are counted.
/// `ends_now`: the span ends at the present, for which the daemon has exact counts.
pub(super) fn remember(config: &Config, span: TimeSpan, ends_now: bool) -> Result<ObservedResets, Failure> {
    query::runtime()?.block_on(async {
        let client = Client::new(&config.socket.path);
        let TimeSpan { since, until } = span;
        let lines = if ends_now {
            client.last_history(age(since, Timestamp::now())).await
        } else {
            client.history(span, &Filter::default()).await
        };
        let mut lines =
            lines.map_err(|source| if source.is_no_daemon() { Failure::NoDaemon { source } } else { source.into() })?;
        let mut events = Vec::new();
        while let Some(line) = lines.try_next().await? {
            match serde_json::from_str::<Event>(&line) {
                // The age of the oldest was rounded up.
                Ok(event) if event.time < since => {}
                Ok(event) => events.push(Arc::new(event)),
                Err(error) => tracing::warn!(%error, "the daemon sent an event that this version does not know"),
            }
        }
        let now = Timestamp::now();
        // After the events: of each of them, the reset is counted.
        let counts = if ends_now { client.counts(age(since, now)).await? } else { None };
        let until = if ends_now { Timestamp::now() } else { until };
        // A memory without room is full, whatever the span.
        let has_room = config.history.events > 0;
        let mut covered = lines.extent.filter(|_| has_room).map(|extent| CoveredSpan::of_memory(extent, now));
        if let (Some(covered), Some(counts)) = (&mut covered, &counts) {
            covered.begin_with(counts.started);
        }
        let begin = counts.as_ref().map_or(since, |counts| since.max(counts.started));
        let has_forgotten = match (covered, &counts) {
            (Some(covered), _) => covered.has_forgotten_of(TimeSpan { since: begin, until }),
            (None, Some(counts)) => {
                counts.events_forgotten > 0 && counts.oldest_event.is_none_or(|oldest| oldest > begin)
            }
            // More events than this configuration allows come from a daemon with another, unknown configuration.
            (None, None) => events.len() == config.history.events,
        };
        Ok(ObservedResets {
            memory_full: !has_room || has_forgotten,
            events,
            origin: Origin::Daemon(config.socket.path.clone()),
            since: begin,
            until,
            ends_now,
            covered,
            hidden: hidden(&client).await?,
            lost: counts.as_ref().map(|counts| counts.events_lost),
            counts,
            overflows: BTreeMap::new(),
            listeners: overloaded_ports(),
        })
    })
}

/// How long `since` is before `now`.
fn age(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// The daemon's events from now on. SIGINT and SIGTERM end it early, with a report.
pub(super) fn follow(config: &Config, span: Duration) -> Result<ObservedResets, Failure> {
    query::runtime()?.block_on(async {
        let client = Client::new(&config.socket.path);
        let mut lines = client.events(Past { last: 0, since: Timestamp::MIN }, &Filter::default()).await?;
        end_with_reader()?;
        let mut signals = Termination::catch().map_err(Failure::io("cannot handle signals"))?;
        let (begun, since, overflows) = (Instant::now(), Timestamp::now(), Overflows::read());
        let at = config.socket.path.display();
        note(&format!("watching resets through the daemon at {at} for {}s; Ctrl-C reports now", span.as_secs()));
        let history = History::new(KEPT);
        let (mut lost, mut end) = (0_u64, begun.checked_add(span));
        let mut until = None;
        loop {
            let deadline = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                line = lines.try_next() => match line?.map(|line| StreamLine::parse(line.as_bytes())) {
                    Some(Ok(StreamLine::Event(event))) => {
                        if until.is_none_or(|until| event.time <= until) {
                            history.take(&Arc::from(event));
                        }
                        continue;
                    }
                    Some(Ok(StreamLine::Lost(more))) => {
                        lost = lost.saturating_add(more);
                        continue;
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "the daemon sent an event that this version does not know");
                        continue;
                    }
                    None => return Err(Failure::DaemonStopped),
                },
                () = deadline => {}
                _ = signals.received(), if until.is_none() => {}
            }
            if until.is_some() {
                break;
            }
            // Events of the span may still be on their way.
            until = Some(Timestamp::now());
            end = Some(Instant::now() + ON_THE_WAY);
        }
        signals.release().map_err(Failure::io("cannot handle signals"))?;
        let counts = client.counts(begun.elapsed()).await?;
        let (events, memory) = history.within(TimeSpan::ALWAYS);
        Ok(ObservedResets {
            memory_full: memory.has_forgotten,
            events,
            origin: Origin::Daemon(config.socket.path.clone()),
            since,
            until: until.unwrap_or_else(Timestamp::now),
            ends_now: true,
            covered: None,
            hidden: hidden(&client).await?,
            lost: Some(lost.saturating_add(counts.as_ref().map_or(0, |counts| counts.events_lost))),
            counts,
            overflows: overflows.growth(),
            listeners: overloaded_ports(),
        })
    })
}

/// What the daemon's host cannot show.
async fn hidden(client: &Client) -> Result<Vec<String>, Failure> {
    Ok(match serde_json::from_value::<DoctorReport>(client.doctor().await?) {
        Ok(report) => report.hidden().iter().map(|hidden| safe(hidden)).collect(),
        Err(error) => {
            tracing::warn!(%error, "the daemon's doctor report has another form than this version's");
            vec!["what the daemon's own `rstmon doctor` says".to_owned()]
        }
    })
}

/// The kernel's counters of full accept queues at a moment.
struct Overflows(BTreeMap<&'static str, u64>);

impl Overflows {
    fn read() -> Self {
        Self(counters::read().unwrap_or_default())
    }

    /// How much they have grown since; without those that have not.
    fn growth(&self) -> BTreeMap<&'static str, u64> {
        let now = counters::read().unwrap_or_default();
        let growth = |name| now.get(name).zip(self.0.get(name)).map_or(0, |(now, then)| now.saturating_sub(*then));
        OVERFLOWS.into_iter().map(|name| (name, growth(name))).filter(|(_, grown)| *grown > 0).collect()
    }
}

/// The events from now on, from a probe in this process. SIGINT and SIGTERM end it early, with a report.
pub(super) fn watch(config: &Config, span: Duration) -> Result<ObservedResets, Failure> {
    let attached = local::attach(config)?;
    let runtime = query::runtime()?;
    end_with_reader()?;
    // Before the note invites the user to press Ctrl-C.
    let mut signals = {
        let _in = runtime.enter();
        Termination::catch().map_err(Failure::io("cannot handle signals"))?
    };
    let history = Arc::new(History::new(KEPT));
    let sink = Arc::clone(&history);
    let alone = attached.watch(Arc::new(Sinks::new(vec![sink])))?;
    let (since, overflows) = (Timestamp::now(), Overflows::read());
    note(&format!("watching resets on this host for {}s; Ctrl-C reports now", span.as_secs()));
    let counted = runtime.block_on(alone.until(async {
        tokio::select! {
            () = sleep(span) => {}
            _ = signals.received() => {}
        }
    }))?;
    signals.release().map_err(Failure::io("cannot handle signals"))?;
    // Ends the threads, after they have drained the ring into the history.
    let monitor = alone.finish();
    let until = Timestamp::now();
    let (events, memory) = history.within(TimeSpan::ALWAYS);
    Ok(ObservedResets {
        memory_full: memory.has_forgotten,
        events,
        origin: Origin::Local,
        since,
        until,
        ends_now: true,
        covered: None,
        hidden: DoctorReport::of_daemon(monitor.hooks(), monitor.missing_fields(), monitor.aspects()).hidden(),
        lost: Some(counted.saturating_sub(history.taken())),
        counts: Some(monitor.counts_since(Duration::MAX, &history)?),
        overflows: overflows.growth(),
        listeners: overloaded_ports(),
    })
}

/// The events of recordings, of a span.
pub(super) fn replay(paths: &[PathBuf], span: TimeSpan) -> Result<ObservedResets, Failure> {
    // A recording on standard input may take long.
    end_with_reader()?;
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
    let (events, memory) = history.within(TimeSpan::ALWAYS);
    // An end that was not asked for is that of the recordings.
    let extent = recordings.extent().unwrap_or(span);
    let since = if span.since == TimeSpan::ALWAYS.since { extent.since.min(span.until) } else { span.since };
    let until = if span.until == TimeSpan::ALWAYS.until { extent.until.max(since) } else { span.until };
    Ok(ObservedResets {
        memory_full: memory.has_forgotten,
        events,
        origin: Origin::Recording(RecordingNames(paths.to_vec())),
        since,
        until,
        ends_now: false,
        covered: recordings.extent().map(CoveredSpan::of_recording),
        // What the recording's host could not show is not part of a recording.
        hidden: Vec::new(),
        lost: Some(lost),
        counts: None,
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
