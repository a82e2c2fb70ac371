//! What the exact counters say of the resets of a finding. Pure.

use super::{
    findings::ResetFinding,
    joined::{JoinedReset, ResetOwner},
};
use crate::{
    event::{
        counted::SpanCounts,
        filter::{Filter, FilterSubject as _, same_container},
        snapshot::SeriesCount,
    },
    explain::{CauseId, Severity},
    model::Direction,
};
use std::collections::HashSet;

/// Resets that the counters count together, as far as an event shows it.
type CountedTogether<'a> = (CauseId, Direction, &'a ResetOwner, Severity);

/// The counts of the span, and what keeps them from being the number of a finding's resets.
pub(super) struct FindingCounts<'a> {
    /// Where the counters can tell what passes the filter, which they cannot by addresses.
    counts: Option<&'a SpanCounts>,
    filter: &'a Filter,
    /// Resets that are set aside, although they are counted with those of a finding.
    set_aside: HashSet<CountedTogether<'a>>,
}

impl<'a> FindingCounts<'a> {
    pub(super) fn new(
        counts: Option<&'a SpanCounts>,
        filter: &'a Filter,
        set_aside: impl IntoIterator<Item = &'a JoinedReset>,
    ) -> Self {
        let counts = counts.filter(|_| !filter.is_about_addresses());
        let mut together = HashSet::new();
        for reset in set_aside {
            let JoinedReset { cause, direction, owner, end_severity, event, .. } = reset;
            // An expectation that tests addresses makes events benign, and no counts.
            let severities = if event.expected.is_some() { Severity::ALL } else { std::slice::from_ref(end_severity) };
            together.extend(severities.iter().map(|severity| (*cause, *direction, owner, *severity)));
        }
        Self { counts, filter, set_aside: together }
    }

    /// The number of counted resets that pass the filter, sent and received. `None` where it is not known.
    pub(super) fn passing(&self) -> Option<[u64; 2]> {
        let counts = self.counts?;
        if self.filter.is_empty() {
            return Some([counts.sent, counts.received]);
        }
        let of = |direction| {
            let series = counts.series.iter().filter(|series| series.direction == direction);
            series.filter(|series| self.filter.matches(*series)).map(|series| series.count.total).sum()
        };
        Some([Direction::Sent, Direction::Received].map(of))
    }

    /// How many resets of the finding were counted. `None` where the counters do not know exactly: where its resets are
    /// counted together with others, or in part in `_other`.
    pub(super) fn of(&self, finding: &ResetFinding) -> Option<u64> {
        let counts = self.counts?;
        let ResetFinding { cause, direction, owner, end_severities, count, .. } = finding;
        if end_severities.iter().any(|severity| self.set_aside.contains(&(*cause, *direction, owner, *severity))) {
            return None;
        }
        let mut sum = 0;
        for series in counts.series.iter().filter(|series| series.direction == *direction) {
            let may_hold_some = series.cause.is_none_or(|other| other == *cause);
            if may_hold_some && series.is_of_several() {
                return None;
            }
            let severity = series.severity();
            if series.cause != Some(*cause)
                || !is_of(series, owner)
                || !end_severities.iter().any(|one| severity == Some(*one))
            {
                continue;
            }
            // Others of these resets may have passed by their other ends.
            if !self.filter.matches(series) {
                return None;
            }
            sum += series.count.total;
        }
        (sum >= *count).then_some(sum)
    }
}

fn is_of(series: &SeriesCount, owner: &ResetOwner) -> bool {
    let ResetOwner { process, unit, container, port } = owner;
    let in_container = match (&series.container, container) {
        (Some(short), Some(id)) => same_container(short, id),
        (None, None) => true,
        _ => false,
    };
    series.process == *process && series.unit == *unit && series.port == *port && in_container
}

#[cfg(test)]
mod tests {
    use crate::{
        command::why::{
            report::{WhyReport, testing::counted},
            testing::event,
        },
        event::{Event, filter::Filter},
    };
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn series(process: &str, severity: &str, total: u64) -> Value {
        json!({"direction": "sent", "cause": "linger_abort", "severity": severity, "reason": "tcp_state",
            "process": process, "port": 8080, "total": total})
    }

    /// The counted numbers of the findings, with counts of these series.
    fn found(events: Vec<Arc<Event>>, series: &Value, filter: &str) -> Vec<Option<u64>> {
        let filter = Filter::parse_line(filter).expect("a filter");
        let report = WhyReport::new(counted(events, series), &filter);
        report.findings.iter().map(|advised| advised.finding.counted).collect()
    }

    fn abort(severity: &str) -> Arc<Event> {
        event(Some("java"), "linger_abort", "sent", 1, &json!({"severity": severity}))
    }

    #[test]
    fn a_finding_has_the_number_of_its_series() {
        let counts =
            json!([series("java", "notice", 5000), series("nginx", "notice", 3), series("java", "benign", 70)]);
        assert_eq!(found(vec![abort("notice"), abort("notice")], &counts, ""), [Some(5000)]);
    }

    #[test]
    fn a_filter_that_the_series_passes_keeps_the_number() {
        let counts = || json!([series("java", "notice", 5000)]);
        assert_eq!(found(vec![abort("notice")], &counts(), "process=java"), [Some(5000)]);
        assert_eq!(found(vec![abort("notice")], &counts(), "remote=10.0.0.0/8"), [None], "counters have no addresses");
    }

    #[test]
    fn what_the_counters_cannot_tell_apart_has_no_exact_number() {
        let other = json!({"direction": "sent", "reason": "tcp_state", "process": "_other", "total": 1});
        let counts = json!([series("java", "notice", 5000), other]);
        assert_eq!(found(vec![abort("notice")], &counts, ""), [None], "some may be in _other");
        let fewer = json!([series("java", "notice", 1)]);
        assert_eq!(
            found(vec![abort("notice"), abort("notice")], &fewer, ""),
            [None],
            "more are remembered than counted"
        );
        // An expectation by address makes events benign that the counters count as notices.
        let expected =
            event(Some("java"), "linger_abort", "sent", 2, &json!({"severity": "benign", "expected": "checks"}));
        let counts = json!([series("java", "notice", 5000), series("java", "benign", 70)]);
        assert_eq!(found(vec![abort("notice"), expected], &counts, ""), [None]);
    }
}
