//! What a scenario leaves: the resets that must be seen, nothing else, and whatever has to stay alive meanwhile.

use crate::{actor::Actor, kernel::Counters, netns::Place};
use anyhow::Result;
use std::{any::Any, net::SocketAddr};

/// One end of a connection and the process it belonged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Process id of the owner.
    pub pid: u32,
    /// Name of the owner (its thread-group leader's).
    pub comm: String,
    /// The address at this end.
    pub local: SocketAddr,
    /// The address at the other end.
    pub remote: SocketAddr,
}

impl End {
    /// An actor's end of a connection.
    #[must_use]
    pub fn of(actor: &Actor, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { pid: actor.pid(), comm: actor.comm().to_owned(), local, remote }
    }
}

/// Which way a reset went, seen from the socket it is reported for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This host's kernel sent it.
    Sent,
    /// This host's kernel accepted it.
    Received,
}

impl Direction {
    /// The word in labels and events.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// A number of an event's evidence, and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Exactly this.
    Exactly(u64),
    /// This or more.
    AtLeast(u64),
    /// Anything from the first to the second, both included.
    Between(u64, u64),
}

impl Number {
    /// Whether a value is as it must be.
    #[must_use]
    pub fn holds(self, value: u64) -> bool {
        match self {
            Self::Exactly(wanted) => value == wanted,
            Self::AtLeast(least) => value >= least,
            Self::Between(least, most) => (least..=most).contains(&value),
        }
    }
}

/// One reset that must be seen exactly once.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Sent or received.
    pub direction: Direction,
    /// The socket's addresses.
    pub local: SocketAddr,
    /// The other end's.
    pub remote: SocketAddr,
    /// The process that the socket belonged to: name and id. `None`: there was no socket, so there is no owner.
    pub owner: Option<(String, u32)>,
    /// The kernel's reason in lower case, on kernels that give one (6.12+).
    pub reason: Option<&'static str>,
    /// The socket's state before the reset, where it had one.
    pub state: Option<&'static str>,
    /// The verdict: cause and confidence.
    pub verdict: (&'static str, &'static str),
    /// The verdict where the kernel gives no reason, if that is about another cause.
    pub verdict_without_reason: Option<(&'static str, &'static str)>,
    /// Numbers of the evidence.
    pub evidence: Vec<(&'static str, Number)>,
}

impl Expected {
    /// A reset that the kernel sent for `end`, for `reason`, with the socket in `state`.
    #[must_use]
    pub fn sent(end: &End, reason: &'static str, state: &'static str) -> Self {
        Self {
            direction: Direction::Sent,
            local: end.local,
            remote: end.remote,
            owner: Some((end.comm.clone(), end.pid)),
            reason: Some(reason),
            state: Some(state),
            verdict: ("unexplained", "guess"),
            verdict_without_reason: None,
            evidence: Vec::new(),
        }
    }

    /// A reset that `end` received in `state`.
    #[must_use]
    pub fn received(end: &End, state: &'static str) -> Self {
        Self { direction: Direction::Received, reason: None, ..Self::sent(end, "", state) }
    }

    /// A reset sent from an address that no socket had.
    #[must_use]
    pub fn sent_by_nobody(local: SocketAddr, remote: SocketAddr, reason: &'static str) -> Self {
        let end = End { pid: 0, comm: String::new(), local, remote };
        Self { owner: None, state: None, ..Self::sent(&end, reason, "") }
    }

    /// What rstmon must make of it.
    #[must_use]
    pub fn because(mut self, cause: &'static str, confidence: &'static str) -> Self {
        self.verdict = (cause, confidence);
        self
    }

    /// What rstmon must make of it where the kernel gives no reason.
    #[must_use]
    pub fn without_reason(mut self, cause: &'static str, confidence: &'static str) -> Self {
        self.verdict_without_reason = Some((cause, confidence));
        self
    }

    /// A number that the evidence must hold.
    #[must_use]
    pub fn with(mut self, name: &'static str, number: Number) -> Self {
        self.evidence.push((name, number));
        self
    }
}

/// A scenario that was played.
#[derive(Debug)]
pub struct Scene {
    /// Every reset it provoked.
    pub resets: Vec<Expected>,
    /// How often `tcp_receive_reset` fired though no reset was received (KERNEL.md section 3).
    pub false_receives: usize,
    /// Resets besides, sent for segments that had crossed one of those: how many is a matter of timing.
    pub echoes: u64,
    /// What each namespace's counters have grown by, exactly.
    pub growth: Vec<Growth>,
    /// Error numbers that the applications saw: claimed and found.
    pub errnos: Vec<(i32, i32)>,
    kept: Vec<Box<dyn Any + Send>>,
}

impl Scene {
    /// A scene that provoked `resets`.
    #[must_use]
    pub fn new(resets: Vec<Expected>) -> Self {
        Self { resets, false_receives: 0, echoes: 0, growth: Vec::new(), errnos: Vec::new(), kept: Vec::new() }
    }

    /// Notes resets that were sent for segments which crossed one of the others.
    #[must_use]
    pub fn with_echoes(mut self, echoes: u64) -> Self {
        self.echoes = echoes;
        self
    }

    /// Notes what a namespace's counters must have grown by since `watch` began.
    #[must_use]
    pub fn grew(mut self, watch: Watch, counters: &[(&'static str, u64)]) -> Self {
        self.growth.push(Growth { watch, counters: counters.to_vec() });
        self
    }

    /// Notes what an application must have seen, and what it saw.
    #[must_use]
    pub fn saw(mut self, claimed: i32, found: i32) -> Self {
        self.errnos.push((claimed, found));
        self
    }

    /// Notes a `tcp_receive_reset` that is none.
    #[must_use]
    pub fn with_false_receive(mut self) -> Self {
        self.false_receives += 1;
        self
    }

    /// Whether the kernel's counters have grown by what they must have grown by.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn came_about(&self) -> Result<bool> {
        for growth in &self.growth {
            if growth.found()? != growth.counters {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// By how much the kernel's counters have grown, beside what they must have grown by, for a message.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn kernels_view(&self) -> Result<String> {
        let mut view = Vec::new();
        for growth in &self.growth {
            let both = growth.found()?.into_iter().zip(&growth.counters);
            view.extend(both.map(|((name, found), (_, claimed))| format!("{name} {found} of {claimed}")));
        }
        Ok(view.join(", "))
    }

    /// Keeps processes, sysctls or namespaces until the scene is dropped.
    #[must_use]
    pub fn keep(mut self, thing: impl Any + Send) -> Self {
        self.kept.push(Box::new(thing));
        self
    }
}

/// A namespace's counters from a moment on.
#[derive(Debug)]
pub struct Watch {
    place: Place,
    before: Counters,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn on(place: &Place) -> Result<Self> {
        Ok(Self { place: place.clone(), before: Counters::read(place)? })
    }

    /// What has been counted since.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn growth(&self) -> Result<Counters> {
        Ok(Counters::read(&self.place)?.since(&self.before))
    }
}

/// What a namespace's counters must have grown by.
#[derive(Debug)]
pub struct Growth {
    /// The namespace, since when.
    pub watch: Watch,
    /// Counter and growth.
    pub counters: Vec<(&'static str, u64)>,
}

impl Growth {
    /// What those counters have grown by, in the same order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn found(&self) -> Result<Vec<(&'static str, u64)>> {
        let now = self.watch.growth()?;
        Ok(self.counters.iter().map(|(name, _)| (*name, now.get(name))).collect())
    }
}
