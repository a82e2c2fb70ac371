//! Makes the rows of the table from counts or events. Pure.

use super::{
    counts::{CountHistory, Counted},
    group::{Group, RowKey},
    memory::{EventMemory, one_of_both_ends},
    model::Model,
    pairs::{FoldedEnds, PairCounts},
    row::Row,
};
use crate::{
    event::{Event, filter::Filter},
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

/// Rows in no order.
pub(crate) struct Rows {
    pub(crate) list: Vec<Row>,
    /// What the numbers count.
    pub(crate) basis: Basis,
    /// Resets of which both ends are counted, and which are in the row of one of them.
    pub(crate) at_both_ends: u64,
}

/// The rows of the resets that pass a filter.
#[must_use]
pub(crate) fn rows(model: &Model, group: Group, filter: &Filter) -> Rows {
    let Model { counts, memory, pairs, .. } = model;
    let basis = if group.needs_events() || filter.is_about_addresses() { Basis::Remembered } else { Basis::Counted };
    let (mut rows, at_both_ends) = match basis {
        Basis::Counted => counted(counts, pairs, model.now(), group, filter),
        Basis::Remembered => remembered(counts, memory, model.now(), group, filter),
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
    Rows { list: rows.into_values().collect(), basis, at_both_ends }
}

/// The growth of a series since the view was zeroed, less the ends that are shown in other rows.
struct OwnGrowth {
    total: u64,
    rate: Option<f64>,
    trend: Vec<u32>,
}

impl OwnGrowth {
    fn of(counted: &Counted) -> Self {
        Self { total: counted.total(), rate: counted.rate(), trend: counted.series.count.trend.clone() }
    }

    /// Takes away what is shown elsewhere. Returns how many resets these are.
    fn take_away(&mut self, ends: &FoldedEnds, now: Timestamp) -> u64 {
        let taken = ends.count.min(self.total);
        self.total -= taken;
        let latest = ends.ages(now, RATE_WINDOW).take_while(|age| *age == 0).fold(0.0, |sum, _| sum + 1.0);
        self.rate = self.rate.map(|rate| (rate - latest / RATE_WINDOW.as_secs_f64()).max(0.0));
        for age in ends.ages(now, SignedDuration::from_secs(STEP.as_secs().cast_signed())) {
            let Some(step) = self.trend.len().checked_sub(age + 1) else { break };
            self.trend[step] = self.trend[step].saturating_sub(1);
        }
        taken
    }
}

fn counted(
    counts: &CountHistory,
    pairs: &PairCounts,
    now: Timestamp,
    group: Group,
    filter: &Filter,
) -> (HashMap<RowKey, Row>, u64) {
    let mut rows = HashMap::new();
    let (mut at_both_ends, mut worse) = (0, Vec::new());
    for (id, counted) in counts.named_series().filter(|(_, counted)| filter.matches(&counted.series)) {
        let series = &counted.series;
        let mut own = OwnGrowth::of(counted);
        for (shown, ends) in pairs.of(id) {
            // Only into a row that is there.
            if counts.has(shown) && filter.matches(&*ends.shown) {
                at_both_ends += own.take_away(ends, now);
                worse.push((RowKey::of(&*ends.shown, group), ends.hidden.severity));
            }
        }
        if own.total > 0 {
            let key = RowKey::of(series, group);
            let row = rows.entry(key).or_insert_with_key(|key| Row::new(key.clone(), series));
            row.add(series, own.total, own.rate, &own.trend);
        }
    }
    // A reset is as harmful as its worse end.
    for (key, severity) in worse {
        if let Some(row) = rows.get_mut(&key) {
            row.severity = row.severity.max(Some(severity));
        }
    }
    (rows, at_both_ends)
}

fn remembered(
    counts: &CountHistory,
    memory: &EventMemory,
    now: Timestamp,
    group: Group,
    filter: &Filter,
) -> (HashMap<RowKey, Row>, u64) {
    let mut rows = HashMap::new();
    let step = STEP.as_secs_f64();
    let since = counts.zeroed().unwrap_or(Timestamp::MIN);
    let events: Vec<&Arc<Event>> = memory.newest(filter).filter(|event| event.time >= since).collect();
    let resets = one_of_both_ends(&events);
    let at_both_ends = (events.len() - resets.len()) as u64;
    for event in resets {
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
    (rows, at_both_ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::top::{
            state::row::Facet,
            testing::{event, snapshot},
        },
        explain::{Cause, Severity},
        model::Direction,
    };

    fn totals(rows: &[Row]) -> Vec<u64> {
        let mut totals: Vec<u64> = rows.iter().map(|row| row.total).collect();
        totals.sort_unstable();
        totals
    }

    fn grouped(group: Group, filter: &str) -> (Vec<Row>, Basis) {
        let mut model = Model::default();
        model.absorb(snapshot(0, [("java", 80, 1), ("java", 443, 2), ("nginx", 80, 4)]));
        model.absorb(snapshot(1, [("java", 80, 2), ("java", 443, 4), ("nginx", 80, 8)]));
        for (second, remote) in [(0, "10.0.0.1"), (1, "10.0.0.2"), (1, "10.0.1.1")] {
            model.remember(Arc::new(event(second, "java", 80, remote)));
        }
        let filter = Filter::parse_line(filter).expect("a valid filter");
        let Rows { list, basis, .. } = rows(&model, group, &filter);
        (list, basis)
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

    /// A model in which web has sent aborts, of which curl received some, all counted; the events of `known` of them
    /// have come.
    fn joined(sent: u64, received: u64, known: u32) -> Model {
        let mut model = Model::default();
        let mut counts = snapshot(9, [("web", 80, sent), ("curl", 80, received)]);
        let [of_web, of_curl] = &mut counts.series[..] else { panic!("two series") };
        of_web.severity = Some(Severity::Notice);
        (of_curl.direction, of_curl.severity) = (Direction::Received, Some(Severity::Harmful));
        of_curl.cause = Some(Cause::PeerReset.into());
        model.absorb(counts);
        for second in 0..known {
            let mut sent = event(second, "web", 80, "10.0.0.1");
            (sent.severity, sent.remote.port) = (Severity::Notice, 4000 + u16::try_from(second).expect("a port"));
            let mut received = sent.clone();
            (received.direction, received.local, received.remote) = (Direction::Received, sent.remote, sent.local);
            received.peer = Some(sent.as_peer());
            (received.severity, received.cause) = (Severity::Harmful, Cause::PeerReset.into());
            received.owner.as_mut().expect("an owner").process = Some("curl".to_owned());
            assert!(!model.remember(Arc::new(sent)));
            assert!(model.remember(Arc::new(received)));
        }
        model
    }

    #[test]
    fn both_ends_of_a_reset_are_one_row_and_the_numbers_add_up() {
        for (sent, received, known, expected) in [(7, 7, 7, vec![7]), (7, 7, 3, vec![4, 7]), (7, 9, 7, vec![2, 7])] {
            for group in [Group::Who, Group::Cause, Group::Process] {
                let Rows { list: rows, at_both_ends, .. } =
                    rows(&joined(sent, received, known), group, &Filter::default());
                assert_eq!((totals(&rows), at_both_ends), (expected.clone(), u64::from(known)), "{group:?}");
                let all: u64 = rows.iter().map(|row| row.total).sum();
                assert_eq!(all + at_both_ends, sent + received, "{group:?}");
            }
        }
    }

    #[test]
    fn the_row_of_both_ends_is_as_harmful_as_the_worse_one() {
        let Rows { list: rows, .. } = rows(&joined(7, 7, 7), Group::Who, &Filter::default());
        assert_eq!(rows[0].severity, Some(Severity::Harmful));
    }

    #[test]
    fn an_end_whose_other_end_the_filter_hides_has_its_own_row() {
        let filter = Filter::parse_line("process=curl").expect("a filter");
        let Rows { list: rows, at_both_ends, .. } = rows(&joined(7, 7, 7), Group::Who, &filter);
        assert_eq!((totals(&rows), at_both_ends), (vec![7], 0));
        assert_eq!(rows[0].direction, Facet::One(Some(Direction::Received)));
    }

    #[test]
    fn resets_before_zero_was_pressed_are_taken_away_with_their_ends() {
        let mut model = joined(7, 7, 7);
        model.zero();
        let Rows { list: rows, at_both_ends, .. } = rows(&model, Group::Who, &Filter::default());
        assert_eq!((rows.len(), at_both_ends), (0, 0));
    }
}
