//! Which span a source has the events of, and what that leaves out of the span that was asked for.

use super::time::AskedSpan;
use crate::{event::span::TimeSpan, sink::history::HistoryExtent};
use jiff::Timestamp;
use serde::Serialize;

/// The span that a source has all events of, but for those that were lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CoveredSpan {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    #[serde(skip)]
    pub(crate) limit: CoveredLimit,
}

/// Why there is nothing outside of the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoveredLimit {
    /// The daemon, or the probe in this process, started then.
    Started,
    /// Older events made room for newer ones.
    Forgotten,
    /// A recording begins and ends.
    Recorded,
}

impl CoveredSpan {
    /// Of the daemon's memory, which was asked at `now`.
    #[must_use]
    pub(crate) fn of_memory(extent: HistoryExtent, now: Timestamp) -> Self {
        let HistoryExtent { complete_since, has_forgotten } = extent;
        let limit = if has_forgotten { CoveredLimit::Forgotten } else { CoveredLimit::Started };
        Self { since: complete_since, until: now, limit }
    }

    #[must_use]
    pub(crate) fn of_recording(extent: TimeSpan) -> Self {
        let TimeSpan { since, until } = extent;
        Self { since, until, limit: CoveredLimit::Recorded }
    }

    /// Of a daemon that has counted since `started`: its memory begins a moment later, before the first event.
    pub(crate) fn begin_with(&mut self, started: Timestamp) {
        if self.limit == CoveredLimit::Started {
            self.since = started;
        }
    }

    #[must_use]
    pub(crate) fn is(&self, since: Timestamp, until: Timestamp) -> bool {
        (self.since, self.until) == (since, until)
    }

    /// Whether events of a span made room for newer ones.
    #[must_use]
    pub(crate) fn has_forgotten_of(&self, asked: TimeSpan) -> bool {
        self.limit == CoveredLimit::Forgotten && asked.since < self.since
    }

    /// What of a span the source does not have, in sentences. `time` writes a time.
    #[must_use]
    pub(crate) fn gaps(&self, asked: AskedSpan, time: impl Fn(Timestamp) -> String) -> Vec<String> {
        let any =
            |is_outside: &dyn Fn(Timestamp) -> bool| [asked.since, asked.until].into_iter().flatten().any(is_outside);
        let mut gaps = Vec::new();
        if any(&|end| end < self.since) {
            let since = time(self.since);
            gaps.push(match self.limit {
                CoveredLimit::Started => format!("Before {since} nothing is kept: the daemon started then."),
                CoveredLimit::Forgotten => {
                    format!("Before {since} no events are kept: the memory has no room for them (history.events).")
                }
                CoveredLimit::Recorded => format!("Before {since} nothing is recorded."),
            });
        }
        if self.limit == CoveredLimit::Recorded && any(&|end| end > self.until) {
            gaps.push(format!("After {} nothing is recorded.", time(self.until)));
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::{AskedSpan, CoveredSpan, HistoryExtent, TimeSpan, Timestamp};

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn gaps(coverage: CoveredSpan, since: i64, until: i64) -> String {
        let asked = AskedSpan { since: Some(second(since)), until: Some(second(until)) };
        coverage.gaps(asked, |time| time.as_second().to_string()).join(" ")
    }

    #[test]
    fn what_is_before_the_memory_is_not_kept() {
        let memory = |has_forgotten| {
            CoveredSpan::of_memory(HistoryExtent { complete_since: second(100), has_forgotten }, second(200))
        };
        assert_eq!(gaps(memory(false), 100, 200), "");
        assert_eq!(gaps(memory(false), 99, 200), "Before 100 nothing is kept: the daemon started then.");
        let made_room = "Before 100 no events are kept: the memory has no room for them (history.events).";
        assert_eq!(gaps(memory(true), 10, 20), made_room);
        assert_eq!(gaps(memory(true), 150, 999), "", "what is still to come is not missing");
        let asked = TimeSpan { since: second(99), until: second(200) };
        assert!(memory(true).has_forgotten_of(asked) && !memory(false).has_forgotten_of(asked));
    }

    #[test]
    fn a_recording_has_two_ends() {
        let recording = CoveredSpan::of_recording(TimeSpan { since: second(100), until: second(200) });
        assert_eq!(gaps(recording, 100, 200), "");
        assert_eq!(gaps(recording, 0, 300), "Before 100 nothing is recorded. After 200 nothing is recorded.");
        assert_eq!(gaps(recording, 300, 400), "After 200 nothing is recorded.");
        assert_eq!(gaps(recording, 0, 50), "Before 100 nothing is recorded.");
        let since = AskedSpan { since: Some(second(150)), until: None };
        assert_eq!(recording.gaps(since, |_| String::new()).len(), 0, "an end that was not asked for is not missed");
    }
}
