//! A daemon under observation: it has been warmed up, and its resources are read at the beginning and at the end.

use crate::{
    ledger::{Account, Ledger},
    load::Totals,
    outcome::{Held, MOST_THREADS, ScenarioFinding},
    testbed::Testbed,
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    bpf::{self, ObjectKind},
    daemon::DaemonProcess,
    follower::{Follower, Subscriber},
    metrics::Metrics,
    vitals::Vitals,
    wait::{self, LATER, SOON},
};
use std::{collections::BTreeSet, process::Stdio};

/// Resets that fill every cache and queue of a daemon with a history of [`HISTORY`].
const WARM_UP: u64 = 1500;
/// The history of the scenarios' daemons, unless a scenario has another.
pub(crate) const HISTORY: &str = "[history]\nevents = 1000\n";

pub(crate) struct ObservedDaemon {
    pub(crate) daemon: DaemonProcess,
    before: Vitals,
    ledger: Ledger,
}

impl ObservedDaemon {
    /// Starts a daemon with this configuration, and provokes each sort of reset before anything is measured.
    pub(crate) fn start(testbed: &mut Testbed, toml: &str) -> Result<Self> {
        Self::of(testbed, DaemonProcess::configured(toml)?)
    }

    /// The same with another standard error of the daemon than one that is read.
    pub(crate) fn logging_to(testbed: &mut Testbed, toml: &str, log: Stdio) -> Result<Self> {
        Self::of(testbed, DaemonProcess::logging_to(toml, log)?)
    }

    /// The same for a daemon that was started in another way.
    pub(crate) fn of(testbed: &mut Testbed, daemon: DaemonProcess) -> Result<Self> {
        let mut storms = testbed.storms()?;
        let ledger = Ledger::open(testbed.place(), || daemon.scrape())?;
        let mut observed = Self { daemon, before: Vitals::default(), ledger };
        let follower = Subscriber::new(&observed.daemon.socket())?.follow()?;
        let done = testbed.storm(&mut storms, WARM_UP)?;
        // Until the last event was delivered, so that later subscribers get none of these.
        observed.events_add_up(&done, &follower).context("warming up")?;
        drop(follower);
        observed.ledger = Ledger::open(testbed.place(), || observed.daemon.scrape())?;
        observed.before = Vitals::of(observed.daemon.pid())?;
        Ok(observed)
    }

    pub(crate) fn scrape(&self) -> Result<Metrics> {
        self.daemon.scrape()
    }

    /// The account so far; no reset may be provoked meanwhile.
    pub(crate) fn account(&self, done: &Totals) -> Result<Account> {
        self.ledger.close(done, || self.daemon.scrape())
    }

    /// Checks that every reset since the warm-up is either an event that `follower`, which has followed since then, has
    /// seen, or counted as a lost event.
    pub(crate) fn events_add_up(&self, done: &Totals, follower: &Follower) -> Result<()> {
        let account = self.account(done)?;
        let expected = account.all_resets;
        let unseen = account.lost.ring_full + account.lost.rate_limited;
        // The daemon announces a gap with the next line. When the very last events are lost, there is no next line; the
        // count of lost events for all readers is then that of this reader, if it is the only one.
        let counted = account.lost.slow_subscriber;
        let adds_up = || [follower.lost(), counted].iter().any(|lost| follower.seen() + lost + unseen == expected);
        let _ = wait::until_true("seen and lost events to add up", SOON, || Ok(adds_up()));
        ensure!(
            adds_up() && follower.nonsense() == 0,
            "{} events seen, {} lost for the reader by its gap lines, {counted} for all readers, {unseen} lost before; \
             {expected} resets; {} lines of nonsense",
            follower.seen(),
            follower.lost(),
            follower.nonsense(),
        );
        Ok(())
    }

    /// Reads the last figures once connections are closed, stops the daemon, and checks that nothing of it is left in
    /// the kernel.
    pub(crate) fn end(self, done: &Totals) -> Result<ScenarioFinding> {
        let account = self.account(done)?;
        let held = self.held()?;
        let mut complaints = held.complaints();
        let said = self.daemon.said();
        if said.contains("panicked") {
            complaints.push(format!("it panicked:\n{said}"));
        }
        let objects = bpf::held_by(self.daemon.pid())?;
        ensure!(!objects.is_empty(), "no BPF object is held by a daemon that is ready");
        self.daemon.stop()?;
        are_gone(&objects)?;
        Ok(ScenarioFinding { account, held: Some(held), complaints, ..ScenarioFinding::default() })
    }

    fn held(&self) -> Result<Held> {
        let pid = self.daemon.pid();
        let mut after = Vitals::of(pid)?;
        // Connections that were closed just now and idle threads of the pool go a little later.
        let _ = wait::until_true("descriptors to be closed", LATER, || {
            after = Vitals::of(pid)?;
            Ok(after.descriptors <= self.before.descriptors && after.threads <= MOST_THREADS)
        });
        Ok(Held { before: self.before, after })
    }
}

/// Waits until none of these BPF objects is left in the kernel.
pub(crate) fn are_gone(objects: &BTreeSet<(ObjectKind, u32)>) -> Result<()> {
    let mut left: Vec<(ObjectKind, u32)> = objects.iter().copied().collect();
    // The kernel frees programs and maps after a grace period.
    let gone = wait::until_true("BPF objects to be gone", LATER, || {
        let mut still = Vec::new();
        for object in left.drain(..) {
            if bpf::exists(object)? {
                still.push(object);
            }
        }
        left = still;
        Ok(left.is_empty())
    });
    gone.with_context(|| format!("left in the kernel: {left:?}"))
}
