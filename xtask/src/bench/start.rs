//! Start to attached, memory, CPU when idle.

use std::{path::Path, thread, time::Duration};

use anyhow::Context as _;
use serde::Serialize;

use super::{
    daemon::{Daemon, Setup},
    numbers::{float, median, minimum},
    proc::{self, Used},
};

/// How long the idle daemon is watched: one interval of its reading of the counts.
const WATCHED: Duration = Duration::from_secs(10);

/// What a daemon with nothing to do costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Start {
    pub(super) starts: u32,
    pub(super) ready_ms_min: f64,
    pub(super) ready_ms_median: f64,
    pub(super) resident_kib: u64,
    /// The peak, while it loads.
    pub(super) peak_kib: u64,
    pub(super) attached_programs: usize,
    pub(super) watched_seconds: u64,
    pub(super) idle_cpu_ticks: u64,
    pub(super) idle_cpu_us: f64,
    pub(super) idle_sleeps: u64,
}

pub(super) fn measure(binary: &Path, starts: u32) -> anyhow::Result<Start> {
    let mut times = Vec::new();
    for _ in 0..starts {
        let daemon = Daemon::start(binary, Setup::default())?;
        times.push(daemon.start_time.as_secs_f64() * 1e3);
        daemon.stop()?;
    }

    let daemon = Daemon::start(binary, Setup::default())?;
    let pid = daemon.pid();
    let (resident_kib, peak_kib) = (proc::resident_kib(pid)?, proc::peak_kib(pid)?);
    let attached_programs = proc::bpf_links(pid)?;
    let before = Used::by(pid)?;
    thread::sleep(WATCHED);
    let used = Used::by(pid)?.since(before);
    daemon.stop()?;
    Ok(Start {
        starts,
        ready_ms_min: minimum(times.iter().copied()).context("no start")?,
        ready_ms_median: median(times).context("no start")?,
        resident_kib,
        peak_kib,
        attached_programs,
        watched_seconds: WATCHED.as_secs(),
        idle_cpu_ticks: used.ticks,
        idle_cpu_us: float(used.cpu_ns) / 1e3,
        idle_sleeps: used.sleeps,
    })
}
