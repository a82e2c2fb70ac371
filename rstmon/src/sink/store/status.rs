//! What the store reports of itself, for `rstmon doctor`, the metrics and the log.

use crate::sync::lock;
use std::{
    mem,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
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

/// Least time between two failures that are logged.
const LOG_AGAIN: Duration = Duration::from_mins(10);

#[derive(Debug)]
struct CurrentState {
    state: StoreState,
    /// When a failure was last logged.
    logged: Option<Instant>,
    /// Whether that is the failure that lasts, so that its end is logged, too.
    is_failure_logged: bool,
}

/// The parts of a status that the threads of the daemon share.
#[derive(Debug)]
pub(super) struct SharedStatus {
    state: Mutex<CurrentState>,
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
            state: Mutex::new(CurrentState { state: StoreState::Starting, logged: None, is_failure_logged: false }),
            events_bytes: AtomicU64::new(0),
            counts_bytes: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            withheld: AtomicU64::new(0),
            queued: AtomicU64::new(0),
        }
    }

    pub(super) fn state(&self) -> StoreState {
        lock(&self.state).state.clone()
    }

    pub(super) fn is_failing(&self) -> bool {
        matches!(lock(&self.state).state, StoreState::Failing { .. })
    }

    /// Changes the state, and logs the change: a failure and the recovery from it, not more often than [`LOG_AGAIN`]. A
    /// disk that is nearly full may fail and work again each second.
    pub(super) fn change(&self, new: StoreState) {
        let mut current = lock(&self.state);
        let CurrentState { state, logged, is_failure_logged } = &mut *current;
        let lost = self.lost.load(Ordering::Relaxed);
        match (&*state, &new) {
            (StoreState::Failing { .. }, StoreState::Working) if mem::take(is_failure_logged) => {
                tracing::info!(lost, "the store works again");
            }
            (StoreState::Starting | StoreState::Working, StoreState::Failing { reason })
                if logged.is_none_or(|logged| logged.elapsed() >= LOG_AGAIN) =>
            {
                tracing::warn!(reason, "the store cannot write: events are lost for later, counting goes on");
                (*logged, *is_failure_logged) = (Some(Instant::now()), true);
            }
            _ => {}
        }
        *state = new;
    }
}

#[cfg(test)]
mod tests {
    use super::{SharedStatus, StoreState};
    use crate::sync::lock;

    #[test]
    fn a_store_that_fails_again_and_again_says_so_once() {
        let shared = SharedStatus::new();
        let failing = |reason: &str| StoreState::Failing { reason: reason.to_owned() };
        shared.change(failing("a"));
        let logged = lock(&shared.state).logged;
        for state in [failing("b"), StoreState::Working, failing("c")] {
            shared.change(state);
            assert_eq!(lock(&shared.state).logged, logged);
        }
        assert!(logged.is_some() && !lock(&shared.state).is_failure_logged);
        assert_eq!(shared.state(), failing("c"));
    }
}
