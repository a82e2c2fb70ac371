//! The times of which a store has nothing. Pure.

use crate::{
    event::span::TimeSpan,
    sink::store::{line::RunId, summary::Summary},
};
use jiff::Timestamp;
use serde::Serialize;

/// Why nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GapReason {
    /// The daemon had been stopped.
    Stopped,
    /// The daemon ended without a word: it was killed, or the host lost power. `since` is the last line that it wrote;
    /// it may have run longer.
    Killed,
    /// Before everything that is kept: never written, or removed to make room.
    NotKept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Gap {
    /// Absent if it has no beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Timestamp,
    pub(crate) reason: GapReason,
}

/// A run of the daemon, from all segments of it.
struct RunSpan<'a> {
    run: &'a RunId,
    first: Timestamp,
    last: Timestamp,
    is_stopped: bool,
}

/// All gaps, oldest first.
pub(super) fn all<'a>(summaries: impl Iterator<Item = &'a Summary>) -> Vec<Gap> {
    let mut runs: Vec<RunSpan<'_>> = Vec::new();
    for summary in summaries {
        let (Some(run), Some(first), Some(last)) = (summary.run(), summary.first, summary.last) else { continue };
        match runs.iter_mut().find(|known| known.run == run) {
            Some(known) => {
                known.first = known.first.min(first);
                known.last = known.last.max(last);
                known.is_stopped |= summary.stopped.is_some();
            }
            None => runs.push(RunSpan { run, first, last, is_stopped: summary.stopped.is_some() }),
        }
    }
    // Counts outlive events, so a run may be known by its counts only: in the order of the starts.
    runs.sort_by_key(|run| run.run.start);
    let beginning = runs.first().map(|run| Gap { since: None, until: run.first, reason: GapReason::NotKept });
    let between = runs.iter().zip(runs.iter().skip(1)).filter_map(|(before, after)| {
        let reason = if before.is_stopped { GapReason::Stopped } else { GapReason::Killed };
        // After a step of the clock backwards, runs may seem to overlap.
        (before.last < after.first).then_some(Gap { since: Some(before.last), until: after.first, reason })
    });
    beginning.into_iter().chain(between).collect()
}

/// The gaps that overlap a span.
pub(super) fn within(gaps: &[Gap], span: TimeSpan) -> Vec<Gap> {
    let overlaps = |gap: &&Gap| gap.until > span.since && gap.since.is_none_or(|since| since < span.until);
    gaps.iter().filter(overlaps).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::{GapReason, RunId, Summary, TimeSpan, Timestamp, all, within};
    use crate::sink::store::{
        line::{FORMAT, SegmentHeader},
        name::SegmentKind,
    };

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn segment(kind: SegmentKind, number: u64, start: i64, last: i64, stopped: bool) -> Summary {
        let header = SegmentHeader {
            format: FORMAT,
            kind,
            store: "s".to_owned(),
            number,
            run: RunId { boot: "b".to_owned(), start: second(start) },
            opened: second(start),
            host: "h".to_owned(),
            kernel: "k".to_owned(),
            version: "v".to_owned(),
        };
        Summary {
            first: Some(second(start)),
            last: Some(second(last)),
            header: Some(header),
            stopped: stopped.then(|| second(last)),
            ..Summary::new()
        }
    }

    fn gaps(summaries: &[Summary], since: i64, until: i64) -> Vec<(Option<i64>, i64, GapReason)> {
        let span = TimeSpan { since: second(since), until: second(until) };
        within(&all(summaries.iter()), span)
            .iter()
            .map(|gap| (gap.since.map(Timestamp::as_second), gap.until.as_second(), gap.reason))
            .collect()
    }

    #[test]
    fn gaps_are_before_the_first_and_between_the_runs() {
        let summaries = [
            segment(SegmentKind::Events, 1, 100, 200, true),
            segment(SegmentKind::Events, 2, 300, 400, false),
            segment(SegmentKind::Events, 3, 500, 600, false),
            segment(SegmentKind::Counts, 1, 300, 460, false),
        ];
        let (not_kept, stopped, killed) = (
            (None, 100, GapReason::NotKept),
            (Some(200), 300, GapReason::Stopped),
            (Some(460), 500, GapReason::Killed),
        );
        assert_eq!(gaps(&summaries, 0, 1000), [not_kept, stopped, killed]);
        assert_eq!(gaps(&summaries, 150, 250), [stopped]);
        assert_eq!(gaps(&summaries, 320, 420), [], "counts show that it ran");
        assert_eq!(gaps(&[], 0, 1000), []);
    }

    #[test]
    fn runs_that_overlap_after_a_step_of_the_clock_have_no_gap() {
        let summaries =
            [segment(SegmentKind::Events, 1, 100, 900, true), segment(SegmentKind::Events, 2, 300, 400, false)];
        assert_eq!(gaps(&summaries, 150, 1000), []);
    }
}
