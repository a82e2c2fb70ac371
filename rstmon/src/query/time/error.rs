//! Why a text is no time, with examples of what is one.

use jiff::{Timestamp, tz::TimeZone};

/// Characters of the user's text that a message shows.
const SHOWN: usize = 60;

/// Each message is one line without control characters, whatever the text holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TimeError {
    #[error(
        "{} is no time; write it like 10m, 2h, 03:12, 03:12:30, \"yesterday 22:00\", 2026-11-27, \"2026-11-27 03:12\", \
         2026-11-27T03:12:30Z or now",
        shown(text)
    )]
    Form { text: String },
    /// The text has the form of a time, but the day or the time of day does not exist.
    #[error("{}: {reason}", shown(text))]
    NoSuch { text: String, reason: NoSuchTime },
    #[error("{} is beyond the years that can be computed with; write it like 10m, 3d or 2026-11-27", shown(text))]
    Range { text: String },
    #[error("{flag} {} begins in the future, at {since}; now is {now}", shown(text))]
    Future { flag: &'static str, text: String, since: String, now: String },
    #[error("the span ends before it begins: --since is {since}, --until is {until}")]
    Order { since: String, until: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSuchTime {
    #[error("a time of day is from 00:00 to 23:59:59")]
    TimeOfDay,
    #[error("there is no such day; write year, month and day, as in 2026-11-27")]
    Day,
    #[error("there is no such offset from UTC; write Z, +01:00 or -05:30")]
    Offset,
}

/// The text in quotation marks, escaped and cut.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    let more = if cut.len() < text.len() { "..." } else { "" };
    format!("{cut:?}{more}")
}

/// A time to the second, with the offset of its zone.
pub(crate) fn written(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
}
