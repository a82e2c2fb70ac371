//! The times of `--since`, `--until` and `--at`, for every command. Pure: the present and the zone are given.
//!
//! `grammar` reads a text -> `moment` places it in time -> [`TimeReader`] makes a span of two of them.
//!
//! A bare time of day is the last one that passed, before `--until` where that is given. A time that the clocks showed
//! twice is its first occurrence for `--since` and its last for `--until`, so that a span never leaves out a part of
//! what was meant; one that the clocks skipped is the moment at which they were put forward. `--at` is five minutes
//! either way, or the whole of a day.

mod error;
mod grammar;
mod moment;
#[cfg(test)]
mod tests;

use crate::event::span::TimeSpan;
pub(crate) use error::{TimeError, written};
use grammar::{WrittenTime, parse};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use moment::{Occurrence, TimeBase};
use std::time::Duration;

/// How far `--at` reaches either way.
const AROUND: SignedDuration = SignedDuration::from_mins(5);

/// The time flags of a command line, as they were given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeTexts<'a> {
    pub(crate) since: Option<&'a str>,
    pub(crate) until: Option<&'a str>,
    /// Excludes the other two.
    pub(crate) at: Option<&'a str>,
}

impl TimeTexts<'_> {
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        let Self { since, until, at } = self;
        since.is_none() && until.is_none() && at.is_none()
    }

    /// Checks the form of the texts, and whether their meaning depends on the present: `10m`, `03:12`, `yesterday`.
    pub(crate) fn depend_on_now(&self) -> Result<bool, TimeError> {
        let Self { since, until, at } = self;
        let texts = [since, until, at].into_iter().flatten();
        let moments = texts.map(|text| parse(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(moments.iter().any(WrittenTime::depends_on_now))
    }
}

/// A span as far as the command line gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AskedSpan {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl AskedSpan {
    /// The span; an end that was not given is the end of time.
    #[must_use]
    pub(crate) fn span(&self) -> TimeSpan {
        let TimeSpan { since, until } = TimeSpan::ALWAYS;
        TimeSpan { since: self.since.unwrap_or(since), until: self.until.unwrap_or(until) }
    }

    /// The span; without `--since` it begins `last` before its end, which is at `now` at the latest.
    #[must_use]
    pub(crate) fn or_last(&self, last: Duration, now: Timestamp) -> TimeSpan {
        let TimeSpan { since, until } = self.span();
        let end = until.min(now);
        let begin = SignedDuration::try_from(last).ok().and_then(|last| end.checked_sub(last).ok()).unwrap_or(since);
        TimeSpan { since: self.since.unwrap_or(begin), until }
    }
}

/// Reads texts as times, as seen from one moment in one zone.
#[derive(Clone, Debug)]
pub(crate) struct TimeReader {
    base: TimeBase,
    /// Whether `now` is the present, after which nothing can have happened.
    is_present: bool,
}

impl TimeReader {
    #[must_use]
    pub(crate) fn present(now: Timestamp, zone: TimeZone) -> Self {
        Self { base: TimeBase { now, zone }, is_present: true }
    }

    /// Times as seen from the end of a recording.
    #[must_use]
    pub(crate) fn of_recording(end: Timestamp, zone: TimeZone) -> Self {
        Self { base: TimeBase { now: end, zone }, is_present: false }
    }

    /// The span of the flags.
    pub(crate) fn span(&self, texts: TimeTexts<'_>) -> Result<AskedSpan, TimeError> {
        if let Some(text) = texts.at {
            let TimeSpan { since, until } = self.around(text)?;
            self.check(text, "--at", since)?;
            return Ok(AskedSpan { since: Some(since), until: Some(until) });
        }
        let until = texts.until.map(|text| read(text, &self.base, Occurrence::Last)).transpose()?;
        let Some(text) = texts.since else { return Ok(AskedSpan { since: None, until }) };
        // The last time of day that passed before the end of the span: `--since 22:00 --until 03:12` is a night.
        let end = until.unwrap_or(self.base.now).min(self.base.now);
        let base = match parse(text)? {
            WrittenTime::TimeOfDay(_) => TimeBase { now: end, zone: self.base.zone.clone() },
            _ => self.base.clone(),
        };
        let since = read(text, &base, Occurrence::First)?;
        self.check(text, "--since", since)?;
        if let Some(until) = until.filter(|until| *until < since) {
            return Err(TimeError::Order { since: self.written(since), until: self.written(until) });
        }
        Ok(AskedSpan { since: Some(since), until })
    }

    fn around(&self, text: &str) -> Result<TimeSpan, TimeError> {
        let moment = parse(text)?;
        let range = || {
            if let WrittenTime::Day(day, None) = moment {
                return self.base.whole(day);
            }
            let [first, last] = [Occurrence::First, Occurrence::Last].map(|which| self.base.resolve(&moment, which));
            Some(TimeSpan {
                since: first?.checked_sub(AROUND).unwrap_or(Timestamp::MIN),
                until: last?.checked_add(AROUND).unwrap_or(Timestamp::MAX),
            })
        };
        range().ok_or_else(|| TimeError::Range { text: text.to_owned() })
    }

    fn check(&self, text: &str, flag: &'static str, since: Timestamp) -> Result<(), TimeError> {
        if self.is_present && since > self.base.now {
            let (text, now) = (text.to_owned(), self.written(self.base.now));
            return Err(TimeError::Future { flag, text, since: self.written(since), now });
        }
        Ok(())
    }

    fn written(&self, time: Timestamp) -> String {
        error::written(time, &self.base.zone)
    }
}

fn read(text: &str, base: &TimeBase, which: Occurrence) -> Result<Timestamp, TimeError> {
    base.resolve(&parse(text)?, which).ok_or_else(|| TimeError::Range { text: text.to_owned() })
}
