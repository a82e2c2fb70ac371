//! Events -> rows of text: both ends of one RST are one row, where both are on this host. Pure.
//!
//! An event waits for [`HOLD`], so that its other end can still join its row. Rows come in the order of the events.

use crate::event::{
    Event,
    pairs::{PairFinder, is_reported_at},
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The daemon holds a received event back for up to 80 ms, and gathers lines for 20 ms.
const HOLD: Duration = Duration::from_millis(150);
/// Events that wait at the same time; further ones push the oldest out.
const HELD: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct TailRow {
    /// The end that it is reported at: the sender's, except of a refused attempt.
    pub(super) event: Event,
    /// The other end.
    pub(super) other: Option<Event>,
}

#[derive(Default)]
pub(super) struct TailRows {
    held: VecDeque<HeldRow>,
    pairs: PairFinder,
    /// Number of the first held row.
    first: u64,
}

struct HeldRow {
    since: Instant,
    /// `None` once the event is in the row of its other end.
    row: Option<TailRow>,
}

impl TailRows {
    /// Takes an event.
    pub(super) fn push(&mut self, event: Event, now: Instant) {
        let number = self.first + self.held.len() as u64;
        let other =
            self.pairs.push(number, &event).and_then(|other| usize::try_from(other.checked_sub(self.first)?).ok());
        let mut row = Some(TailRow { event, other: None });
        if let Some(held) = other.and_then(|other| self.held.get_mut(other))
            && let (Some(first), Some(second)) = (held.row.take(), row.take())
        {
            held.row = Some(joined(first.event, second.event));
        }
        self.held.push_back(HeldRow { since: now, row });
    }

    /// The next row that waits no longer.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<TailRow> {
        while self.due().is_some_and(|due| due <= now) || self.held.len() > HELD {
            if let Some(row) = self.pop()?.row {
                return Some(row);
            }
        }
        None
    }

    /// The next row, however short it has waited.
    pub(super) fn next(&mut self) -> Option<TailRow> {
        loop {
            if let Some(row) = self.pop()?.row {
                return Some(row);
            }
        }
    }

    fn pop(&mut self) -> Option<HeldRow> {
        let held = self.held.pop_front()?;
        let number = self.first;
        self.first += 1;
        if let Some(row) = &held.row {
            self.pairs.forget(number, &row.event);
        }
        Some(held)
    }

    /// When the next row is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.held.front().map(|held| held.since + HOLD)
    }
}

fn joined(one: Event, other: Event) -> TailRow {
    let (event, other) = if is_reported_at(&one, &other) { (one, other) } else { (other, one) };
    TailRow { event, other: Some(other) }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Event, HELD, HOLD, Instant, TailRows};
    use crate::event::testing::event_with;
    use serde_json::json;

    fn event(direction: &str, local: u16, remote: u16, cause: &str, process: Option<&str>) -> Event {
        let peer = json!({"process": "a", "pid": 1, "cause": "linger_abort", "sentence": "s"});
        event_with(json!({
            "direction": direction, "cause": cause, "owner": process.map(|process| json!({"process": process})),
            "local": {"address": "127.0.0.1", "port": local}, "remote": {"address": "127.0.0.1", "port": remote},
            "peer": if direction == "received" { peer } else { serde_json::Value::Null },
        }))
    }

    /// The causes of the rows, each with that of its other end.
    fn rows(rows: &mut TailRows, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| rows.next_due(now))
            .map(|row| {
                let other = row.other.map_or_else(String::new, |other| format!(" {}", other.cause));
                format!("{}{other}", row.event.cause)
            })
            .collect()
    }

    #[test]
    fn both_ends_are_one_row_in_the_place_of_the_first() {
        let (mut held, now) = (TailRows::default(), Instant::now());
        held.push(event("received", 80, 4000, "peer_aborted", Some("web")), now);
        held.push(event("sent", 7, 9, "idle_abort", Some("db")), now);
        held.push(event("sent", 4000, 80, "linger_abort", Some("curl")), now);
        assert_eq!(rows(&mut held, now), [""; 0], "an other end may still come");
        assert_eq!(rows(&mut held, now + HOLD), ["linger_abort peer_aborted", "idle_abort"]);
        assert_eq!(held.due(), None);
    }

    #[test]
    fn a_refused_attempt_is_the_row_of_the_process_that_tried() {
        let (mut held, now) = (TailRows::default(), Instant::now());
        held.push(event("sent", 80, 4000, "refused", None), now);
        held.push(event("received", 4000, 80, "refused", Some("curl")), now);
        let row = held.next_due(now + HOLD).expect("a row");
        assert_eq!((row.event.process(), row.other.is_some()), (Some("curl"), true));
    }

    #[test]
    fn an_end_that_comes_too_late_has_its_own_row() {
        let (mut held, now) = (TailRows::default(), Instant::now());
        held.push(event("sent", 80, 4000, "linger_abort", Some("web")), now);
        assert_eq!(rows(&mut held, now + HOLD), ["linger_abort"]);
        held.push(event("received", 4000, 80, "peer_reset", Some("curl")), now + HOLD);
        assert_eq!(rows(&mut held, now + 2 * HOLD), ["peer_reset"]);
    }

    #[test]
    fn at_an_end_no_row_waits() {
        let (mut held, now) = (TailRows::default(), Instant::now());
        held.push(event("received", 80, 4000, "peer_aborted", Some("web")), now);
        held.push(event("sent", 4000, 80, "linger_abort", Some("curl")), now);
        held.push(event("sent", 7, 9, "idle_abort", Some("db")), now);
        let rest: Vec<String> = std::iter::from_fn(|| held.next()).map(|row| row.event.cause.to_string()).collect();
        assert_eq!(rest, ["linger_abort", "idle_abort"]);
        assert_eq!(held.due(), None);
    }

    #[test]
    fn a_flood_is_not_held_and_loses_no_row() {
        let (mut held, now) = (TailRows::default(), Instant::now());
        let mut count = 0;
        for port in 0..10_000 {
            held.push(event("sent", 80, port, "linger_abort", Some("web")), now);
            count += rows(&mut held, now).len();
        }
        assert!(held.held.len() <= HELD);
        count += rows(&mut held, now + Duration::from_secs(1)).len();
        assert_eq!(count, 10_000);
    }
}
