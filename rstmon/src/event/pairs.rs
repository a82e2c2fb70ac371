//! Finds the two events of one RST in a stream, where both ends of the connection are on this host and the daemon has
//! joined them. Pure.

use super::{Endpoint, Event};
use crate::{
    explain::{Cause, CauseId},
    model::Direction,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

/// The two events of one RST are no further apart; a port that is used again later is another connection.
const APART: SignedDuration = SignedDuration::from_secs(1);

/// The ends of a connection as the sender of the RST sees them: local, remote.
type Ends = (Endpoint, Endpoint);

/// Events whose other end may still come, by numbers that the caller gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct PairFinder {
    open: HashMap<Ends, Vec<OpenEnd>>,
}

#[derive(Clone, Copy, Debug)]
struct OpenEnd {
    number: u64,
    time: Timestamp,
    direction: Direction,
}

impl PairFinder {
    /// Takes an event. Returns the number of its other end, which is no longer looked for, if that came before.
    pub(crate) fn push(&mut self, number: u64, event: &Event) -> Option<u64> {
        if event.direction == Direction::Received && event.peer.is_none() {
            return None;
        }
        let open = self.open.entry(ends(event)).or_default();
        let is_other =
            |end: &OpenEnd| end.direction != event.direction && end.time.duration_since(event.time).abs() <= APART;
        if let Some(at) = open.iter().position(is_other) {
            let other = open.remove(at).number;
            if open.is_empty() {
                self.open.remove(&ends(event));
            }
            return Some(other);
        }
        open.push(OpenEnd { number, time: event.time, direction: event.direction });
        None
    }

    /// Looks no longer for the other end of an event.
    pub(crate) fn forget(&mut self, number: u64, event: &Event) {
        if let Some(open) = self.open.get_mut(&ends(event)) {
            open.retain(|end| end.number != number);
            if open.is_empty() {
                self.open.remove(&ends(event));
            }
        }
    }
}

pub(super) fn ends(event: &Event) -> Ends {
    match event.direction {
        Direction::Sent => (event.local, event.remote),
        Direction::Received => (event.remote, event.local),
    }
}

/// Whether the RST of a pair is reported at `one` of its ends. At the receiver if it came from a closed port, which has
/// no process, while the one that tried has. All others are reported at the sender, whose event has the cause.
#[must_use]
pub(crate) fn is_reported_at(one: &Event, other: &Event) -> bool {
    match one.direction {
        Direction::Sent => !is_unowned_refusal(one.cause, one.process()),
        Direction::Received => is_unowned_refusal(other.cause, other.process()),
    }
}

/// Whether no process refused the connection. Only one that listened on the port shortly before is known now and then.
#[must_use]
pub(crate) fn is_unowned_refusal(cause: CauseId, process: Option<&str>) -> bool {
    cause == Cause::Refused && process.is_none()
}

#[cfg(test)]
mod tests {
    use super::PairFinder;
    use crate::event::{Event, testing::event_with};
    use serde_json::json;

    fn event(direction: &str, local: u16, remote: u16, second: u8) -> Event {
        let peer = json!({"process": "a", "pid": 1, "cause": "linger_abort", "sentence": "s"});
        event_with(json!({
            "direction": direction, "time": format!("2026-11-21T03:00:{second:02}Z"),
            "local": {"address": "127.0.0.1", "port": local}, "remote": {"address": "127.0.0.1", "port": remote},
            "peer": if direction == "received" { peer } else { serde_json::Value::Null },
        }))
    }

    #[test]
    fn both_orders_are_one_pair_and_each_end_is_paired_once() {
        let mut pairs = PairFinder::default();
        assert_eq!(pairs.push(1, &event("sent", 80, 4000, 1)), None);
        assert_eq!(pairs.push(2, &event("sent", 80, 4000, 1)), None, "an echo");
        assert_eq!(pairs.push(3, &event("received", 4000, 80, 1)), Some(1));
        assert_eq!(pairs.push(4, &event("received", 80, 5000, 2)), None);
        assert_eq!(pairs.push(5, &event("sent", 5000, 80, 2)), Some(4));
        assert_eq!(pairs.push(6, &event("received", 4000, 80, 40)), None, "the ports are used again");
    }

    #[test]
    fn an_end_that_is_forgotten_or_alone_has_no_pair() {
        let mut pairs = PairFinder::default();
        let sent = event("sent", 80, 4000, 1);
        pairs.push(1, &sent);
        pairs.forget(1, &sent);
        assert_eq!(pairs.push(2, &event("received", 4000, 80, 1)), None);
        let mut alone = event("received", 4001, 80, 1);
        alone.peer = None;
        assert_eq!(pairs.push(3, &alone), None);
        assert_eq!(pairs.push(4, &event("sent", 80, 4001, 1)), None, "the daemon has not joined them");
        assert_eq!(pairs.open.len(), 2);
    }
}
