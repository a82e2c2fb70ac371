//! Both ends on this host are one story: the received event is told who sent the RST, and why.
//!
//! The two events carry the same addresses, mirrored. A passive reset's sent event comes first, an active one's comes
//! after the received event (the segment is delivered before the tracepoint fires), so a received event waits a moment
//! for its sender. Counters are not touched: they stay one an end.

use super::event::{Endpoint, Event, Peer};
use crate::model::Direction;
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// How long a received event waits for the sent one, and how long a sent one is remembered.
pub const WAIT: Duration = Duration::from_millis(25);
/// Events of either kind that are kept at most; beyond it they pass unjoined.
const KEPT: usize = 4096;

/// The connection as the sender sees it.
type Ends = (Endpoint, Endpoint);

/// Pairs events that are two ends of one RST.
#[derive(Default)]
pub struct Joiner {
    waiting: VecDeque<(Instant, Event)>,
    sent: HashMap<Ends, Peer>,
    sent_order: VecDeque<(Instant, Ends)>,
}

impl Joiner {
    /// Takes in an event and hands out those that wait no longer.
    pub fn push(&mut self, mut event: Event, now: Instant, mut out: impl FnMut(Event)) {
        self.expire(now, &mut out);
        match event.direction {
            Direction::Sent => {
                let ends = (event.local, event.remote);
                let position = self.waiting.iter().position(|(_, other)| (other.remote, other.local) == ends);
                if let Some((_, mut received)) = position.and_then(|position| self.waiting.remove(position)) {
                    event.peer = Some(received.as_peer());
                    tell(&mut received, event.as_peer());
                    out(received);
                } else if self.sent.len() < KEPT {
                    self.sent.insert(ends, event.as_peer());
                    self.sent_order.push_back((now, ends));
                }
                out(event);
            }
            Direction::Received => {
                if let Some(sender) = self.sent.remove(&(event.remote, event.local)) {
                    tell(&mut event, sender);
                    out(event);
                } else if self.waiting.len() < KEPT {
                    self.waiting.push_back((now, event));
                } else {
                    out(event);
                }
            }
        }
    }

    /// Hands out what has waited long enough.
    pub fn expire(&mut self, now: Instant, mut out: impl FnMut(Event)) {
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

    /// Whether anything waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

fn tell(received: &mut Event, sender: Peer) {
    let name = match (&sender.process, sender.pid) {
        (Some(process), Some(pid)) => format!("{process}[{pid}]"),
        _ => "this host".to_owned(),
    };
    received.sentence =
        format!("{}; {name} on this host sent it ({}): {}", received.sentence, sender.cause, sender.sentence);
    received.peer = Some(sender);
}
