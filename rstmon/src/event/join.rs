//! Joins the two events of one RST where both ends of the connection are on this host. The received event gets the
//! sender with its cause and sentence; the sent event gets the receiver if it comes second.
//!
//! The numbers on the wire ([`Wire`]) decide which events belong together, so that NAT between the ends does not
//! matter, nor equal addresses in several network namespaces. Events without them (of an older recording) are joined by
//! their addresses. Of several sent events that fit, the first is the cause: the kernel answers each segment that was
//! in flight with one more RST, and such an echo has the same sequence number.
//!
//! The sent event of a passive reset comes first; that of an active reset comes after the received event, because the
//! segment is delivered before the tracepoint fires. A received event therefore waits up to [`WAIT`] for the sent one.
//! Joining does not change the counters: they count each end.

use super::{Endpoint, Event, EventPeer, pairs::ends};
use crate::{
    explain::present::ProcessName,
    model::{Direction, Wire, WireKey},
};
use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    time::{Duration, Instant},
};

/// How long a received event waits for the sent one, and how long a sent one is remembered.
pub(crate) const WAIT: Duration = Duration::from_millis(80);
/// Limit of the events of either direction that are kept; further ones pass unjoined.
const KEPT: usize = 4096;

/// Under which the other end is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum JoinKey {
    Wire(WireKey),
    /// Local and remote end of the connection as the sender of the RST sees it.
    Ends(Endpoint, Endpoint),
}

/// The sender's end of a RST, until the receiver's comes.
struct SentEnd {
    wire: Option<Wire>,
    peer: EventPeer,
}

#[derive(Default)]
pub(crate) struct Joiner {
    sent: Kept<SentEnd>,
    waiting: Kept<Event>,
}

impl Joiner {
    /// Takes an event, and passes the events that no longer wait to `out`.
    pub(crate) fn push(&mut self, mut event: Event, now: Instant, mut out: impl FnMut(Event)) {
        self.expire(now, &mut out);
        let keys = keys(&event);
        match event.direction {
            Direction::Sent => {
                let other_end = |received: &Event| belong_together(event.wire, received.wire);
                if let Some(mut received) = self.waiting.take(&keys, other_end) {
                    event.peer = Some(received.as_peer());
                    add_sender(&mut received, event.as_peer());
                    out(received);
                } else if !self.sent.is_full() {
                    self.sent.insert(SentEnd { wire: event.wire, peer: event.as_peer() }, keys, now);
                }
                out(event);
            }
            Direction::Received => {
                let other_end = |sent: &SentEnd| belong_together(sent.wire, event.wire);
                if let Some(SentEnd { peer, .. }) = self.sent.take(&keys, other_end) {
                    add_sender(&mut event, peer);
                    out(event);
                } else if self.waiting.is_full() {
                    out(event);
                } else {
                    self.waiting.insert(event, keys, now);
                }
            }
        }
    }

    /// Passes the events that have waited for [`WAIT`] to `out`.
    pub(crate) fn expire(&mut self, now: Instant, out: impl FnMut(Event)) {
        self.waiting.expire(now, out);
        self.sent.expire(now, drop);
    }

    #[must_use]
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.entries.is_empty()
    }
}

fn keys(event: &Event) -> Vec<JoinKey> {
    match event.wire {
        Some(Wire::Sent(wire)) => vec![JoinKey::Wire(wire.key())],
        Some(Wire::Received(wire)) => wire.keys().map(JoinKey::Wire).collect(),
        None => {
            let (sender, receiver) = ends(event);
            vec![JoinKey::Ends(sender, receiver)]
        }
    }
}

fn belong_together(sent: Option<Wire>, received: Option<Wire>) -> bool {
    match (sent, received) {
        (Some(Wire::Sent(sent)), Some(Wire::Received(received))) => sent.is_received_as(received),
        // Found by the addresses, which is all there is.
        (None, None) => true,
        _ => false,
    }
}

/// Values for a while, each under several keys; of those under one key, the oldest is found first.
struct Kept<T> {
    entries: BTreeMap<u64, KeptEntry<T>>,
    by_key: HashMap<JoinKey, Vec<u64>>,
    next: u64,
}

struct KeptEntry<T> {
    since: Instant,
    keys: Vec<JoinKey>,
    value: T,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), by_key: HashMap::new(), next: 0 }
    }
}

impl<T> Kept<T> {
    fn is_full(&self) -> bool {
        self.entries.len() >= KEPT
    }

    fn insert(&mut self, value: T, keys: Vec<JoinKey>, since: Instant) {
        let number = self.next;
        self.next += 1;
        for key in &keys {
            self.by_key.entry(*key).or_default().push(number);
        }
        self.entries.insert(number, KeptEntry { since, keys, value });
    }

    /// Removes the oldest value under one of `keys` for which `is_wanted` holds.
    fn take(&mut self, keys: &[JoinKey], is_wanted: impl Fn(&T) -> bool) -> Option<T> {
        let numbers = keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        let wanted = numbers.filter(|number| self.entries.get(number).is_some_and(|entry| is_wanted(&entry.value)));
        let number = *wanted.min()?;
        self.remove(number)
    }

    fn remove(&mut self, number: u64) -> Option<T> {
        let KeptEntry { keys, value, .. } = self.entries.remove(&number)?;
        for key in keys {
            if let Some(numbers) = self.by_key.get_mut(&key) {
                numbers.retain(|other| *other != number);
                if numbers.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
        Some(value)
    }

    /// Removes the values that have been here for [`WAIT`], and passes them to `out`.
    fn expire(&mut self, now: Instant, mut out: impl FnMut(T)) {
        while let Some((&number, entry)) = self.entries.first_key_value()
            && now.duration_since(entry.since) >= WAIT
        {
            if let Some(value) = self.remove(number) {
                out(value);
            }
        }
    }
}

fn add_sender(received: &mut Event, sender: EventPeer) {
    let name = ProcessName::of_owner(sender.process.as_deref(), sender.pid)
        .map_or_else(|| "this host itself".to_owned(), |name| format!("{name} on this host"));
    received.sentence = format!("{}; {name} sent it ({}): {}", received.sentence, sender.cause, sender.sentence);
    received.peer = Some(sender);
}

#[cfg(test)]
mod tests {
    use super::{Event, Instant, Joiner, WAIT, Wire};
    use crate::{
        event::testing::event_with,
        model::{ReceivedWire, SentWire},
    };
    use serde_json::json;

    fn event(direction: &str, local: u16, remote: u16, process: &str) -> Event {
        event_with(json!({
            "direction": direction, "local": {"port": local}, "remote": {"address": "127.0.0.1", "port": remote},
            "owner": {"process": process, "pid": 7},
            "cause": if direction == "sent" { "linger_abort" } else { "peer_reset" },
            "sentence": format!("{process} says"),
        }))
    }

    fn push(joiner: &mut Joiner, event: Event, now: Instant) -> Vec<Event> {
        let mut out = Vec::new();
        joiner.push(event, now, |event| out.push(event));
        out
    }

    #[test]
    fn an_active_reset_is_joined_though_its_sent_event_comes_last() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        assert_eq!(push(&mut joiner, event("received", 80, 4000, "web"), now), []);
        let out = push(&mut joiner, event("sent", 4000, 80, "curl"), now);
        let peers: Vec<_> =
            out.iter().map(|event| event.peer.as_ref().and_then(|peer| peer.process.as_deref())).collect();
        assert_eq!(peers, [Some("curl"), Some("web")]);
        assert_eq!(out[0].sentence, "web says; curl[7] on this host sent it (linger_abort): curl says");
    }

    #[test]
    fn a_passive_reset_is_joined_with_its_sender_before_it() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        assert_eq!(push(&mut joiner, event("sent", 4000, 80, "curl"), now).len(), 1);
        let out = push(&mut joiner, event("received", 80, 4000, "web"), now);
        assert_eq!(out[0].peer.as_ref().and_then(|peer| peer.process.as_deref()), Some("curl"));
    }

    #[test]
    fn a_received_reset_from_elsewhere_waits_only_a_moment() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        assert_eq!(push(&mut joiner, event("received", 80, 4000, "web"), now), []);
        let mut out = Vec::new();
        joiner.expire(now + WAIT, |event| out.push(event));
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].peer, None);
        assert!(!joiner.is_waiting());
    }

    #[test]
    fn ends_of_other_connections_are_not_joined() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        push(&mut joiner, event("received", 80, 4000, "web"), now);
        let out = push(&mut joiner, event("sent", 4001, 80, "curl"), now);
        assert_eq!(out.iter().filter(|event| event.peer.is_some()).count(), 0);
    }

    /// The events of a RST with these numbers, whatever their addresses.
    fn with_wire(mut event: Event, wire: Wire) -> Event {
        event.wire = Some(wire);
        event
    }

    fn sent(seq: u32, ack: u32) -> Wire {
        Wire::Sent(SentWire { seq, ack })
    }

    fn received(rcv_nxt: u32) -> Wire {
        Wire::Received(ReceivedWire { rcv_nxt, after_fin: false, sack_edge: None, snd_una: 10, snd_nxt: 20 })
    }

    #[test]
    fn numbers_join_where_addresses_were_translated() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        push(&mut joiner, with_wire(event("sent", 4000, 80, "curl"), sent(700, 15)), now);
        let out = push(&mut joiner, with_wire(event("received", 8080, 61_000, "web"), received(700)), now);
        assert_eq!(out[0].peer.as_ref().and_then(|peer| peer.process.as_deref()), Some("curl"));
    }

    #[test]
    fn equal_addresses_are_not_joined_against_the_numbers() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        for wire in [sent(701, 15), sent(700, 21)] {
            push(&mut joiner, with_wire(event("sent", 4000, 80, "curl"), wire), now);
        }
        let out = push(&mut joiner, with_wire(event("received", 80, 4000, "web"), received(700)), now);
        assert_eq!(out, [], "it waits for its own sender");
    }

    #[test]
    fn an_echo_does_not_replace_the_first_reset() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        push(&mut joiner, with_wire(event("sent", 80, 4000, "server"), sent(700, 15)), now);
        push(&mut joiner, with_wire(event("sent", 80, 4000, "echo"), sent(700, 18)), now);
        let out = push(&mut joiner, with_wire(event("received", 4000, 80, "client"), received(700)), now);
        assert_eq!(out[0].peer.as_ref().and_then(|peer| peer.process.as_deref()), Some("server"));
    }

    #[test]
    fn a_flood_is_neither_kept_nor_lost() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        let mut out = 0;
        for port in 0..10_000 {
            joiner.push(event("received", 80, port, "web"), now, |_| out += 1);
        }
        joiner.expire(now + WAIT, |_| out += 1);
        assert_eq!(out, 10_000);
    }
}
