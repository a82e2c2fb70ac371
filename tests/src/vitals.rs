//! The memory, descriptors and threads of a process, to find leaks.

use crate::{
    threads,
    wait::{self, LATER},
};
use anyhow::{Context as _, Result};
use std::{
    fs,
    time::{Duration, Instant},
};

/// CPU time of a process that waits for something: a few wake-ups to look at a clock.
const IDLE_CPU_NS: u64 = 2_000_000;

/// One measurement of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Resident memory in KiB.
    pub resident_kib: u64,
    /// Number of open descriptors.
    pub descriptors: u64,
    /// Number of its threads.
    pub threads: u64,
}

impl Vitals {
    /// Measures a process.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("a process' status")?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).context("a process' descriptors")?.count();
        Ok(Self {
            resident_kib: field(&status, "VmRSS:").context("no VmRSS")?,
            descriptors: descriptors as u64,
            threads: field(&status, "Threads:").context("no Threads")?,
        })
    }
}

/// Peak of a process' resident memory so far, in KiB.
///
/// # Errors
/// When it is gone.
pub fn peak_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("a process' status")?;
    field(&status, "VmHWM:").context("no VmHWM")
}

/// CPU time that a process has used so far, all its threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuUsage {
    /// Nanoseconds on a CPU, by the scheduler (`schedstat`), which counts finer than clock ticks.
    pub cpu_ns: u64,
    /// How often a thread has gone to sleep by itself (`voluntary_ctxt_switches`).
    pub sleeps: u64,
}

impl CpuUsage {
    /// Of a process.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let mut usage = Self::default();
        for thread in threads::of(pid)?.into_keys() {
            let task = format!("/proc/{pid}/task/{thread}");
            // A thread may end meanwhile.
            let Ok(status) = fs::read_to_string(format!("{task}/status")) else { continue };
            let Ok(schedule) = fs::read_to_string(format!("{task}/schedstat")) else { continue };
            let on_cpu = schedule.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
            usage.cpu_ns += on_cpu.context("no time in schedstat")?;
            usage.sleeps += field(&status, "voluntary_ctxt_switches:").context("no voluntary_ctxt_switches")?;
        }
        Ok(usage)
    }

    /// What has been used since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns), sleeps: self.sleeps.saturating_sub(earlier.sleeps) }
    }
}

/// The part of one CPU that a process uses in `window`, in percent.
///
/// # Errors
/// When it ends meanwhile.
pub fn cpu_percent(pid: u32, window: Duration) -> Result<f64> {
    let (started, before) = (Instant::now(), CpuUsage::of(pid)?);
    let used = wait::until("the end of a measurement", window + LATER, || {
        let now = CpuUsage::of(pid)?;
        Ok((started.elapsed() >= window).then(|| now.since(before)))
    })?;
    Ok(Duration::from_nanos(used.cpu_ns).as_secs_f64() / started.elapsed().as_secs_f64() * 100.0)
}

/// Waits until a process has used next to no CPU time for as long as `quiet`: a program goes on working through what it
/// has gathered when the load is over.
///
/// # Errors
/// When it is gone or does not come to rest.
pub fn await_rest(pid: u32, quiet: Duration) -> Result<()> {
    let mut last = (Instant::now(), CpuUsage::of(pid)?.cpu_ns);
    wait::until_true("a process to come to rest", LATER, || {
        let now = CpuUsage::of(pid)?.cpu_ns;
        if now > last.1 + IDLE_CPU_NS {
            last = (Instant::now(), now);
        }
        Ok(last.0.elapsed() >= quiet)
    })
}

fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_a_descriptor_more_show() {
        let pid = std::process::id();
        let before = Vitals::of(pid).expect("own figures");
        assert!(before.resident_kib > 0 && before.threads > 0, "{before:?}");
        assert!(before.resident_kib <= peak_kib(pid).expect("VmHWM"));
        assert!(CpuUsage::of(pid).expect("own figures").cpu_ns > 0);
        assert_eq!(
            field("nonvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t5\n", "voluntary_ctxt_switches:"),
            Some(5)
        );
        assert_eq!(field("Threads:\t7\n", "Threads:"), Some(7));
        assert_eq!(field("Threads:\t7\n", "VmRSS:"), None);
    }
}
