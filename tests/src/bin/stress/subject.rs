//! A daemon under observation: private, warmed up, and asked at the beginning and at the end what it takes.

use crate::{
    field::Field,
    ledger::{Account, Ledger},
    load::Totals,
    outcome::{Finding, Held, MOST_THREADS},
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    bpf::{self, Kind},
    daemon::Daemon,
    follower::{Follower, Subscriber},
    metrics::Metrics,
    vitals::Vitals,
    wait::{self, LATER, SOON},
};
use std::collections::BTreeSet;

/// Enough for every cache and queue of a daemon with a history of [`HISTORY`] to fill.
const WARM_UP: u64 = 1500;
/// What the scenarios' daemons have for a history, unless a scenario says otherwise.
pub(crate) const HISTORY: &str = "[history]\nevents = 1000\n";

/// The daemon and its first figures.
pub(crate) struct Subject {
    /// It.
    pub(crate) daemon: Daemon,
    before: Vitals,
    ledger: Ledger,
}

impl Subject {
    /// Starts a daemon with this configuration and lets it see each sort of reset before anything is measured.
    pub(crate) fn start(field: &mut Field, toml: &str) -> Result<Self> {
        Self::warmed(field, Daemon::configured(toml)?)
    }

    fn warmed(field: &mut Field, daemon: Daemon) -> Result<Self> {
        let mut storms = field.storms()?;
        let ledger = Ledger::open(field.place(), || daemon.scrape())?;
        let mut subject = Self { daemon, before: Vitals::default(), ledger };
        let follower = Subscriber::new(&subject.daemon.socket())?.follow()?;
        let done = field.storm(&mut storms, WARM_UP)?;
        // Until the last event has gone all its way: who subscribes next must not be told of these.
        subject.events_add_up(&done, &follower).context("warming up")?;
        drop(follower);
        subject.ledger = Ledger::open(field.place(), || subject.daemon.scrape())?;
        subject.before = Vitals::of(subject.daemon.pid())?;
        Ok(subject)
    }

    /// Its metrics.
    pub(crate) fn scrape(&self) -> Result<Metrics> {
        self.daemon.scrape()
    }

    /// The account so far; nothing may be under way.
    pub(crate) fn account(&self, done: &Totals) -> Result<Account> {
        self.ledger.close(done, || self.daemon.scrape())
    }

    /// Holds the events that a reader saw, who followed from the warm-up on, against the counts: what is not seen is
    /// counted as lost.
    pub(crate) fn events_add_up(&self, done: &Totals, follower: &Follower) -> Result<()> {
        let account = self.account(done)?;
        let expected = account.everybody;
        let unseen = account.lost.ring_full + account.lost.rate_limited;
        // A gap is announced with the next line. Where the last lines of all are lost, none follows; what is counted as
        // lost for all readers is then lost for this one, if it is the only one.
        let counted = account.lost.slow_subscriber;
        let adds_up = || [follower.lost(), counted].iter().any(|lost| follower.seen() + lost + unseen == expected);
        let _ = wait::until_true("seen and lost events to add up", SOON, || Ok(adds_up()));
        ensure!(
            adds_up() && follower.nonsense() == 0,
            "{} events seen, {} lost for the reader as it was told, {counted} for all readers, {unseen} lost before; \
             {expected} resets; {} lines of nonsense",
            follower.seen(),
            follower.lost(),
            follower.nonsense(),
        );
        Ok(())
    }

    /// The last figures, once everything that was open is closed; then the daemon ends, in good order, and nothing of
    /// it may be left in the kernel.
    pub(crate) fn end(self, done: &Totals) -> Result<Finding> {
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
        Ok(Finding { account, held: Some(held), complaints, ..Finding::default() })
    }

    fn held(&self) -> Result<Held> {
        let pid = self.daemon.pid();
        let mut after = Vitals::of(pid)?;
        // Connections that were closed a moment ago, threads that idle.
        let _ = wait::until_true("descriptors to be closed", LATER, || {
            after = Vitals::of(pid)?;
            Ok(after.descriptors <= self.before.descriptors && after.threads <= MOST_THREADS)
        });
        Ok(Held { before: self.before, after })
    }
}

/// Waits until none of these objects is left in the kernel.
pub(crate) fn are_gone(objects: &BTreeSet<(Kind, u32)>) -> Result<()> {
    let mut left: Vec<(Kind, u32)> = objects.iter().copied().collect();
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
