//! The probe with everything behind it: events flow through one thread from the ring to whoever watches, counts are
//! read when they are asked for. `run` serves it, `tail` and `why` use it directly where there is no daemon.

use super::{
    Failure,
    config::Config,
    pulse::{Echo, Pulse},
};
use crate::{
    attribute::{Controller, Placement, ProcessRef, Procfs, Resolver},
    explain::Verdict,
    metrics::{Exporter, Health, coverage::Coverage, kernel, listeners},
    model::{Clock, Reasons, Reset},
    probe::{CountReader, EventReader, EventSource, HookStatus, Probe, Programs},
    serve::{
        event::Event,
        join::{self, Joiner},
    },
};
use rstmon_common::{ResetRecord, limits::tally};
use std::{
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
    reasons: Reasons,
    counts: Mutex<CountReader>,
    exporter: Mutex<Exporter>,
    resolver: Mutex<Resolver>,
    programs: Programs,
    /// Absent where the kernel's counter cannot be read, and where it counts resets that no hook sees.
    coverage: Option<Coverage>,
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
        let before = kernel::out_rsts().ok().flatten();
        let Probe { hooks, reasons, sees_every_sent, missing_fields, cgroup_v1, mut counts, events, programs } =
            Probe::attach(&config.probe_options())?;
        let coverage = match (before, kernel::out_rsts().ok().flatten()) {
            (Some(before), Some(after)) if sees_every_sent => {
                let counted = counts.read()?.tally[tally::SENT as usize];
                Some(Coverage::new(before, after, counted))
            }
            _ => None,
        };
        let exporter = Exporter::new(config.metrics.max_series, config.labels()?, reasons.clone(), hooks.clone())?;
        let monitor = Self {
            hooks,
            counts: Mutex::new(counts),
            exporter: Mutex::new(exporter),
            resolver: Mutex::new(resolver(cgroup_v1)?),
            reasons,
            programs,
            coverage,
            missing_fields: missing_fields
                .iter()
                .map(|field| format!("{}.{}", field.aggregate, field.member))
                .collect(),
        };
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

    /// Takes the counts in. Called at each scrape, and now and then, so that the count map never stays full.
    pub fn read_counts(&self) -> Result<[u64; tally::COUNT as usize], Failure> {
        let counts = lock(&self.counts).read()?;
        let mut exporter = lock(&self.exporter);
        let mut resolver = lock(&self.resolver);
        let now = Instant::now();
        exporter.absorb(&counts, |cgroup| {
            resolver.resolve(cgroup, None, now).as_deref().map_or_else(|| ("".into(), "".into()), labels)
        });
        Ok(counts.tally)
    }

    /// Everything that `/metrics` shows.
    pub fn metrics(&self, slow_subscriber_lost: u64) -> Result<String, Failure> {
        let before = self.read_counts()?[tally::SENT as usize];
        let kernel = kernel::read().unwrap_or_default();
        let after = lock(&self.counts).read_tally()?[tally::SENT as usize];
        let uncounted = match (self.coverage, kernel.get("OutRsts")) {
            (Some(coverage), Some(&out_rsts)) => Some(coverage.uncounted(out_rsts, (before, after))),
            _ => None,
        };
        let listeners = listeners::read().unwrap_or_default();
        let health = Health { kernel, listeners, uncounted, programs: self.programs.stats(), slow_subscriber_lost };
        Ok(lock(&self.exporter).render(&health)?)
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
