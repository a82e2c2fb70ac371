//! Makes the rows of the table from counts or events. Pure.

use super::{
    counts::CountHistory,
    group::{Group, RowKey},
    memory::EventMemory,
    row::Row,
};
use crate::{
    event::filter::Filter,
    metrics::trend::{STEP, STEPS},
};
use jiff::{SignedDuration, Timestamp};
use std::{collections::HashMap, sync::Arc};

/// The current rate is that of the events within this time, as in [`super::counts`].
const RATE_WINDOW: SignedDuration = SignedDuration::from_secs(2);

/// What the numbers of the rows count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Basis {
    /// All resets, exactly.
    #[default]
    Counted,
    /// The remembered events. Some resets have no event.
    Remembered,
}

/// The rows of the resets that pass a filter, in no order, and what their numbers count.
#[must_use]
pub(crate) fn rows(
    counts: &CountHistory,
    memory: &EventMemory,
    now: Timestamp,
    group: Group,
    filter: &Filter,
) -> (Vec<Row>, Basis) {
    let basis = if group.needs_events() || filter.is_about_addresses() { Basis::Remembered } else { Basis::Counted };
    let mut rows = match basis {
        Basis::Counted => counted(counts, group, filter),
        Basis::Remembered => remembered(counts, memory, now, group, filter),
    };
    let mut missing = rows.values().filter(|row| row.last.is_none()).count();
    for event in memory.newest(filter) {
        if missing == 0 {
            break;
        }
        if let Some(row) = rows.get_mut(&RowKey::of(&**event, group))
            && row.last.is_none()
        {
            row.last = Some(Arc::clone(event));
            missing -= 1;
        }
    }
    (rows.into_values().collect(), basis)
}

fn counted(counts: &CountHistory, group: Group, filter: &Filter) -> HashMap<RowKey, Row> {
    let mut rows = HashMap::new();
    for counted in counts.series().filter(|counted| filter.matches(&counted.series)) {
        let series = &counted.series;
        let key = RowKey::of(series, group);
        let row = rows.entry(key).or_insert_with_key(|key| Row::new(key.clone(), series));
        row.add(series, counted.total(), counted.rate(), &series.count.trend);
    }
    rows
}

fn remembered(
    counts: &CountHistory,
    memory: &EventMemory,
    now: Timestamp,
    group: Group,
    filter: &Filter,
) -> HashMap<RowKey, Row> {
    let mut rows = HashMap::new();
    let step = STEP.as_secs_f64();
    let since = counts.zeroed().unwrap_or(Timestamp::MIN);
    for event in memory.newest(filter).filter(|event| event.time >= since) {
        let key = RowKey::of(&**event, group);
        let row = rows.entry(key).or_insert_with_key(|key| Row::new(key.clone(), &**event));
        row.last.get_or_insert_with(|| Arc::clone(event));
        let age = now.duration_since(event.time).max(SignedDuration::ZERO);
        let rate = if age < RATE_WINDOW { RATE_WINDOW.as_secs_f64().recip() } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an age is positive and small")]
        let steps = (age.as_secs_f64() / step) as usize;
        let mut trend = vec![0; if steps < STEPS { steps + 1 } else { 0 }];
        if let Some(first) = trend.first_mut() {
            *first = 1;
        }
        row.add(&**event, 1, Some(rate), &trend);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::top::{
            state::row::Facet,
            testing::{event, snapshot},
        },
        model::Direction,
    };

    fn counts() -> CountHistory {
        let mut counts = CountHistory::default();
        counts.absorb(&snapshot(0, [("java", 80, 1), ("java", 443, 2), ("nginx", 80, 4)]));
        counts.absorb(&snapshot(1, [("java", 80, 2), ("java", 443, 4), ("nginx", 80, 8)]));
        counts
    }

    fn totals(rows: &[Row]) -> Vec<u64> {
        let mut totals: Vec<u64> = rows.iter().map(|row| row.total).collect();
        totals.sort_unstable();
        totals
    }

    fn grouped(group: Group, filter: &str) -> (Vec<Row>, Basis) {
        let mut memory = EventMemory::default();
        for (second, remote) in [(0, "10.0.0.1"), (1, "10.0.0.2"), (1, "10.0.1.1")] {
            memory.push(Arc::new(event(second, "java", 80, remote)));
        }
        let filter = Filter::parse_line(filter).expect("a valid filter");
        rows(&counts(), &memory, event(1, "java", 80, "::1").time, group, &filter)
    }

    #[test]
    fn counts_are_grouped_and_their_sum_is_kept() {
        for (group, expected) in [
            (Group::Who, vec![2, 4, 8]),
            (Group::Process, vec![6, 8]),
            (Group::Port, vec![4, 10]),
            (Group::Cause, vec![14]),
            (Group::Unit, vec![14]),
        ] {
            let (rows, basis) = grouped(group, "");
            assert_eq!((totals(&rows), basis), (expected, Basis::Counted), "{group:?}");
            let sum: f64 = rows.iter().filter_map(|row| row.rate).sum();
            assert!((sum - 7.0).abs() < 1e-9, "{group:?}: {sum}");
        }
    }

    #[test]
    fn a_row_says_what_differs_in_it() {
        let (rows, _) = grouped(Group::Cause, "");
        let Facet::Several(processes) = &rows[0].process else { panic!("{:?}", rows[0].process) };
        assert_eq!(processes.len(), 2);
        assert_eq!(rows[0].direction, Facet::One(Some(Direction::Sent)));
    }

    #[test]
    fn peers_come_from_what_is_remembered_and_it_says_so() {
        let (rows, basis) = grouped(Group::Network, "");
        assert_eq!((totals(&rows), basis), (vec![1, 2], Basis::Remembered));
        let (rows, basis) = grouped(Group::Who, "remote=10.0.0.0/24");
        assert_eq!((totals(&rows), basis), (vec![2], Basis::Remembered));
        assert_eq!(rows[0].rate, Some(1.0));
        assert_eq!(rows[0].recent(), 2);
    }

    #[test]
    fn a_row_knows_its_last_event() {
        let (rows, _) = grouped(Group::Who, "port=80 process=java");
        assert_eq!(rows[0].peer(), Some("10.0.1.1".parse().expect("an address")));
        let (rows, _) = grouped(Group::Who, "process=nginx");
        assert_eq!(rows[0].peer(), None, "none of its events is remembered");
    }
}
