//! Places a moment in time, with the zone's changes of its clocks.

use super::grammar::{DayName, WrittenTime};
use crate::event::span::TimeSpan;
use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone},
};

/// Which one of two, where clocks were put back and showed a time twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occurrence {
    First,
    Last,
}

/// The moment and the zone that times are seen from.
#[derive(Clone, Debug)]
pub(super) struct TimeBase {
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
}

impl TimeBase {
    /// `None` beyond the range of timestamps. A duration that reaches beyond it is the beginning of time.
    pub(super) fn resolve(&self, moment: &WrittenTime, which: Occurrence) -> Option<Timestamp> {
        match *moment {
            WrittenTime::Now => Some(self.now),
            WrittenTime::Ago(span) => {
                let earlier = SignedDuration::try_from(span).ok().and_then(|span| self.now.checked_sub(span).ok());
                Some(earlier.unwrap_or(Timestamp::MIN))
            }
            WrittenTime::TimeOfDay(time) => self.last_passed(time, which),
            WrittenTime::Day(day, time) => {
                let date = self.date(day)?;
                let (first, last) = self.occurrences(date.to_datetime(time.unwrap_or_else(Time::midnight)))?;
                // A day begins once, even if its midnight comes twice.
                Some(if which == Occurrence::First || time.is_none() { first } else { last })
            }
            WrittenTime::Instant(time) => Some(time),
        }
    }

    /// The whole of a day.
    pub(super) fn whole(&self, day: DayName) -> Option<TimeSpan> {
        let date = self.date(day)?;
        let begin = |date: Date| Some(self.occurrences(date.to_datetime(Time::midnight()))?.0);
        let end = date.tomorrow().ok().and_then(begin).unwrap_or(Timestamp::MAX);
        let since = begin(date)?;
        let until = end.checked_sub(1.nanosecond()).unwrap_or(end).max(since);
        Some(TimeSpan { since, until })
    }

    fn date(&self, day: DayName) -> Option<Date> {
        let today = || self.now.to_zoned(self.zone.clone()).date();
        match day {
            DayName::Today => Some(today()),
            DayName::Yesterday => today().yesterday().ok(),
            DayName::Date(date) => Some(date),
        }
    }

    /// The last time that the clocks showed `time`, at the present or before.
    fn last_passed(&self, time: Time, which: Occurrence) -> Option<Timestamp> {
        let today = self.now.to_zoned(self.zone.clone()).date();
        // Clocks that were put back over midnight have shown the beginning of tomorrow already; a zone that moved over
        // the date line has skipped a day.
        (-2..=1)
            .filter_map(|days| self.occurrences(today.checked_add(days.days()).ok()?.to_datetime(time)))
            .filter(|(first, _)| *first <= self.now)
            .max()
            .map(|(first, last)| if which == Occurrence::Last && last <= self.now { last } else { first })
    }

    /// When the clocks showed this for the first and for the last time; the moment at which they were put forward if
    /// they skipped it.
    fn occurrences(&self, shown: DateTime) -> Option<(Timestamp, Timestamp)> {
        let ambiguous = self.zone.to_ambiguous_timestamp(shown);
        let (first, last) = (ambiguous.earlier().ok()?, ambiguous.later().ok()?);
        if let AmbiguousOffset::Gap { .. } = ambiguous.offset() {
            let forward = self.zone.following(first).next().map(|change| change.timestamp());
            let forward = forward.filter(|forward| (first..=last).contains(forward)).unwrap_or(last);
            return Some((forward, forward));
        }
        Some((first, last))
    }
}
