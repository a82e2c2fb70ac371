//! Who is connected, and who has to go when somebody else finds no room.
//!
//! Connections are bounded, so whoever holds many of them and does nothing could keep everybody else out. Hence nobody
//! is safe in a crowd who keeps the server waiting: of those whose move it is for longer than the crowd's patience, the
//! one that waits longest gives its place to the next. Who sent a whole request is served, whatever comes; who did so
//! before and is idle goes after those who never did. A scraper that asks as it connects passes through any crowd.

use crate::sync::lock;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

/// Whose move it is on a connection.
#[derive(Debug)]
pub(crate) struct Turn {
    waiting: Mutex<Option<Waiting>>,
    cut_off: AtomicBool,
}

/// The client's move.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Instant,
    /// All that was asked for was answered and taken.
    idle: bool,
}

impl Default for Turn {
    /// The client's, which has just connected.
    fn default() -> Self {
        let waiting = Mutex::new(Some(Waiting { since: Instant::now(), idle: false }));
        Self { waiting, cut_off: AtomicBool::new(false) }
    }
}

impl Turn {
    /// A request's header is complete: the server's.
    pub(crate) fn server(&self) {
        self.set(None);
    }

    /// The client's from now on.
    pub(crate) fn client(&self, idle: bool) {
        self.set(Some(Waiting { since: Instant::now(), idle }));
    }

    pub(crate) fn is_servers(&self) -> bool {
        self.get().is_none()
    }

    /// The client does not take its answer and has had its time: the connection ends.
    pub(crate) fn cut_off(&self) {
        self.cut_off.store(true, Ordering::Relaxed);
    }

    /// Whether that is why it ends. Whoever makes the answer, and is dropped, would not know otherwise.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }

    fn set(&self, waiting: Option<Waiting>) {
        *lock(&self.waiting) = waiting;
    }

    fn get(&self) -> Option<Waiting> {
        *lock(&self.waiting)
    }
}

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Crowd {
    size: usize,
    /// How long a client may keep the server waiting when others wait for its place; for ever if absent.
    patience: Option<Duration>,
    places: Arc<Semaphore>,
    members: Mutex<HashMap<u64, Member>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Member {
    turn: Arc<Turn>,
    leave: Arc<Notify>,
}

/// A connection's place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    id: u64,
    pub(crate) turn: Arc<Turn>,
    leave: Arc<Notify>,
    _place: OwnedSemaphorePermit,
}

impl Crowd {
    pub(crate) fn new(size: usize, patience: Option<Duration>) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(size));
        Arc::new(Self { size, patience, places, members: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Whether fewer than one in `share` places are free.
    pub(crate) fn is_dense(&self, share: usize) -> bool {
        self.places.available_permits() < self.size / share
    }

    /// A place, as soon as there is one; nothing once the semaphore is closed, which it never is.
    pub(crate) async fn join(self: &Arc<Self>) -> Option<Seat> {
        let place = loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                break place;
            }
            let next_look = self.make_room(Instant::now());
            let look_again = async {
                match next_look {
                    Some(pause) => sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => break place.ok()?,
                () = look_again => {}
            }
        };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (turn, leave) = (Arc::<Turn>::default(), Arc::<Notify>::default());
        let member = Member { turn: Arc::clone(&turn), leave: Arc::clone(&leave) };
        lock(&self.members).insert(id, member);
        Some(Seat { crowd: Arc::clone(self), id, turn, leave, _place: place })
    }

    /// Asks somebody to leave, if anybody may be asked, and says when to look again.
    fn make_room(&self, now: Instant) -> Option<Duration> {
        let patience = self.patience?;
        let mut members = lock(&self.members);
        let waited = |waiting: &Waiting| now.saturating_duration_since(waiting.since);
        let waiting = members.iter().filter_map(|(id, member)| Some((*id, member.turn.get()?)));
        let overdue = waiting.clone().filter(|(_, waiting)| waited(waiting) >= patience);
        if let Some((id, _)) = overdue.min_by_key(|(_, waiting)| (waiting.idle, waiting.since)) {
            if let Some(member) = members.remove(&id) {
                member.leave.notify_one();
            }
            return Some(patience);
        }
        let longest = waiting.map(|(_, waiting)| waited(&waiting)).max().unwrap_or_default();
        Some(patience.saturating_sub(longest))
    }
}

impl Seat {
    /// Returns when the place is needed for somebody else.
    pub(crate) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.crowd.members).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    const PATIENCE: Duration = Duration::from_secs(1);

    async fn crowd(size: usize) -> (Arc<Crowd>, Vec<Seat>) {
        let crowd = Crowd::new(size, Some(PATIENCE));
        let mut seats = Vec::new();
        for _ in 0..size {
            seats.push(crowd.join().await.expect("a place"));
        }
        (crowd, seats)
    }

    /// Which of the seats were asked to leave.
    fn asked(seats: &[Seat]) -> Vec<usize> {
        (0..seats.len()).filter(|number| seats[*number].asked_to_leave().now_or_never().is_some()).collect()
    }

    #[tokio::test]
    async fn nobody_has_to_go_at_once() {
        let (crowd, seats) = crowd(3).await;
        let pause = crowd.make_room(Instant::now()).expect("it will look again");
        assert!(pause <= PATIENCE, "{pause:?}");
        assert!(asked(&seats).is_empty());
    }

    #[tokio::test]
    async fn the_one_that_waits_longest_goes_and_the_idle_last() {
        let (crowd, seats) = crowd(4).await;
        seats[0].turn.client(true);
        seats[1].turn.server();
        seats[2].turn.client(false);
        seats[3].turn.client(false);
        let late = Instant::now() + 2 * PATIENCE;
        for gone in [2, 3, 0] {
            crowd.make_room(late);
            assert_eq!(asked(&seats), [gone]);
        }
        crowd.make_room(late);
        assert!(asked(&seats).is_empty(), "who is being served stays");
    }

    #[tokio::test]
    async fn a_freed_place_is_taken() {
        let (crowd, mut seats) = crowd(2).await;
        assert!(crowd.is_dense(2));
        let mut next = Box::pin(crowd.join());
        assert!(next.as_mut().now_or_never().is_none());
        seats.pop();
        assert!(next.await.is_some());
        assert!(!crowd.is_dense(2));
    }

    #[tokio::test]
    async fn without_patience_everybody_stays() {
        let crowd = Crowd::new(1, None);
        let seat = crowd.join().await.expect("a place");
        assert_eq!(crowd.make_room(Instant::now() + 1000 * PATIENCE), None);
        assert!(asked(&[seat]).is_empty());
    }
}
