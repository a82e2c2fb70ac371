//! What the processes on the field do: commands to several at once, or storms until told to stop.

use anyhow::{Result, bail};
use rstmon_tests::{actor::Actor, protocol::Fields, random::Random};
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
/// Resets of an endless storm between two looks at whether to stop.
const BATCH: u64 = 100;

/// What was provoked, as those know who did it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Resets received: each was seen as an error by a process.
    pub(crate) received: u64,
    /// Resets sent in namespaces that are gone, by the kernel's count there.
    pub(crate) sent_elsewhere: u64,
    /// Network namespaces made.
    pub(crate) namespaces: u64,
    /// Addresses used, each counted once a command.
    pub(crate) addresses: u64,
    /// Ports dialled where nobody listens, each counted once a command.
    pub(crate) ports: u64,
}

impl Totals {
    /// Adds up.
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

/// What a storm is told; every other one speaks IPv6.
pub(crate) fn storm_command(index: usize, count: u64, seed: u64) -> String {
    format!("storm {} {count} {seed}", if index.is_multiple_of(2) { "v4" } else { "v6" })
}

/// Has each actor carry out its command, all at once.
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

/// Storms under way; ended when dropped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(Actor, Totals)>>>,
}

impl Load {
    /// Begins, each actor with its own randomness.
    pub(crate) fn begin(actors: Vec<Actor>, seeds: Vec<Random>) -> Self {
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

    /// Ends; what was begun is brought to its end.
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
        // A scenario that failed must not disturb the next.
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
