//! The result of a scenario: the resets that rstmon must see, and resources that have to outlive the scenario.

use crate::{actor::Actor, kernel::Counters, netns::NetworkPlace};
use anyhow::Result;
use std::{any::Any, net::SocketAddr};

/// One end of a connection, and the process that owned its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Process id of the owner.
    pub pid: u32,
    /// Comm of the owner's thread-group leader.
    pub comm: String,
    /// The address at this end.
    pub local: SocketAddr,
    /// The address of the peer.
    pub remote: SocketAddr,
}

impl End {
    /// An actor's end of a connection.
    #[must_use]
    pub fn of(actor: &Actor, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { pid: actor.pid(), comm: actor.comm().to_owned(), local, remote }
    }
}

/// The direction of a reset, as seen from the socket that it is reported for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This host's kernel sent it.
    Sent,
    /// This host's kernel accepted it.
    Received,
}

impl Direction {
    /// The value of the label and of the event's field.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// The expected value of a number in an event's evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedNumber {
    /// Exactly this value.
    Exactly(u64),
    /// This value or more.
    AtLeast(u64),
    /// From the first to the second value, both included.
    Between(u64, u64),
}

impl ExpectedNumber {
    /// Whether `value` is as expected.
    #[must_use]
    pub fn holds(self, value: u64) -> bool {
        match self {
            Self::Exactly(wanted) => value == wanted,
            Self::AtLeast(least) => value >= least,
            Self::Between(least, most) => (least..=most).contains(&value),
        }
    }
}

/// A cause or confidence that is not fixed.
pub const ANY: &str = "any";

/// One reset that must be seen exactly once.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Whether it is sent or received.
    pub direction: Direction,
    /// The socket's own address.
    pub local: SocketAddr,
    /// The address of its peer.
    pub remote: SocketAddr,
    /// Comm and id of the process that owned the socket; id 0: only the name is known. `None`: there was no socket, so
    /// there is no owner.
    pub owner: Option<(String, u32)>,
    /// Whether the owner may be missing: rstmon may say less, but no other owner.
    pub may_be_unowned: bool,
    /// The kernel's reason in lower case, on kernels that have one (6.12 and later).
    pub reason: Option<&'static str>,
    /// The socket's state before the reset, if there was a socket.
    pub state: Option<&'static str>,
    /// The expected cause and confidence; [`ANY`] if it is not fixed.
    pub verdict: (&'static str, &'static str),
    /// The expected severity; `None` if any will do.
    pub severity: Option<&'static str>,
    /// Facts of the verdict that must be among those of the event, as `phase=idle`.
    pub facts: Vec<&'static str>,
    /// Words that the sentence must have.
    pub says: Vec<String>,
    /// The expected cause and confidence on kernels without reasons, if the cause differs.
    pub verdict_without_reason: Option<(&'static str, &'static str)>,
    /// Expected numbers of the evidence.
    pub evidence: Vec<(&'static str, ExpectedNumber)>,
}

impl Expected {
    /// A reset that the kernel sent for `end` with `reason` while the socket was in `state`.
    #[must_use]
    pub fn sent(end: &End, reason: &'static str, state: &'static str) -> Self {
        Self {
            direction: Direction::Sent,
            local: end.local,
            remote: end.remote,
            owner: Some((end.comm.clone(), end.pid)),
            may_be_unowned: false,
            reason: Some(reason),
            state: Some(state),
            verdict: ("unexplained", "guess"),
            severity: None,
            facts: Vec::new(),
            says: Vec::new(),
            verdict_without_reason: None,
            evidence: Vec::new(),
        }
    }

    /// A reset that `end` received while its socket was in `state`.
    #[must_use]
    pub fn received(end: &End, state: &'static str) -> Self {
        Self { direction: Direction::Received, reason: None, ..Self::sent(end, "", state) }
    }

    /// A reset that the kernel sent without a socket.
    #[must_use]
    pub fn sent_without_socket(local: SocketAddr, remote: SocketAddr, reason: &'static str) -> Self {
        let end = End { pid: 0, comm: String::new(), local, remote };
        Self { owner: None, state: None, ..Self::sent(&end, reason, "") }
    }

    /// Sets the expected cause and confidence.
    #[must_use]
    pub fn because(mut self, cause: &'static str, confidence: &'static str) -> Self {
        self.verdict = (cause, confidence);
        self
    }

    /// Sets the expected cause and severity; the confidence is not fixed.
    #[must_use]
    pub fn judged(mut self, cause: &'static str, severity: &'static str) -> Self {
        self.verdict = (cause, ANY);
        self.severity = Some(severity);
        self
    }

    /// Fixes the confidence.
    #[must_use]
    pub fn surely(mut self, confidence: &'static str) -> Self {
        self.verdict.1 = confidence;
        self
    }

    /// Lets the owner be missing.
    #[must_use]
    pub fn perhaps_unowned(mut self) -> Self {
        self.may_be_unowned = true;
        self
    }

    /// Adds facts of the verdict.
    #[must_use]
    pub fn given(mut self, facts: &[&'static str]) -> Self {
        self.facts.extend(facts);
        self
    }

    /// Adds words of the sentence.
    #[must_use]
    pub fn saying(mut self, words: &str) -> Self {
        self.says.push(words.to_owned());
        self
    }

    /// Whether `other` is of the same direction and connection.
    #[must_use]
    pub fn is_along(&self, other: &Self) -> bool {
        (self.direction, self.local, self.remote) == (other.direction, other.local, other.remote)
    }

    /// Sets the expected cause and confidence on kernels without reasons.
    #[must_use]
    pub(crate) fn without_reason(mut self, cause: &'static str, confidence: &'static str) -> Self {
        self.verdict_without_reason = Some((cause, confidence));
        self
    }

    /// Adds an expected number of the evidence.
    #[must_use]
    pub fn with(mut self, name: &'static str, number: ExpectedNumber) -> Self {
        self.evidence.push((name, number));
        self
    }
}

/// The result of a scenario.
#[derive(Debug)]
pub struct Scene {
    /// Every reset that it provoked.
    pub resets: Vec<Expected>,
    /// How often `tcp_receive_reset` fired although no reset was received: the kernel also runs `tcp_reset` for data
    /// that arrives after a close.
    pub false_receives: usize,
    /// Further resets, sent for segments that crossed one of `resets`; their number depends on timing.
    pub answered_stray_segments: u64,
    /// Exact growth of the counters of each namespace.
    pub growth: Vec<Growth>,
    /// Error numbers that the applications got: expected and found.
    pub errnos: Vec<(i32, i32)>,
    kept: Vec<Box<dyn Any + Send>>,
}

impl Scene {
    /// A scene that provoked `resets`.
    #[must_use]
    pub fn new(resets: Vec<Expected>) -> Self {
        Self {
            resets,
            false_receives: 0,
            answered_stray_segments: 0,
            growth: Vec::new(),
            errnos: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Each reset, and how many before it are of the same direction and connection: they cannot be distinguished by
    /// their addresses, only by their order.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &Expected)> {
        let numbered = self.resets.iter().enumerate();
        numbered.map(|(index, reset)| (self.resets[..index].iter().filter(|one| one.is_along(reset)).count(), reset))
    }

    /// Records resets that were sent for segments which crossed one of `resets`.
    #[must_use]
    pub(crate) fn with_answered_stray_segments(mut self, count: u64) -> Self {
        self.answered_stray_segments = count;
        self
    }

    /// Records the expected growth of a namespace's counters since `watch` began.
    #[must_use]
    pub fn grew(mut self, watch: Watch, counters: &[(&'static str, u64)]) -> Self {
        self.growth.push(Growth { watch, counters: counters.to_vec() });
        self
    }

    /// Records the error number that an application must get, and the one that it got.
    #[must_use]
    pub fn saw(mut self, claimed: i32, found: i32) -> Self {
        self.errnos.push((claimed, found));
        self
    }

    /// Records a `tcp_receive_reset` without a received reset.
    #[must_use]
    pub(crate) fn with_false_receive(mut self) -> Self {
        self.false_receives += 1;
        self
    }

    /// Whether the kernel's counters have grown as expected.
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

    /// The growth of the kernel's counters with the expected values, for an error message.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn kernels_view(&self) -> Result<String> {
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

/// The counters of a namespace at some time, to measure their growth.
#[derive(Debug)]
pub struct Watch {
    place: NetworkPlace,
    before: Counters,
}

impl Watch {
    /// Reads the counters.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn on(place: &NetworkPlace) -> Result<Self> {
        Ok(Self { place: place.clone(), before: Counters::read(place)? })
    }

    /// The growth of the counters since then.
    ///
    /// # Errors
    /// When the counters cannot be read.
    pub fn growth(&self) -> Result<Counters> {
        Ok(Counters::read(&self.place)?.since(&self.before))
    }
}

/// The expected growth of a namespace's counters.
#[derive(Debug)]
pub struct Growth {
    /// The counters at the start.
    pub watch: Watch,
    /// Name and expected growth of each counter.
    pub counters: Vec<(&'static str, u64)>,
}

impl Growth {
    /// The measured growth of those counters, in the same order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn found(&self) -> Result<Vec<(&'static str, u64)>> {
        let now = self.watch.growth()?;
        Ok(self.counters.iter().map(|(name, _)| (*name, now.get(name))).collect())
    }
}
