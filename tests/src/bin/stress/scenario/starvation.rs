//! Hardly any processor time: every thread of the daemon is `SCHED_IDLE` while busy threads use all CPUs. The kernel
//! half goes on counting; events that user space cannot read in time are counted as lost.

use crate::{
    observed::{HISTORY, ObservedDaemon},
    outcome::ScenarioFinding,
    testbed::Testbed,
};
use anyhow::{Context as _, Result};
use rstmon_tests::{follower::Subscriber, threads};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let toml = format!("{HISTORY}[events]\nring_bytes = 16384\nrate_per_second = 0\n");
    let observed = ObservedDaemon::start(testbed, &toml)?;
    let follower = Subscriber::new(&observed.daemon.socket())?.follow()?;
    let mut storms = testbed.storms()?;
    let each = testbed.arguments.times(10_000, 200_000);
    let starved = Starved::new(observed.daemon.pid())?;
    let done = testbed.storm(&mut storms, each);
    let (hands, threads) = (starved.busy.len() as u64, starved.threads.len() as u64);
    drop(starved);
    let done = done?;
    observed.events_add_up(&done, &follower)?;
    drop(follower);
    let finding = observed.end(&done)?.with_faults(&[("starved threads", threads), ("busy threads", hands)]);
    let lost = finding.account.lost.ring_full;
    Ok(finding.demand(lost > 0, || "the reader kept up: it was not starved".to_owned()))
}

/// A process whose threads are `SCHED_IDLE` on busy CPUs; dropping it ends the busy threads and restores `SCHED_OTHER`.
struct Starved {
    threads: Vec<i32>,
    busy: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Starved {
    fn new(pid: u32) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let hands = thread::available_parallelism().map_or(1, usize::from);
        let busy = || {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let busy = (0..hands).map(|_| busy()).collect();
        let starved = Self { threads: threads::of(pid)?.into_keys().collect(), busy, stop };
        for &thread in &starved.threads {
            schedule(thread, libc::SCHED_IDLE).with_context(|| format!("starving thread {thread}"))?;
        }
        Ok(starved)
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.busy.drain(..) {
            let _ = thread.join();
        }
        for &thread in &self.threads {
            // It fails for a thread that has ended meanwhile.
            let _ = schedule(thread, libc::SCHED_OTHER);
        }
    }
}

fn schedule(thread: i32, policy: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters are only read.
    let result = unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
