//! Admission control: which connections are open, and which of them is closed when a new one finds no free slot.
//!
//! Slots are bounded, so a client that opens many connections and does nothing could keep all others out. So while a
//! connection waits for a slot, the one that has kept the server waiting longest is evicted, once it has done so for
//! longer than `ConnectionLimits::evict_after`. A connection whose request the server works on is never evicted before
//! it is answered, nor is a follower that reads its events; a connection that is idle after an answer is evicted only
//! after those that never sent a whole request, and those whose password was not checked yet. A client that sends its
//! request as it connects is therefore always served.

use super::state::{ConnectionState, Hold};
use crate::sync::lock;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

/// The connections of one server.
#[derive(Debug)]
pub(crate) struct AdmissionControl {
    capacity: usize,
    /// `ConnectionLimits::evict_after`; no connection is evicted if absent.
    evict_after: Option<Duration>,
    slots: Arc<Semaphore>,
    admitted: Mutex<HashMap<u64, AdmittedConnection>>,
    next_id: AtomicU64,
}

#[derive(Debug)]
struct AdmittedConnection {
    state: Arc<ConnectionState>,
    evict: Arc<Notify>,
}

/// The slot of one connection, free again when dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    admission: Arc<AdmissionControl>,
    id: u64,
    pub(crate) state: Arc<ConnectionState>,
    evict: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl AdmissionControl {
    pub(crate) fn new(capacity: usize, evict_after: Option<Duration>) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(capacity));
        Arc::new(Self { capacity, evict_after, slots, admitted: Mutex::default(), next_id: AtomicU64::new(0) })
    }

    /// Whether fewer than one in `share` slots are free.
    pub(crate) fn is_nearly_full(&self, share: usize) -> bool {
        self.slots.available_permits() < self.capacity / share
    }

    /// Waits for a slot. `None` only if the semaphore were closed, which it never is.
    pub(crate) async fn admit(self: &Arc<Self>) -> Option<ConnectionSlot> {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
                break permit;
            }
            let pause = self.evict_one(Instant::now());
            let retry = async {
                match pause {
                    Some(pause) => sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                permit = Arc::clone(&self.slots).acquire_owned() => break permit.ok()?,
                () = retry => {}
            }
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (state, evict) = (Arc::<ConnectionState>::default(), Arc::<Notify>::default());
        lock(&self.admitted).insert(id, AdmittedConnection { state: Arc::clone(&state), evict: Arc::clone(&evict) });
        Some(ConnectionSlot { admission: Arc::clone(self), id, state, evict, _permit: permit })
    }

    /// Evicts a connection if one is overdue, and returns the time after which to try again.
    fn evict_one(&self, now: Instant) -> Option<Duration> {
        let evict_after = self.evict_after?;
        let mut admitted = lock(&self.admitted);
        let waited = |hold: &Hold| now.saturating_duration_since(hold.since);
        let held = admitted.iter().filter_map(|(id, connection)| Some((*id, connection.state.held()?)));
        let overdue = held.clone().filter(|(_, hold)| waited(hold) >= evict_after);
        if let Some((id, _)) = overdue.min_by_key(|(_, hold)| (hold.reason, hold.since)) {
            if let Some(connection) = admitted.remove(&id) {
                connection.evict.notify_one();
            }
            return Some(evict_after);
        }
        let longest = held.map(|(_, hold)| waited(&hold)).max().unwrap_or_default();
        Some(evict_after.saturating_sub(longest))
    }
}

impl ConnectionSlot {
    /// Returns when the connection has to end because another one needs the slot.
    pub(crate) async fn evicted(&self) {
        self.evict.notified().await;
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        lock(&self.admission.admitted).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::http::state::HoldReason;
    use futures_util::FutureExt as _;

    const EVICT_AFTER: Duration = Duration::from_secs(1);

    async fn full(capacity: usize) -> (Arc<AdmissionControl>, Vec<ConnectionSlot>) {
        let admission = AdmissionControl::new(capacity, Some(EVICT_AFTER));
        let mut slots = Vec::new();
        for _ in 0..capacity {
            slots.push(admission.admit().await.expect("a slot"));
        }
        (admission, slots)
    }

    /// The indices of the slots evicted since the last call.
    fn evicted(slots: &[ConnectionSlot]) -> Vec<usize> {
        (0..slots.len()).filter(|number| slots[*number].evicted().now_or_never().is_some()).collect()
    }

    #[tokio::test]
    async fn no_connection_is_evicted_at_once() {
        let (admission, slots) = full(3).await;
        let pause = admission.evict_one(Instant::now()).expect("a time to try again");
        assert!(pause <= EVICT_AFTER, "{pause:?}");
        assert!(evicted(&slots).is_empty());
    }

    #[tokio::test]
    async fn the_longest_waiting_goes_first_and_the_idle_last() {
        let (admission, slots) = full(7).await;
        slots[0].state.hold(HoldReason::Idle);
        slots[1].state.work();
        slots[2].state.hold(HoldReason::Unchecked);
        slots[3].state.hold(HoldReason::Slow);
        slots[4].state.hold(HoldReason::Slow);
        // Followers: one reads its events, one does not.
        slots[5].state.follow(true);
        slots[5].state.hold(HoldReason::Idle);
        slots[6].state.follow(true);
        slots[6].state.hold(HoldReason::Slow);
        let late = Instant::now() + 2 * EVICT_AFTER;
        for gone in [3, 4, 6, 2, 0] {
            admission.evict_one(late);
            assert_eq!(evicted(&slots), [gone]);
        }
        admission.evict_one(late);
        assert!(evicted(&slots).is_empty(), "clients that get their answers stay");
    }

    #[tokio::test]
    async fn a_freed_slot_is_taken() {
        let (admission, mut slots) = full(2).await;
        assert!(admission.is_nearly_full(2));
        let mut next = Box::pin(admission.admit());
        assert!(next.as_mut().now_or_never().is_none());
        slots.pop();
        assert!(next.await.is_some());
        assert!(!admission.is_nearly_full(2));
    }

    #[tokio::test]
    async fn without_a_limit_every_connection_stays() {
        let admission = AdmissionControl::new(1, None);
        let slot = admission.admit().await.expect("a slot");
        assert_eq!(admission.evict_one(Instant::now() + 1000 * EVICT_AFTER), None);
        assert!(evicted(&[slot]).is_empty());
    }
}
