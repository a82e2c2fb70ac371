//! Whose password is checked next: one at a time, and those first that are least likely to be guesses.
//!
//! bcrypt is slow on purpose, so that clients which guess passwords make others wait. The next turn goes to the address
//! with the fewest wrong passwords lately. Among the requests of one address, those go last that came after another one
//! of the address got its refusal, or left without one: most likely they are the next guess of the same client. Each
//! refusal makes one later request such a repeated one. Among what is left the newest is next; where all are repeated,
//! the oldest of the newest three, because each refusal brings a newer one.
//!
//! A scraper at an address of its own therefore waits for the check that is running and no other. So does one behind
//! the same address as guessing clients (a proxy, this host), unless it comes in the moment in which one of them got
//! its refusal: then it waits for some more. Requests that wait long are those of guessing clients; they end with the
//! server's deadline for an answer, or give their slots to other connections.

use crate::sync::lock;
use lru::LruCache;
use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Addresses whose wrong passwords are remembered.
const MAX_ADDRESSES: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// How long after the last one an address's wrong passwords count.
const MEMORY: Duration = Duration::from_mins(10);
/// How long after a refusal a request of the same address is taken for the same client's.
const RETURN: Duration = Duration::from_secs(5);
/// Of repeated requests, one of that many gets the next turn.
const NEWEST_REPEATED: usize = 3;
/// Refusals of one address that are remembered for that.
const MAX_REFUSALS: usize = 256;
/// An IPv6 client has at least this prefix for itself.
const IPV6_PREFIX: u128 = !0 << 64;

/// Gives out one turn at a time.
pub(crate) struct Turns(Mutex<TurnState>);

struct TurnState {
    /// Whether a turn has been given out and not ended.
    taken: bool,
    /// In the order of their arrival.
    waiting: Vec<WaitingCheck>,
    records: LruCache<IpAddr, AddressRecord>,
}

struct WaitingCheck {
    address: Option<IpAddr>,
    repeated: bool,
    grant: oneshot::Sender<Turn>,
}

/// What is remembered of an address.
#[derive(Default)]
struct AddressRecord {
    wrong: u32,
    latest_wrong: Option<Instant>,
    /// When its clients were refused or left; those taken away that came again.
    refused: VecDeque<Instant>,
}

/// The right to check a password; passed on when dropped.
pub(crate) struct Turn(Option<Arc<Turns>>);

impl Turns {
    pub(crate) fn new() -> Arc<Self> {
        let records = LruCache::new(MAX_ADDRESSES);
        Arc::new(Self(Mutex::new(TurnState { taken: false, waiting: Vec::new(), records })))
    }

    /// Waits for a turn. Cancel safe: a turn that is given to a request that has ended is passed on.
    pub(crate) async fn turn(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Turn> {
        let address = address.map(client);
        let granted = {
            let mut state = lock(&self.0);
            let repeated = state.comes_again(address, Instant::now());
            if !state.taken {
                state.taken = true;
                return Some(Turn(Some(Arc::clone(self))));
            }
            let (grant, granted) = oneshot::channel();
            state.waiting.push(WaitingCheck { address, repeated, grant });
            granted
        };
        let mut leaving = Leaving { turns: self, address };
        // Never an error: the holder of the turn passes it on.
        let turn = granted.await.ok();
        leaving.address = None;
        turn
    }

    /// Remembers a wrong password from an address.
    pub(crate) fn wrong(&self, address: Option<IpAddr>) {
        let Some(address) = address.map(client) else { return };
        let now = Instant::now();
        let mut state = lock(&self.0);
        let wrong = state.wrong_lately(Some(address), now).saturating_add(1);
        let record = state.record(address);
        (record.wrong, record.latest_wrong) = (wrong, Some(now));
        record.refuse(now);
    }

    fn pass_on(self: Arc<Self>) {
        let mut turn = Turn(Some(Arc::clone(&self)));
        loop {
            let next = {
                let mut state = lock(&self.0);
                let Some(next) = state.next(Instant::now()) else {
                    state.taken = false;
                    turn.0 = None;
                    return;
                };
                next
            };
            // Fails if the request has ended meanwhile.
            match next.grant.send(turn) {
                Ok(()) => return,
                Err(refused) => turn = refused,
            }
        }
    }
}

impl TurnState {
    fn next(&mut self, now: Instant) -> Option<WaitingCheck> {
        self.waiting.retain(|check| !check.grant.is_closed());
        let rank = |check: &WaitingCheck| (self.wrong_lately(check.address, now), check.repeated);
        let first = self.waiting.iter().map(rank).min()?;
        let newest_first = (0..self.waiting.len()).rev().filter(|index| rank(&self.waiting[*index]) == first);
        let (_, repeated) = first;
        let index = newest_first.take(if repeated { NEWEST_REPEATED } else { 1 }).last()?;
        Some(self.waiting.remove(index))
    }

    fn wrong_lately(&self, address: Option<IpAddr>, now: Instant) -> u32 {
        let record = address.and_then(|address| self.records.peek(&address));
        let is_recent = |latest: Instant| now.saturating_duration_since(latest) < MEMORY;
        record.filter(|record| record.latest_wrong.is_some_and(is_recent)).map_or(0, |record| record.wrong)
    }

    fn record(&mut self, address: IpAddr) -> &mut AddressRecord {
        self.records.get_or_insert_mut(address, AddressRecord::default)
    }

    /// Whether a request is taken for that of a client of this address that was refused before.
    fn comes_again(&mut self, address: Option<IpAddr>, now: Instant) -> bool {
        let record = address.and_then(|address| self.records.get_mut(&address));
        let refusal = record.and_then(|record| record.refused.pop_back());
        refusal.is_some_and(|refused| now.saturating_duration_since(refused) < RETURN)
    }
}

impl AddressRecord {
    fn refuse(&mut self, now: Instant) {
        while self.refused.len() >= MAX_REFUSALS {
            self.refused.pop_front();
        }
        self.refused.push_back(now);
    }
}

/// Of a request that waits: dropped with an address, it has left without a turn.
struct Leaving<'a> {
    turns: &'a Turns,
    address: Option<IpAddr>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            lock(&self.turns.0).record(address).refuse(Instant::now());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

/// The addresses that one client may have, as one of them.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_PREFIX).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// The order in which requests from these addresses get their turns, while a turn is taken as they arrive.
    fn order(turns: &Arc<Turns>, requests: &[&str]) -> Vec<usize> {
        let taken = turns.turn(None).now_or_never().flatten().expect("the first turn");
        let mut waiting: Vec<_> =
            requests.iter().map(|request| Some(Box::pin(turns.turn(Some(address(request)))))).collect();
        for request in waiting.iter_mut().flatten() {
            assert!(request.as_mut().now_or_never().is_none(), "two turns at a time");
        }
        drop(taken);
        let mut order = Vec::new();
        while order.len() < requests.len() {
            let granted: Vec<usize> = (0..waiting.len())
                .filter(|index| {
                    let is_granted =
                        waiting[*index].as_mut().is_some_and(|turn| turn.as_mut().now_or_never().is_some());
                    // Dropping the turn passes it on.
                    if is_granted {
                        waiting[*index] = None;
                    }
                    is_granted
                })
                .collect();
            assert!(!granted.is_empty(), "no turn for the others of {order:?}");
            order.extend(granted);
        }
        order
    }

    #[tokio::test]
    async fn the_newest_of_an_address_is_next() {
        let turns = Turns::new();
        // Each pass over the futures finds those that were granted on the way.
        assert_eq!(order(&turns, &["192.0.2.1"; 4])[0], 3);
    }

    #[tokio::test]
    async fn an_address_without_wrong_passwords_is_next_whenever_it_came() {
        let turns = Turns::new();
        for _ in 0..3 {
            turns.wrong(Some(address("192.0.2.1")));
        }
        turns.wrong(Some(address("::ffff:192.0.2.2")));
        assert_eq!(order(&turns, &["192.0.2.3", "192.0.2.2", "192.0.2.1"]), [0, 1, 2]);
    }

    #[tokio::test]
    async fn a_client_that_comes_again_is_last() {
        let turns = Turns::new();
        let first = turns.turn(None).await.expect("a turn");
        let mut left = Box::pin(turns.turn(Some(address("192.0.2.1"))));
        assert!(left.as_mut().now_or_never().is_none());
        drop(left);
        drop(first);
        turns.wrong(Some(address("192.0.2.1")));
        // The two that come again, and two that do not.
        let order = order(&turns, &["192.0.2.1"; 4]);
        assert_eq!(order[0], 3, "found {order:?}");
        let taken = turns.turn(Some(address("192.0.2.1"))).await;
        let mut state = lock(&turns.0);
        assert!(!state.comes_again(Some(address("192.0.2.1")), Instant::now()), "each refusal counts once");
        state.record(address("192.0.2.1")).refuse(Instant::now());
        assert!(!state.comes_again(Some(address("192.0.2.1")), Instant::now() + RETURN));
        drop(state);
        drop(taken);
    }

    #[tokio::test]
    async fn of_clients_that_all_come_again_the_third_newest_is_next() {
        let turns = Turns::new();
        for _ in 0..5 {
            turns.wrong(Some(address("192.0.2.1")));
        }
        assert_eq!(order(&turns, &["192.0.2.1"; 5])[0], 2);
    }

    #[tokio::test]
    async fn an_ipv6_client_cannot_take_another_address() {
        let turns = Turns::new();
        turns.wrong(Some(address("2001:db8::1")));
        assert_eq!(order(&turns, &["2001:db8:0:1::1", "2001:db8::ffff"]), [0, 1]);
    }

    #[tokio::test]
    async fn a_request_that_has_ended_passes_its_turn_on() {
        let turns = Turns::new();
        let first = turns.turn(None).await.expect("a turn");
        let mut second = Box::pin(turns.turn(None));
        let mut third = Box::pin(turns.turn(None));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(first);
        // The third has got the turn and has not taken it.
        drop(third);
        drop(second.now_or_never().flatten().expect("the turn"));
        assert!(turns.turn(None).now_or_never().flatten().is_some(), "the turn is free again");
    }

    #[test]
    fn wrong_passwords_are_forgotten() {
        let turns = Turns::new();
        turns.wrong(Some(address("192.0.2.1")));
        let state = lock(&turns.0);
        assert_eq!(state.wrong_lately(Some(address("192.0.2.1")), Instant::now()), 1);
        assert_eq!(state.wrong_lately(Some(address("192.0.2.1")), Instant::now() + MEMORY), 0);
    }
}
