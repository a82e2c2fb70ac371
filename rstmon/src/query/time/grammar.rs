//! The grammar of times: a text becomes a [`WrittenTime`], without a clock.

use super::error::{NoSuchTime, TimeError};
use crate::query::duration;
use jiff::{Timestamp, civil, tz::Offset};
use std::time::Duration;

/// The meaning of a text, not yet placed in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WrittenTime {
    Now,
    /// `10m`: this long before the present.
    Ago(Duration),
    /// `03:12`: the last one that passed.
    TimeOfDay(civil::Time),
    /// `yesterday 22:00`, `2026-11-27`: without a time of day, the beginning of the day.
    Day(DayName, Option<civil::Time>),
    /// A time with its offset from UTC.
    Instant(Timestamp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayName {
    Today,
    Yesterday,
    Date(civil::Date),
}

impl WrittenTime {
    pub(super) fn depends_on_now(&self) -> bool {
        match self {
            Self::Now | Self::Ago(_) | Self::TimeOfDay(_) | Self::Day(DayName::Today | DayName::Yesterday, _) => true,
            Self::Day(DayName::Date(_), _) | Self::Instant(_) => false,
        }
    }
}

/// Reads a text. Letters may be of either case.
pub(super) fn parse(text: &str) -> Result<WrittenTime, TimeError> {
    let lower = text.trim().to_ascii_lowercase();
    match read(&lower) {
        Some(Ok(moment)) => Ok(moment),
        Some(Err(reason)) => Err(TimeError::NoSuch { text: text.to_owned(), reason }),
        None => Err(TimeError::Form { text: text.to_owned() }),
    }
}

/// `None` if the text does not have the form of a time.
fn read(text: &str) -> Option<Result<WrittenTime, NoSuchTime>> {
    if text == "now" {
        return Some(Ok(WrittenTime::Now));
    }
    if let Ok(span) = duration::parse(text.strip_suffix("ago").map_or(text, str::trim_end)) {
        return Some(Ok(WrittenTime::Ago(span)));
    }
    for (word, day) in [("today", DayName::Today), ("yesterday", DayName::Yesterday)] {
        match text.strip_prefix(word) {
            Some("") => return Some(Ok(WrittenTime::Day(day, None))),
            Some(rest) => return Some(time_of_day(spaced(rest)?)?.map(|time| WrittenTime::Day(day, Some(time)))),
            None => {}
        }
    }
    if let Some(time) = time_of_day(text) {
        return Some(time.map(WrittenTime::TimeOfDay));
    }
    let (day, rest) = date(text)?;
    let day = match day {
        Ok(day) => day,
        Err(reason) => return Some(Err(reason)),
    };
    if rest.is_empty() {
        return Some(Ok(WrittenTime::Day(DayName::Date(day), None)));
    }
    let rest = rest.strip_prefix('t').or_else(|| spaced(rest))?;
    // An offset begins with the first character that cannot be part of a time of day.
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (time, offset_text) = rest.split_at(end);
    let time = match time_of_day(time)? {
        Ok(time) => time,
        Err(reason) => return Some(Err(reason)),
    };
    if offset_text.is_empty() {
        return Some(Ok(WrittenTime::Day(DayName::Date(day), Some(time))));
    }
    Some(offset(offset_text.trim_start())?.and_then(|offset| {
        // The first and the last day of the calendar are outside of the range of timestamps in some zones.
        offset.to_timestamp(day.to_datetime(time)).map(WrittenTime::Instant).map_err(|_| NoSuchTime::Day)
    }))
}

/// The text behind at least one space.
fn spaced(text: &str) -> Option<&str> {
    text.starts_with(char::is_whitespace).then(|| text.trim_start())
}

/// `03:12`, `3:12`, `03:12:30`, `03:12:30.5`
fn time_of_day(text: &str) -> Option<Result<civil::Time, NoSuchTime>> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 1..=2)?;
    let minute = number(parts.next()?, 2..=2)?;
    let second = parts.next().map(|part| number(part, 2..=2));
    if parts.next().is_some() || (second.is_none() && fraction.is_some()) {
        return None;
    }
    // RFC 3339 has leap seconds, which the kernel's clock does not.
    let second = second.unwrap_or(Some(0))?.min(if second == Some(Some(60)) { 59 } else { i32::MAX });
    let nanosecond = match fraction {
        Some(digits) => number(digits, 1..=9)? * 10_i32.pow(9 - u32::try_from(digits.len()).ok()?),
        None => 0,
    };
    let small = |number: i32| i8::try_from(number).ok();
    let time = (|| civil::Time::new(small(hour)?, small(minute)?, small(second)?, nanosecond).ok())();
    Some(time.ok_or(NoSuchTime::TimeOfDay))
}

/// `2026-11-27`, and what follows it.
fn date(text: &str) -> Option<(Result<civil::Date, NoSuchTime>, &str)> {
    let (year, rest) = text.split_once('-')?;
    let (month, rest) = rest.split_once('-')?;
    let (year, month) = (number(year, 4..=4)?, number(month, 1..=2)?);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, rest) = rest.split_at(end);
    let day = number(day, 1..=2)?;
    let date =
        (|| civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok())();
    Some((date.ok_or(NoSuchTime::Day), rest))
}

/// `z`, `utc`, `+01:00`, `-0530`, `+1`
fn offset(text: &str) -> Option<Result<Offset, NoSuchTime>> {
    if text == "z" || text == "utc" {
        return Some(Ok(Offset::UTC));
    }
    let (sign, digits) = match text.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "00"),
    };
    let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 2..=2)?);
    let offset = Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok();
    Some(offset.filter(|_| hours <= 23 && minutes <= 59).ok_or(NoSuchTime::Offset))
}

/// A number of so many digits.
fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i32> {
    let is_number = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{DayName, NoSuchTime, TimeError, WrittenTime, civil, parse};
    use std::time::Duration;

    fn time(hour: i8, minute: i8, second: i8, nanosecond: i32) -> civil::Time {
        civil::Time::new(hour, minute, second, nanosecond).expect("a time of day")
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        let seconds = |seconds| WrittenTime::Ago(Duration::from_secs(seconds));
        let date = DayName::Date(civil::date(2026, 11, 27));
        let instant = |text: &str| WrittenTime::Instant(text.parse().expect("a timestamp"));
        for (text, expected) in [
            ("now", WrittenTime::Now),
            (" Now ", WrittenTime::Now),
            ("90s", seconds(90)),
            ("1h30m", seconds(5400)),
            ("3d ago", seconds(3 * 86_400)),
            ("03:12", WrittenTime::TimeOfDay(time(3, 12, 0, 0))),
            ("3:12", WrittenTime::TimeOfDay(time(3, 12, 0, 0))),
            ("03:12:30", WrittenTime::TimeOfDay(time(3, 12, 30, 0))),
            ("03:12:30.25", WrittenTime::TimeOfDay(time(3, 12, 30, 250_000_000))),
            ("23:59:60", WrittenTime::TimeOfDay(time(23, 59, 59, 0))),
            ("today", WrittenTime::Day(DayName::Today, None)),
            ("yesterday", WrittenTime::Day(DayName::Yesterday, None)),
            ("Yesterday  22:00", WrittenTime::Day(DayName::Yesterday, Some(time(22, 0, 0, 0)))),
            ("2026-11-27", WrittenTime::Day(date, None)),
            ("2026-11-27 03:12", WrittenTime::Day(date, Some(time(3, 12, 0, 0)))),
            ("2026-11-27T03:12:30.5", WrittenTime::Day(date, Some(time(3, 12, 30, 500_000_000)))),
            ("2026-11-27T03:12:30Z", instant("2026-11-27T03:12:30Z")),
            ("2026-11-27t03:12:30.123456789z", instant("2026-11-27T03:12:30.123456789Z")),
            ("2026-11-27 03:12 UTC", instant("2026-11-27T03:12:00Z")),
            ("2026-11-27T03:12:30+01:00", instant("2026-11-27T02:12:30Z")),
            ("2026-11-27 03:12:30-0530", instant("2026-11-27T08:42:30Z")),
            ("2026-11-27 03:12+1", instant("2026-11-27T02:12:00Z")),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn other_text_is_refused_with_examples() {
        for text in [
            "",
            " ",
            "soon",
            "-5m",
            "10",
            "1.5h",
            "0s",
            "3",
            "03:1",
            "003:12",
            "03:12:",
            ":12",
            "03:12:30.",
            "03:12.5",
            "03:12:30.1234567890",
            "03-12",
            "yesterday22:00",
            "yesterday 10m",
            "tomorrow",
            "27.11.2026",
            "26-11-27",
            "2026-11",
            "2026-11-27x",
            "2026-11-2703:12",
            "2026-11-27T",
            "2026-11-27T03:12 CET",
            "2026-11-27Z",
            "03:12Z",
            "ago",
            "now ago",
            "+1h",
            "٠٣:١٢",
        ] {
            let error = parse(text).map_or_else(|error| error.to_string(), |found| format!("accepted as {found:?}"));
            assert!(error.starts_with(&format!("{text:?} is no time; write it like 10m")), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_time_that_does_not_exist_says_what_is_wrong_with_it() {
        for (text, reason) in [
            ("24:00", NoSuchTime::TimeOfDay),
            ("03:60", NoSuchTime::TimeOfDay),
            ("99:99:99", NoSuchTime::TimeOfDay),
            ("03:12:61", NoSuchTime::TimeOfDay),
            ("yesterday 25:00", NoSuchTime::TimeOfDay),
            ("2026-02-29", NoSuchTime::Day),
            ("2026-13-01", NoSuchTime::Day),
            ("2026-11-00 10:00", NoSuchTime::Day),
            ("2026-11-27T24:00:00Z", NoSuchTime::TimeOfDay),
            ("2026-11-27T03:12:30+24:00", NoSuchTime::Offset),
            ("2026-11-27T03:12:30-01:60", NoSuchTime::Offset),
            ("9999-12-31T23:59:59-12:00", NoSuchTime::Day),
        ] {
            assert_eq!(parse(text), Err(TimeError::NoSuch { text: text.to_owned(), reason }));
        }
    }

    #[test]
    fn a_message_is_one_short_line_whatever_the_text() {
        let error = parse(&"\u{1b}[2J\n\u{202e}".repeat(100)).expect_err("no time").to_string();
        assert!(error.len() < 700 && !error.contains(crate::model::text::is_unsafe), "{error}");
    }
}
