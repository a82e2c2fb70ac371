//! The probe with everything behind it: events flow through one thread from the ring to whoever watches, counts are
//! read when they are asked for. `run` serves it, `top`, `tail` and `why` use it directly where there is no daemon.

use super::{
    Failure,
    accounts::Accounts,
    config::Config,
    pulse::{Echo, Pulse},
};
use crate::{
    attribute::{Controller, Placement, ProcessRef, Procfs, Resolver},
    explain::Verdict,
    metrics::{
        Exporter, Format, Health, Namespaces, Standing, kernel, listeners,
        trend::{self, Trend},
    },
    model::{Clock, Reasons, Reset},
    probe::{
        AttachedPrograms, CountReader, EventReader, EventSource, HookStatus, Probe, aspect::Aspect, netns::NetnsTasks,
    },
    serve::{
        event::Event,
        join::{self, Joiner},
        snapshot::{Degraded, EventsLost, SNAPSHOT_SCHEMA, Snapshot, Tally},
    },
};
use jiff::Timestamp;
use rstmon_common::{ResetRecord, limits::lost};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Instant,
};

/// Locks, also after a panic elsewhere: the data behind these locks is valid at every step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The attached probe and the sums made from it. Shared between threads.
pub struct Monitor {
    hooks: Vec<HookStatus>,
    aspects: Vec<Aspect>,
    reasons: Reasons,
    counts: Mutex<CountReader>,
    exporter: Mutex<Exporter>,
    trend: Mutex<Trend>,
    /// When counting began, on both clocks.
    started: (Instant, Timestamp),
    resolver: Mutex<Resolver>,
    programs: AttachedPrograms,
    namespaces: Mutex<Namespaces>,
    listen_drops: Mutex<listeners::Drops>,
    netns_tasks: NetnsTasks,
    missing_fields: Vec<String>,
}

/// The threads of the event path; ends them when dropped, after what is in the ring was handed over.
pub struct Watching {
    reader: Option<EventReader>,
    pipeline: Option<JoinHandle<()>>,
    pulse: Pulse,
}

impl Watching {
    /// What tells whether both threads live.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // The reader's end closes the channel, which ends the pipeline.
        drop(self.reader.take());
        if let Some(thread) = self.pipeline.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Monitor {
    /// Attaches the probe. Starts no thread, so that privileges can still be given up.
    pub fn attach(config: &Config) -> Result<(Self, EventSource), Failure> {
        let Probe { hooks, reasons, aspects, missing_fields, cgroup_v1, counts, netns_tasks, events, programs, .. } =
            Probe::attach(&config.probe_options())?;
        if let Some(error) = programs.run_time_refused() {
            tracing::warn!(%error, "metrics.probe_runtime needs CAP_SYS_ADMIN at the start, or sysctl kernel.bpf_stats_enabled=1");
        }
        let namespaces = Mutex::new(Namespaces::new(counts.cpus() as u64));
        let exporter = Exporter::new(config.metrics.max_series, config.labels()?, reasons.clone(), hooks.clone())?;
        let monitor = Self {
            hooks,
            aspects,
            counts: Mutex::new(counts),
            exporter: Mutex::new(exporter),
            trend: Mutex::default(),
            started: (Instant::now(), Timestamp::now()),
            resolver: Mutex::new(resolver(cgroup_v1)?),
            reasons,
            programs,
            namespaces,
            listen_drops: Mutex::default(),
            netns_tasks,
            missing_fields: missing_fields
                .iter()
                .map(|field| format!("{}.{}", field.aggregate, field.member))
                .collect(),
        };
        // What is there now is compared from now on.
        monitor.reconcile()?;
        Ok((monitor, events))
    }

    /// Starts the event path: `sink` gets every event, attributed, explained and joined.
    pub fn watch(
        self: &Arc<Self>,
        events: EventSource,
        sink: impl FnMut(Event) + Send + 'static,
    ) -> Result<Watching, Failure> {
        let (reader, batches) = events.start()?;
        let monitor = Arc::clone(self);
        let echo = Echo::default();
        let pulse = Pulse::new(reader.waker(), &echo);
        let pipeline = std::thread::Builder::new()
            .name("rstmon-explain".into())
            .spawn(move || monitor.explain_all(&batches, &echo, sink))
            .map_err(Failure::io("cannot start a thread"))?;
        Ok(Watching { reader: Some(reader), pipeline: Some(pipeline), pulse })
    }

    fn explain_all(&self, batches: &Receiver<Vec<ResetRecord>>, echo: &Echo, mut sink: impl FnMut(Event)) {
        let mut joiner = Joiner::default();
        loop {
            let received = if joiner.is_waiting() {
                batches.recv_timeout(join::WAIT)
            } else {
                batches.recv().map_err(RecvTimeoutError::from)
            };
            // An empty batch is the reader's answer to whoever asks whether it lives; it is passed on.
            let (batch, asked) = match received {
                Ok(batch) => (batch, true),
                Err(RecvTimeoutError::Timeout) => (Vec::new(), false),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let asked = asked && batch.is_empty();
            let (clock, now) = (Clock::now(), Instant::now());
            for record in &batch {
                let event = self.explain(record, clock, now);
                joiner.push(event, now, &mut sink);
            }
            joiner.expire(now, &mut sink);
            if asked {
                echo.answer();
            }
        }
        joiner.expire(Instant::now() + join::WAIT, &mut sink);
    }

    fn explain(&self, record: &ResetRecord, clock: Clock, now: Instant) -> Event {
        let reset = Reset::decode(record, &self.reasons, clock);
        let owner = reset.owner.as_ref().map(|owner| ProcessRef { pid: owner.pid, start_ns: owner.start_ns });
        let placement = lock(&self.resolver).resolve(reset.cgroup, owner, now);
        let verdict = Verdict::on(&reset);
        lock(&self.exporter).observe(&reset, verdict.cause);
        Event::new(&reset, placement.as_deref(), verdict)
    }

    /// Takes the counts in and returns their sum, all resets so far. Called at each scrape, and now and then, so that
    /// the count map never stays full.
    pub fn read_counts(&self) -> Result<u64, Failure> {
        // Held to the end: a reading that is taken in after a later one would be added twice.
        let mut reader = lock(&self.counts);
        let counts = reader.read()?;
        let mut exporter = lock(&self.exporter);
        let mut resolver = lock(&self.resolver);
        let now = Instant::now();
        exporter.absorb(&counts, |cgroup| {
            resolver.resolve(cgroup, None, now).as_deref().map_or_else(|| ("".into(), "".into()), labels)
        });
        lock(&self.trend).absorb(self.started.0.elapsed(), exporter.sums());
        Ok(exporter.sums().map(|(_, sum)| sum).sum())
    }

    /// Holds the counts against the kernel's own, in every network namespace that can be read. Where the kernel sends
    /// resets that no hook shows, they are the difference.
    pub fn reconcile(&self) -> Result<Standing, Failure> {
        let mut accounts = Accounts::new(&self.counts, &self.netns_tasks);
        let standing = lock(&self.namespaces).reconcile(&mut accounts, Instant::now())?;
        for (place, difference) in &standing.differing {
            tracing::debug!(?place, difference, "the kernel's count of resets sent in a network namespace differs");
        }
        Ok(standing)
    }

    /// The exact totals, how they grew lately, and what is hidden.
    pub fn snapshot(&self, slow_subscriber_lost: u64) -> Result<Snapshot, Failure> {
        self.read_counts()?;
        let uncounted = Some(self.reconcile()?.uncounted());
        let exporter = lock(&self.exporter);
        let Tally { sent, received, series } =
            Tally::new(exporter.sums(), &lock(&self.trend), self.started.0.elapsed());
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
                slow_subscriber: slow_subscriber_lost,
            },
            count_overflow: kernel_lost[lost::COUNT_OVERFLOW as usize],
            uncounted,
            degraded: self.degraded(),
            series,
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

    /// Everything that `/metrics` shows.
    pub fn metrics(&self, slow_subscriber_lost: u64, subscribers_cut: u64, format: Format) -> Result<String, Failure> {
        self.read_counts()?;
        let standing = self.reconcile()?;
        let health = Health {
            kernel: kernel::read().unwrap_or_default(),
            listen_drops: self.listen_drops(),
            uncounted: Some(standing.uncounted()),
            namespaces: standing.states().to_vec(),
            programs: self.programs.stats(),
            slow_subscriber_lost,
            subscribers_cut,
        };
        Ok(lock(&self.exporter).render(&health, format)?)
    }

    /// What listeners have dropped so far, by port.
    fn listen_drops(&self) -> BTreeMap<u16, u64> {
        let mut drops = lock(&self.listen_drops);
        match listeners::read() {
            Ok(sockets) => drops.absorb(&sockets),
            Err(error) => tracing::debug!(%error, "cannot read the listeners"),
        }
        drops.total().clone()
    }

    /// Makes room for more series.
    pub fn raise_max_series(&self, max_series: usize) {
        lock(&self.exporter).raise_max_series(max_series);
    }

    /// What became of each hook.
    #[must_use]
    pub fn hooks(&self) -> &[HookStatus] {
        &self.hooks
    }

    /// What this kernel shows, and how well.
    #[must_use]
    pub fn aspects(&self) -> &[Aspect] {
        &self.aspects
    }

    /// Kernel fields that are missing, as `struct.member`.
    #[must_use]
    pub fn missing_fields(&self) -> &[String] {
        &self.missing_fields
    }
}

/// Units and containers of the cgroups that exist now; later ones are looked up as they come.
fn resolver(cgroup_v1: Option<&'static str>) -> Result<Resolver, Failure> {
    let controller =
        cgroup_v1.and_then(|name| Controller::PREFERENCE.into_iter().find(|controller| controller.name() == name));
    let mut resolver =
        Resolver::discover(Procfs::default(), controller, crate::attribute::Limits::default()).map_err(|source| {
            Failure::Io { what: "cannot find the cgroup file systems", source: std::io::Error::other(source) }
        })?;
    if let Err(error) = resolver.prime(Instant::now()) {
        tracing::warn!(%error, "cannot read the cgroups: units and containers may be missing");
    }
    Ok(resolver)
}

/// The labels of a placement: unit, and short container id.
fn labels(placement: &Placement) -> (Arc<str>, Arc<str>) {
    let unit = placement.unit.as_deref().unwrap_or("");
    let container = placement.container.as_ref().map_or("", |id| id.short());
    (unit.into(), container.into())
}
