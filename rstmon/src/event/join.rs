//! Joins the two events of one RST where both ends of the connection are on this host. The received event gets the
//! sender with its cause and sentence; the sent event gets the receiver if it comes second.
//!
//! The two events carry the same addresses, mirrored. The sent event of a passive reset comes first; that of an active
//! reset comes after the received event, because the segment is delivered before the tracepoint fires. A received event
//! therefore waits up to [`WAIT`] for the sent one. Joining does not change the counters: they count each end.

use super::{Endpoint, Event, EventPeer};
use crate::{explain::present::ProcessName, model::Direction};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// How long a received event waits for the sent one, and how long a sent one is remembered.
pub(crate) const WAIT: Duration = Duration::from_millis(80);
/// Limit of the events of either direction that are kept; further ones pass unjoined.
const KEPT: usize = 4096;

/// Local and remote end of the connection as the sender of the RST sees it.
type Ends = (Endpoint, Endpoint);

#[derive(Default)]
pub(crate) struct Joiner {
    waiting: VecDeque<(Instant, Event)>,
    sent: HashMap<Ends, EventPeer>,
    sent_order: VecDeque<(Instant, Ends)>,
}

impl Joiner {
    /// Takes an event, and passes the events that no longer wait to `out`.
    pub(crate) fn push(&mut self, mut event: Event, now: Instant, mut out: impl FnMut(Event)) {
        self.expire(now, &mut out);
        match event.direction {
            Direction::Sent => {
                let ends = (event.local, event.remote);
                let position = self.waiting.iter().position(|(_, other)| (other.remote, other.local) == ends);
                if let Some((_, mut received)) = position.and_then(|position| self.waiting.remove(position)) {
                    event.peer = Some(received.as_peer());
                    add_sender(&mut received, event.as_peer());
                    out(received);
                } else if self.sent.len() < KEPT {
                    self.sent.insert(ends, event.as_peer());
                    self.sent_order.push_back((now, ends));
                }
                out(event);
            }
            Direction::Received => {
                if let Some(sender) = self.sent.remove(&(event.remote, event.local)) {
                    add_sender(&mut event, sender);
                    out(event);
                } else if self.waiting.len() < KEPT {
                    self.waiting.push_back((now, event));
                } else {
                    out(event);
                }
            }
        }
    }

    /// Passes the events that have waited for [`WAIT`] to `out`.
    pub(crate) fn expire(&mut self, now: Instant, mut out: impl FnMut(Event)) {
        while let Some((since, _)) = self.waiting.front()
            && now.duration_since(*since) >= WAIT
            && let Some((_, event)) = self.waiting.pop_front()
        {
            out(event);
        }
        while let Some((since, ends)) = self.sent_order.front()
            && now.duration_since(*since) >= WAIT
        {
            self.sent.remove(ends);
            self.sent_order.pop_front();
        }
    }

    #[must_use]
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

fn add_sender(received: &mut Event, sender: EventPeer) {
    let name = match (&sender.process, sender.pid) {
        (Some(process), Some(pid)) => format!("{} on this host", ProcessName::new(process, pid)),
        _ => "this host itself".to_owned(),
    };
    received.sentence = format!("{}; {name} sent it ({}): {}", received.sentence, sender.cause, sender.sentence);
    received.peer = Some(sender);
}

#[cfg(test)]
mod tests {
    use super::{Event, Instant, Joiner, WAIT};
    use crate::event::testing::event_with;
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
