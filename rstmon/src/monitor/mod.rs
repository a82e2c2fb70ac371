//! The monitor of a host, which connects probe, attribution, explanation and metrics. Events flow through one thread
//! from the ring to the sinks; counts are read on demand. `rstmon run` serves a monitor; `top`, `tail` and `why` run
//! one in their own process where there is no daemon.

pub(crate) mod alone;
pub(crate) mod doctor;
mod error;
mod findings;
pub(crate) mod liveness;
mod pipeline;
mod readiness;
mod reconciliation;
pub(crate) mod signals;
pub(crate) mod store;

use crate::{
    attribute::{Controller, Mounts, OomKills, Placement, ProcessRef, Procfs, Resolver, ResolverLimits},
    event::{
        Event,
        counted::{SPAN_SCHEMA, SpanCounts},
        expect::Expectations,
        snapshot::{Degraded, EventsLost, SNAPSHOT_SCHEMA, Snapshot},
    },
    explain::Verdict,
    host::{counters, listeners, log_output},
    metrics::{
        Format, Health, LabelSet, MetricsRegistry, Namespaces, Reconciliation, SnapshotCounts, growth_counts,
        trend::{self, Trend},
    },
    model::{Clock, Direction, Reasons, Reset},
    probe::{
        self, AttachedPrograms, CountReader, EventSource, HookStatus, Probe, aspect::Aspect, listeners::ListenerTimes,
        netns::NetnsTasks,
    },
    sink::{
        History, SinkLosses, Sinks,
        store::{CountReading, StoreStatus},
    },
    sync::lock,
};
pub(crate) use error::MonitorError;
use findings::{Findings, HostTables};
use jiff::Timestamp;
pub(crate) use pipeline::EventPath;
use readiness::LastDone;
use reconciliation::HostReadings;
use rstmon_common::{ResetRecord, limits::lost};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

#[derive(Clone, Debug)]
pub(crate) struct MonitorOptions {
    pub(crate) probe: probe::Options,
    /// Upper limit of the series of `rstmon_resets_total`.
    pub(crate) max_series: usize,
    /// Silence after which a series makes room for others.
    pub(crate) fold_after: Duration,
    /// Labels of `rstmon_resets_total`.
    pub(crate) labels: LabelSet,
    /// Resets that are benign because the operator expects them.
    pub(crate) expectations: Expectations,
}

/// The attached probe and the sums of its counts. Shared between threads.
pub(crate) struct Monitor {
    hooks: Vec<HookStatus>,
    aspects: Vec<Aspect>,
    reasons: Reasons,
    counts: Mutex<CountReader>,
    last_reading: LastDone,
    exporter: Mutex<MetricsRegistry>,
    trend: Mutex<Trend>,
    /// When counting began, on both clocks.
    started: (Instant, Timestamp),
    resolver: Mutex<Resolver>,
    oom_kills: Mutex<OomKills>,
    programs: AttachedPrograms,
    namespaces: Mutex<Namespaces>,
    listen_drops: Mutex<listeners::Drops>,
    netns_tasks: NetnsTasks,
    listener_times: ListenerTimes,
    findings: Mutex<Findings>,
    missing_fields: Vec<String>,
    expectations: Expectations,
}

impl Monitor {
    /// Attaches the probe. Starts no thread, so that the caller can still give up privileges.
    pub(crate) fn attach(options: &MonitorOptions) -> Result<(Self, EventSource), MonitorError> {
        let Probe {
            hooks,
            reasons,
            aspects,
            missing_fields,
            cgroup_v1,
            counts,
            netns_tasks,
            listener_times,
            events,
            programs,
            ..
        } = Probe::attach(&options.probe)?;
        if let Some(error) = programs.run_time_refused() {
            tracing::warn!(%error, "metrics.probe_runtime needs CAP_SYS_ADMIN at the start, or sysctl kernel.bpf_stats_enabled=1");
        }
        let namespaces = Mutex::new(Namespaces::new(counts.cpus() as u64));
        let exporter = MetricsRegistry::new(
            options.max_series,
            options.fold_after,
            options.labels,
            reasons.clone(),
            hooks.clone(),
        )?
        .expecting(options.expectations.clone());
        let mounts =
            Mounts::discover(Procfs::default().root()).map_err(|source| MonitorError::Cgroups(source.into()))?;
        let controller = v1_controller(cgroup_v1);
        let monitor = Self {
            hooks,
            aspects,
            counts: Mutex::new(counts),
            last_reading: LastDone::new("reading the counts"),
            exporter: Mutex::new(exporter),
            trend: Mutex::default(),
            started: (Instant::now(), Timestamp::now()),
            resolver: Mutex::new(resolver(&mounts, controller)),
            oom_kills: Mutex::new(OomKills::new(&mounts, controller)),
            reasons,
            programs,
            namespaces,
            listen_drops: Mutex::default(),
            netns_tasks,
            listener_times,
            findings: Mutex::default(),
            expectations: options.expectations.clone(),
            missing_fields: missing_fields
                .iter()
                .map(|field| format!("{}.{}", field.aggregate, field.member))
                .collect(),
        };
        // The first reading is the base that later ones are compared with.
        monitor.reconcile()?;
        Ok((monitor, events))
    }

    /// Starts the event path, which hands every event to `sinks`.
    pub(crate) fn watch(self: &Arc<Self>, events: EventSource, sinks: Arc<Sinks>) -> Result<EventPath, MonitorError> {
        EventPath::start(Arc::clone(self), events, sinks)
    }

    fn explain(&self, record: &ResetRecord, clock: Clock, now: Instant) -> Event {
        let mut reset = Reset::decode(record, &self.reasons, clock);
        let owner = reset.owner.as_ref();
        let owner = owner.and_then(|owner| Some(ProcessRef { pid: owner.pid?, start_ns: owner.start_ns }));
        reset.evidence.oom_killed = self.is_oom_kill(&reset, owner);
        let placement = lock(&self.resolver).resolve(reset.cgroup, owner, now);
        let verdict = Verdict::on(&reset);
        lock(&self.exporter).observe(&reset, verdict.cause);
        let mut event = Event::new(&reset, placement.as_deref(), verdict);
        self.expectations.apply(&mut event);
        event
    }

    /// Adds what this host's tables of sockets say of an event that is complete otherwise.
    fn add_finding(&self, event: &mut Event) {
        let tables = HostTables { tasks: &self.netns_tasks, times: &self.listener_times };
        if let Some(found) = lock(&self.findings).about(event, &tables, Instant::now()) {
            event.add_finding(found);
        }
    }

    fn is_oom_kill(&self, reset: &Reset, owner: Option<ProcessRef>) -> bool {
        let Some(owner) = owner.filter(|_| reset.evidence.exit_signal == Some(SIGKILL)) else { return false };
        let died = reset.evidence.closed_ago.and_then(|ago| reset.time.checked_sub(ago)).unwrap_or(reset.time);
        lock(&self.oom_kills).killed(reset.cgroup, owner, died, SystemTime::now())
    }

    /// Looks at the counts of the OOM killer's kills, so that it is known when they grew. Called every few seconds.
    pub(crate) fn look_at_oom_kills(&self) {
        lock(&self.oom_kills).look(SystemTime::now());
    }

    /// Reads the counts of the kernel half and returns their sum, all resets so far. Called at each scrape, and at
    /// least every few seconds, so that the count map never stays full.
    pub(crate) fn read_counts(&self) -> Result<u64, MonitorError> {
        // Locked to the end: if an older reading were absorbed after a newer one, resets would count twice.
        let mut reader = lock(&self.counts);
        let counts = reader.read().inspect_err(|error| self.last_reading.failed(error))?;
        let mut exporter = lock(&self.exporter);
        let mut resolver = lock(&self.resolver);
        let (now, elapsed) = (Instant::now(), self.started.0.elapsed());
        exporter.absorb(&counts, elapsed, |cgroup| {
            resolver.resolve(cgroup, None, now).as_deref().map_or_else(|| ("".into(), "".into()), labels)
        });
        let mut trend = lock(&self.trend);
        trend.absorb(elapsed, exporter.sums());
        trend.lose(elapsed, exporter.events_lost().into_iter().map(|(_, lost)| lost).sum());
        self.last_reading.done();
        Ok(exporter.sums().map(|(_, sum)| sum).sum())
    }

    /// What is wrong with counting, as far as the last reading of the counts shows.
    pub(crate) fn reading_complaint(&self) -> Option<String> {
        self.last_reading.complaint(Instant::now())
    }

    /// The exact counts, for the store.
    pub(crate) fn count_reading(&self) -> Result<CountReading, MonitorError> {
        self.read_counts()?;
        let exporter = lock(&self.exporter);
        Ok(CountReading {
            sums: exporter.sums().map(|(series, sum)| (series.clone(), sum)).collect(),
            lost: exporter.events_lost().to_vec(),
        })
    }

    /// When counting began.
    #[must_use]
    pub(crate) fn started(&self) -> Timestamp {
        self.started.1
    }

    /// Compares the counts with the kernel's own in every network namespace that can be read. The difference is the
    /// number of resets that the kernel sends and no hook sees.
    pub(crate) fn reconcile(&self) -> Result<Reconciliation, MonitorError> {
        let mut accounts = HostReadings::new(&self.counts, &self.netns_tasks);
        let standing = lock(&self.namespaces).reconcile(&mut accounts, Instant::now())?;
        for (place, difference) in &standing.differing {
            tracing::debug!(?place, difference, "the kernel's count of resets sent in a network namespace differs");
        }
        Ok(standing)
    }

    pub(crate) fn snapshot(&self, sink_losses: &SinkLosses) -> Result<Snapshot, MonitorError> {
        self.read_counts()?;
        let uncounted = Some(self.reconcile()?.uncounted());
        let exporter = lock(&self.exporter);
        let SnapshotCounts { sent, received, series } =
            SnapshotCounts::new(exporter.sums(), &lock(&self.trend), self.started.0.elapsed());
        let kernel_lost = exporter.lost();
        let host = rustix::system::uname();
        Ok(Snapshot {
            schema: SNAPSHOT_SCHEMA,
            time: Timestamp::now(),
            started: self.started.1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: host.nodename().to_string_lossy().into_owned(),
            kernel: host.release().to_string_lossy().into_owned(),
            uptime_seconds: u64::try_from(rustix::system::sysinfo().uptime).unwrap_or(0),
            trend_step_seconds: trend::STEP.as_secs(),
            sent,
            received,
            events_lost: EventsLost {
                ring_full: kernel_lost[lost::RING_FULL as usize],
                rate_limited: kernel_lost[lost::RATE_LIMITED as usize],
                sinks: sink_losses.iter().map(|(&name, &lost)| (name.to_owned(), lost)).collect(),
            },
            count_overflow: kernel_lost[lost::COUNT_OVERFLOW as usize],
            uncounted,
            degraded: self.degraded(),
            series,
        })
    }

    /// What was counted in the span `since` up to now, and what `history` remembers of all events.
    pub(crate) fn counts_since(&self, since: Duration, history: &History) -> Result<SpanCounts, MonitorError> {
        // Of an event that is remembered, the reset was counted before.
        let (events_forgotten, oldest_event) = history.dropped_and_oldest();
        self.read_counts()?;
        let network_namespaces = self.reconcile()?.states().iter().map(|(_, count)| count).sum();
        let (elapsed, until) = (self.started.0.elapsed(), Timestamp::now());
        let growth = lock(&self.trend).growth_since(elapsed.saturating_sub(since));
        let begun =
            if growth.from.is_zero() { None } else { until.checked_sub(elapsed.saturating_sub(growth.from)).ok() };
        let of = |direction| {
            let series = growth.series.iter().filter(|(series, _)| series.direction == direction);
            series.map(|(_, grown)| grown).sum()
        };
        Ok(SpanCounts {
            schema: SPAN_SCHEMA,
            started: self.started.1,
            since: begun.unwrap_or(self.started.1),
            until,
            sent: of(Direction::Sent),
            received: of(Direction::Received),
            events_lost: growth.events_lost,
            events_forgotten,
            oldest_event,
            network_namespaces,
            series: growth_counts(&growth),
        })
    }

    fn degraded(&self) -> Vec<Degraded> {
        let hooks = self.hooks.iter().filter_map(|status| {
            let hides = status.hides()?.to_owned();
            Some(Degraded { what: format!("hook {}", status.hook.name), hides })
        });
        let fields = self
            .missing_fields
            .iter()
            .map(|field| Degraded { what: format!("field {field}"), hides: "the evidence read from it".to_owned() });
        hooks.chain(fields).collect()
    }

    /// The text of `/metrics`.
    pub(crate) fn metrics(
        &self,
        sink_losses: SinkLosses,
        subscribers_cut: u64,
        store: Option<StoreStatus>,
        format: Format,
    ) -> Result<String, MonitorError> {
        self.read_counts()?;
        let standing = self.reconcile()?;
        let health = Health {
            kernel: counters::read().unwrap_or_default(),
            listen_drops: self.listen_drops(),
            uncounted: Some(standing.uncounted()),
            namespaces: standing.states().to_vec(),
            programs: self.programs.stats(),
            sink_losses,
            subscribers_cut,
            log_lines_dropped: log_output::dropped_lines(),
            store: store.map(store::figures),
        };
        Ok(lock(&self.exporter).render(&health, format)?)
    }

    /// Segments that listeners have dropped so far, by port.
    fn listen_drops(&self) -> BTreeMap<u16, u64> {
        let mut drops = lock(&self.listen_drops);
        match listeners::read() {
            Ok(sockets) => drops.absorb(&sockets),
            Err(error) => tracing::debug!(%error, "cannot read the listeners"),
        }
        drops.total().clone()
    }

    pub(crate) fn raise_max_series(&self, max_series: usize) {
        lock(&self.exporter).raise_max_series(max_series);
    }

    /// Changes the silence after which a series makes room for others.
    pub(crate) fn fold_after(&self, fold_after: Duration) {
        lock(&self.exporter).fold_after(fold_after);
    }

    #[must_use]
    pub(crate) fn hooks(&self) -> &[HookStatus] {
        &self.hooks
    }

    #[must_use]
    pub(crate) fn aspects(&self) -> &[Aspect] {
        &self.aspects
    }

    /// Kernel fields that are missing, as `struct.member`.
    #[must_use]
    pub(crate) fn missing_fields(&self) -> &[String] {
        &self.missing_fields
    }
}

/// The signal of the OOM killer.
const SIGKILL: u8 = 9;

fn v1_controller(cgroup_v1: Option<&'static str>) -> Option<Controller> {
    cgroup_v1.and_then(|name| Controller::PREFERENCE.into_iter().find(|controller| controller.name() == name))
}

/// A resolver that knows the units and containers of the present cgroups; later cgroups are looked up when they occur.
fn resolver(mounts: &Mounts, controller: Option<Controller>) -> Resolver {
    let mut resolver = Resolver::new(Procfs::default(), mounts, controller, ResolverLimits::default());
    if let Err(error) = resolver.prime(Instant::now()) {
        tracing::warn!(%error, "cannot read the cgroups: units and containers may be missing");
    }
    resolver
}

/// The labels `unit` and `container` (short id) of a placement.
fn labels(placement: &Placement) -> (Arc<str>, Arc<str>) {
    let unit = placement.unit.as_deref().unwrap_or("");
    let container = placement.container.as_ref().map_or("", |id| id.short());
    (unit.into(), container.into())
}
