//! Which side a connection waits for: shared by the stream's deadlines, the admission control, the gate and the routes.

use crate::sync::lock;
use std::{
    net::IpAddr,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

#[derive(Debug)]
pub(crate) struct ConnectionState {
    /// Absent while the server owes the client an answer.
    held: Mutex<Option<Hold>>,
    follows: AtomicBool,
    cut_off: AtomicBool,
    /// The client's address, on TCP.
    peer: OnceLock<IpAddr>,
}

/// A connection holds its slot without the server working on an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) since: Instant,
    pub(crate) reason: HoldReason,
}

/// Why a connection holds its slot, in the order in which connections are evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HoldReason {
    /// The client has to send the rest of a request, or to read the rest of an answer.
    Slow,
    /// The client's password waits for its turn to be checked.
    Unchecked,
    /// Every request was answered, and every answer was read.
    Idle,
}

impl Default for ConnectionState {
    /// A client that has just connected and has to send a request.
    fn default() -> Self {
        Self {
            held: Mutex::new(Some(Hold { since: Instant::now(), reason: HoldReason::Slow })),
            follows: AtomicBool::new(false),
            cut_off: AtomicBool::new(false),
            peer: OnceLock::new(),
        }
    }
}

impl ConnectionState {
    /// From now on the server works on an answer.
    pub(crate) fn work(&self) {
        *lock(&self.held) = None;
    }

    /// From now on the connection holds its slot for this reason.
    pub(crate) fn hold(&self, reason: HoldReason) {
        *lock(&self.held) = Some(Hold { since: Instant::now(), reason });
    }

    /// `None` while the server works on an answer. A follower of events is never idle: a stream without events is an
    /// answer, too.
    pub(crate) fn held(&self) -> Option<Hold> {
        let held = *lock(&self.held);
        held.filter(|hold| hold.reason != HoldReason::Idle || !self.follows.load(Ordering::Relaxed))
    }

    /// Whether the client has to send or to read something, as opposed to the server.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.held().is_some_and(|hold| hold.reason != HoldReason::Unchecked)
    }

    /// The answer is a stream of events until this is called with `false`.
    pub(crate) fn follow(&self, follows: bool) {
        self.follows.store(follows, Ordering::Relaxed);
    }

    /// To be called once, before the connection is served.
    pub(crate) fn set_peer(&self, address: IpAddr) {
        let _ = self.peer.set(address);
    }

    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.peer.get().copied()
    }

    /// The client did not read its answer in time: the connection ends.
    pub(crate) fn cut_off(&self) {
        self.cut_off.store(true, Ordering::Relaxed);
    }

    /// Whether the connection ends because of [`Self::cut_off`]. A response body is only dropped and has no other way
    /// to find out why.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }
}
