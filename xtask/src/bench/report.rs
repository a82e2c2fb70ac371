//! The figures, as tables for people; as JSON they keep the names of their fields.

use std::{fmt, thread};

use anyhow::Context as _;
use serde::Serialize;

use super::{hooks::Hooks, start::Start, throughput::Throughput};
use crate::workspace::read_text;

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    pub(super) kernel: String,
    pub(super) cpus: usize,
    /// Others want the CPUs too: with more than a little, do not believe the figures.
    pub(super) load_average: f64,
}

impl Machine {
    pub(super) fn describe() -> anyhow::Result<Self> {
        let load = read_text("/proc/loadavg".as_ref())?;
        Ok(Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpus: thread::available_parallelism().context("cannot count the CPUs")?.get(),
            load_average: load.split(' ').next().and_then(|one| one.parse().ok()).context("a strange load average")?,
        })
    }
}

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) rounds: u32,
    pub(super) start: Start,
    pub(super) hooks: Hooks,
    pub(super) throughput: Vec<Throughput>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine: Machine { kernel, cpus, load_average }, rounds, start, hooks, throughput } = self;
        writeln!(f, "Linux {kernel}, {cpus} CPUs, load average {load_average}; medians of {rounds} rounds\n")?;
        write!(f, "{start}\n{hooks}\nThroughput of one CPU that does both ends\n")?;
        writeln!(
            f,
            "  {:<26} {:<20} {:>13} {:>7} {:>15}",
            "connection", "watched by", "connections/s", "ratio", "added"
        )?;
        throughput.iter().try_for_each(|figure| writeln!(f, "  {figure}"))
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            starts,
            ready_ms_min,
            ready_ms_median,
            resident_kib,
            peak_kib,
            attached_programs,
            watched_seconds,
            idle_cpu_ticks,
            idle_cpu_us,
            idle_sleeps,
        } = self;
        let mib = |kib: u64| super::numbers::float(kib) / 1024.0;
        writeln!(f, "Daemon")?;
        writeln!(f, "  start to ready        {ready_ms_median:.0} ms median, {ready_ms_min:.0} ms least of {starts}")?;
        writeln!(
            f,
            "  resident when ready   {:.1} MiB (peak while loading {:.1} MiB)",
            mib(*resident_kib),
            mib(*peak_kib)
        )?;
        writeln!(f, "  attached programs     {attached_programs}")?;
        writeln!(
            f,
            "  idle for {watched_seconds} s         {idle_cpu_us:.0} us of CPU ({idle_cpu_ticks} clock ticks), went to sleep {idle_sleeps} times"
        )
    }
}

impl fmt::Display for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        let Self { connections_of_each_sort, empty_program_ns, steps, costs } = self;
        writeln!(f, "Hooks, ns a run ({connections_of_each_sort} refused, exchanged and aborted connections a round)")?;
        write!(f, "  {:<22}", "hook")?;
        steps.iter().try_for_each(|step| write!(f, " {step:>12}"))?;
        for pair in steps.windows(2) {
            write!(f, "  {:>22}", format!("{}/{}", pair[1], pair[0]))?;
        }
        writeln!(f)?;
        for hook in costs {
            write!(f, "  {:<22}", hook.hook)?;
            hook.ns.iter().try_for_each(|ns| write!(f, " {:>12}", optional(*ns, 0)))?;
            hook.ratios().iter().try_for_each(|ratio| write!(f, "  {:>22}", optional(*ratio, 2)))?;
            writeln!(f)?;
        }
        writeln!(
            f,
            "  each figure includes the statistics' own clock: an empty program takes {} ns",
            optional(*empty_program_ns, 0)
        )
    }
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { traffic, watcher, connections_per_second, ratio, added_us } = self;
        write!(
            f,
            "{:<26} {watcher:<20} {connections_per_second:>13.0} {ratio:>7.3} {:>15}",
            traffic.describe(),
            format!("{added_us:+.2} us each")
        )
    }
}
