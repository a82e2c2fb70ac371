//! What the processes of the testbed do: one command each, all at the same time, or storms until they are stopped.

use anyhow::{Result, bail};
use rstmon_tests::{actor::Actor, protocol::Fields, random::SplitMix};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long a command may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// Resets of an endless storm between two checks of whether to stop.
const BATCH: u64 = 100;

/// What was provoked, as the provoking processes report it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Resets received: a process got an error from its socket for each.
    pub(crate) received: u64,
    /// Resets sent in namespaces that no longer exist, by the kernel's counter there.
    pub(crate) sent_elsewhere: u64,
    /// Network namespaces that were made.
    pub(crate) namespaces: u64,
    /// Distinct addresses of each command, added up.
    pub(crate) addresses: u64,
    /// Distinct closed ports of each command, added up.
    pub(crate) ports: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { received, sent_elsewhere, namespaces, addresses, ports } = other;
        self.received += received;
        self.sent_elsewhere += sent_elsewhere;
        self.namespaces += namespaces;
        self.addresses += addresses;
        self.ports += ports;
    }

    /// What has been added since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            received: self.received - earlier.received,
            sent_elsewhere: self.sent_elsewhere - earlier.sent_elsewhere,
            namespaces: self.namespaces - earlier.namespaces,
            addresses: self.addresses - earlier.addresses,
            ports: self.ports - earlier.ports,
        }
    }

    fn of(done: &Fields) -> Result<Self> {
        let optional = |key| done.get(key).unwrap_or(0);
        Ok(Self {
            received: done.get("received")?,
            sent_elsewhere: optional("sent"),
            namespaces: optional("namespaces"),
            addresses: optional("addresses"),
            ports: optional("ports"),
        })
    }
}

/// The command for a storm; every other one uses IPv6.
pub(crate) fn storm_command(index: usize, count: u64, seed: u64) -> String {
    format!("storm {} {count} {seed}", if index.is_multiple_of(2) { "v4" } else { "v6" })
}

/// Runs a command in each actor, all at the same time.
pub(crate) fn once(actors: &mut [Actor], commands: &[String]) -> Result<Totals> {
    for (actor, command) in actors.iter_mut().zip(commands) {
        actor.begin(command)?;
    }
    let mut totals = Totals::default();
    for actor in actors.iter_mut().take(commands.len()) {
        totals.add(&Totals::of(&actor.finish_within(PATIENCE)?)?);
    }
    Ok(totals)
}

/// Storms that go on until they are ended or dropped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(Actor, Totals)>>>,
}

impl Load {
    /// Starts a storm in each actor, with its own random numbers.
    pub(crate) fn begin(actors: Vec<Actor>, seeds: Vec<SplitMix>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = actors.into_iter().zip(seeds).enumerate().map(|(index, (mut actor, mut random))| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut totals = Totals::default();
                while !stop.load(Ordering::Relaxed) {
                    actor.begin(&storm_command(index, BATCH, random.number()))?;
                    totals.add(&Totals::of(&actor.finish_within(PATIENCE)?)?);
                }
                Ok((actor, totals))
            })
        });
        let threads = threads.collect();
        Self { stop, threads }
    }

    /// Ends the storms after their current batches.
    pub(crate) fn end(mut self) -> Result<(Vec<Actor>, Totals)> {
        self.stop.store(true, Ordering::Relaxed);
        let (mut actors, mut totals) = (Vec::new(), Totals::default());
        for thread in self.threads.drain(..) {
            let Ok(ended) = thread.join() else { bail!("a thread of the load panicked") };
            let (actor, sum) = ended?;
            actors.push(actor);
            totals.add(&sum);
        }
        Ok((actors, totals))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // The load of a failed scenario must not go on in the next one.
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
