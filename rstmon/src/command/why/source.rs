//! Where the events of a diagnosis come from.

use crate::{
    command::{
        Failure,
        config::Config,
        confine, doctor,
        follow::Line,
        monitor::{Monitor, lock},
        recording::Recording,
        stream::{note, runtime},
    },
    metrics::{kernel, listeners},
    serve::{Client, event::Event, history::History},
};
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep},
};

/// Who saw the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The daemon behind this socket.
    Daemon(PathBuf),
    /// This process.
    Watched,
    /// This recording.
    Recorded(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(path) => write!(f, "the daemon at {}", path.display()),
            Self::Watched => f.write_str("this host, watched"),
            Self::Recorded(path) => write!(f, "the recording {}", path.display()),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A port whose listeners dropped something, or whose accept queue is full now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Full {
    pub(super) port: u16,
    /// Connections in the accept queue now.
    pub(super) backlog: u64,
    /// Its limit.
    pub(super) limit: u64,
    /// Segments dropped since the listeners began to listen.
    pub(super) drops: u64,
}

/// Events, where they are from, and what else is known of that time.
pub(super) struct Seen {
    /// Oldest first, also those that are of no interest.
    pub(super) events: Vec<Arc<Event>>,
    pub(super) source: Source,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// What this host cannot show.
    pub(super) hidden: Vec<String>,
    /// Events that are known to be missing; `None` where that is not known.
    pub(super) lost: Option<u64>,
    /// As many events as are remembered: there may have been older ones.
    pub(super) memory_full: bool,
    /// How much the kernel's counters of full accept queues grew; only while watching.
    pub(super) overflows: BTreeMap<&'static str, u64>,
    /// Listeners in trouble, by port.
    pub(super) listeners: Vec<Full>,
}

/// Counters that tell of accept queues that were full without a reset.
const OVERFLOWS: [&str; 2] = ["ListenOverflows", "ListenDrops"];
/// Events kept while watching, whatever the daemon is configured to remember.
const KEPT: usize = 50_000;
/// How often the counts are read while watching: a count map that stays full would lump the rate limits together.
const READ_INTERVAL: Duration = Duration::from_secs(10);

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
        let hidden = match serde_json::from_value::<doctor::Report>(client.doctor().await?) {
            Ok(report) => report.hidden(),
            Err(error) => {
                tracing::warn!(%error, "the daemon's doctor does not speak this version's words");
                vec!["what the daemon's own `rstmon doctor` says".to_owned()]
            }
        };
        Ok(Seen {
            // More than this configuration allows come from a daemon with another one, of which nothing is known.
            memory_full: events.len() == config.history.events,
            events,
            source: Source::Daemon(config.socket.path.clone()),
            since: before(until, since),
            until,
            hidden,
            lost: None,
            overflows: BTreeMap::new(),
            listeners: full_listeners(),
        })
    })
}

/// What happens from now on, alone. SIGINT and SIGTERM end it early, with a report.
pub(super) fn watch(config: &Config, span: Duration) -> Result<Seen, Failure> {
    let (monitor, events) = Monitor::attach(config)?;
    let monitor = Arc::new(monitor);
    confine::confine(config, &confine::watching())?;
    let runtime = runtime()?;
    // Before anybody is told to press Ctrl-C.
    let signals = {
        let _in = runtime.enter();
        Signals::catch()?
    };
    let memory = Arc::new(Mutex::new((History::new(KEPT), 0_u64)));
    let sink = Arc::clone(&memory);
    let watching = monitor.watch(events, move |event| {
        let (history, seen) = &mut *lock(&sink);
        history.push(Arc::new(event));
        *seen += 1;
    })?;
    let (since, before) = (Timestamp::now(), kernel::read().unwrap_or_default());
    note(&format!("watching resets on this host for {}s; Ctrl-C reports now", span.as_secs()));
    let counted = runtime.block_on(wait(&monitor, span, signals))?;
    // Ends the threads: what is still in the ring gets into the history.
    drop(watching);
    let after = kernel::read().unwrap_or_default();
    let growth =
        |name| after.get(name).zip(before.get(name)).map_or(0, |(after, before)| after.saturating_sub(*before));
    let until = Timestamp::now();
    let (events, seen) = {
        let memory = lock(&memory);
        (memory.0.since(Duration::MAX, until), memory.1)
    };
    Ok(Seen {
        memory_full: seen > events.len() as u64,
        events,
        source: Source::Watched,
        since,
        until,
        hidden: doctor::Report::of_daemon(monitor.hooks(), monitor.missing_fields(), monitor.aspects()).hidden(),
        lost: Some(counted.saturating_sub(seen)),
        overflows: OVERFLOWS.into_iter().map(|name| (name, growth(name))).filter(|(_, grown)| *grown > 0).collect(),
        listeners: full_listeners(),
    })
}

/// What was recorded, here or elsewhere, now or long ago.
pub(super) fn replay(path: &Path) -> Result<Seen, Failure> {
    let mut recording = Recording::open(path)?;
    let mut history = History::new(KEPT);
    let (mut seen, mut lost) = (0_u64, 0_u64);
    while let Some(line) = recording.next_line()? {
        match line {
            Line::Event(event) => {
                history.push(Arc::from(event));
                seen += 1;
            }
            Line::Lost { lost: more } => lost = lost.saturating_add(more),
        }
    }
    if let Some(complaint) = recording.complaint() {
        note(&complaint);
    }
    let events = history.last(KEPT);
    let times = || events.iter().map(|event| event.time);
    let (since, until) = (times().min().unwrap_or(Timestamp::MIN), times().max().unwrap_or(Timestamp::MAX));
    Ok(Seen {
        memory_full: seen > events.len() as u64,
        events,
        source: Source::Recorded(path.to_owned()),
        since,
        until,
        // A recording does not tell what its host could not show.
        hidden: Vec::new(),
        lost: Some(lost),
        overflows: BTreeMap::new(),
        listeners: Vec::new(),
    })
}

/// What ends a watch early.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::io("cannot handle SIGINT"))?,
            terminate: signal(SignalKind::terminate()).map_err(Failure::io("cannot handle SIGTERM"))?,
        })
    }
}

/// Waits, and returns the exact number of resets, sent and received.
async fn wait(monitor: &Monitor, span: Duration, mut signals: Signals) -> Result<u64, Failure> {
    let end = sleep(span);
    tokio::pin!(end);
    let mut tick = interval(READ_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.terminate.recv() => break,
            _ = tick.tick() => { monitor.read_counts()?; }
        }
    }
    monitor.read_counts()
}

/// Listeners that dropped something or whose queue is full; none where the kernel does not tell.
fn full_listeners() -> Vec<Full> {
    let sockets = listeners::read().unwrap_or_else(|error| {
        tracing::debug!(%error, "cannot read the listeners");
        Vec::new()
    });
    listeners::by_port(&sockets)
        .into_iter()
        .map(|(port, listeners::Listener { backlog, limit, drops })| Full { port, backlog, limit, drops })
        // A queue takes one more than its limit: `sk_acceptq_is_full()` in include/net/sock.h.
        .filter(|full| full.drops > 0 || full.backlog > full.limit)
        .collect()
}

fn before(until: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| until.checked_sub(span).ok()).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::{Duration, Timestamp, before};

    #[test]
    fn a_span_longer_than_time_begins_with_it() {
        let until: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
        assert_eq!(before(until, Duration::from_mins(10)).to_string(), "2026-11-21T02:50:00Z");
        for span in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 40)] {
            assert_eq!(before(until, span), Timestamp::MIN, "{span:?}");
        }
    }
}
