//! What the store reports of itself, for `rstmon doctor`, the metrics and the log.

use crate::sync::lock;
use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Whether the store can write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreState {
    /// The directory has not been opened yet.
    Starting,
    Working,
    /// Events are lost until it works again, which is tried again and again.
    Failing {
        reason: String,
    },
}

/// A store at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreStatus {
    pub(crate) directory: PathBuf,
    pub(crate) state: StoreState,
    /// Bytes on disk of events, and their limit.
    pub(crate) events_bytes: u64,
    pub(crate) max_bytes: u64,
    /// Bytes on disk of counts.
    pub(crate) counts_bytes: u64,
    /// Events written since the start.
    pub(crate) stored: u64,
    /// Events lost since the start.
    pub(crate) lost: u64,
    /// Events counted and not stored since the start, because their kind had its share.
    pub(crate) withheld: u64,
}

/// The parts of a status that the threads of the daemon share.
#[derive(Debug)]
pub(super) struct SharedStatus {
    state: Mutex<StoreState>,
    pub(super) events_bytes: AtomicU64,
    pub(super) counts_bytes: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) withheld: AtomicU64,
    /// Events in the queue.
    pub(super) queued: AtomicU64,
}

impl SharedStatus {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(StoreState::Starting),
            events_bytes: AtomicU64::new(0),
            counts_bytes: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            withheld: AtomicU64::new(0),
            queued: AtomicU64::new(0),
        }
    }

    pub(super) fn state(&self) -> StoreState {
        lock(&self.state).clone()
    }

    pub(super) fn is_failing(&self) -> bool {
        matches!(*lock(&self.state), StoreState::Failing { .. })
    }

    /// Changes the state, and logs the change: a failure once, and the recovery.
    pub(super) fn change(&self, new: StoreState) {
        let mut state = lock(&self.state);
        let lost = self.lost.load(Ordering::Relaxed);
        match (&*state, &new) {
            (StoreState::Failing { .. }, StoreState::Working) => {
                tracing::info!(lost, "the store works again");
            }
            (StoreState::Failing { reason: old }, StoreState::Failing { reason }) if old == reason => {}
            (_, StoreState::Failing { reason }) => {
                tracing::warn!(reason, "the store cannot write: events are lost for later, counting goes on");
            }
            _ => {}
        }
        *state = new;
    }
}
