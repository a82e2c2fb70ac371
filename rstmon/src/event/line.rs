//! Lines of NDJSON: what the daemon's socket streams, `rstmon tail --json` prints and a recording holds.

use super::{EVENT_SCHEMA, Event};
use jiff::Timestamp;
use serde::{
    Deserialize, Serialize,
    de::{Error as _, IgnoredAny},
};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) enum StreamLine {
    Event(Box<Event>),
    /// Number of events that are missing at this place of the stream.
    Lost(u64),
}

/// The JSON form of [`StreamLine::Lost`].
#[derive(Serialize, Deserialize)]
struct LostLine {
    #[serde(default)]
    schema: u32,
    lost: u64,
}

impl StreamLine {
    /// Parses a line. If it is neither an event nor a gap, the error is that of parsing it as an event.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        // Almost all lines are events, so an event is tried first and parsed once, unlike with an untagged enum.
        match serde_json::from_slice::<Box<Event>>(line) {
            Ok(event) if event.schema == EVENT_SCHEMA => Ok(Self::Event(event)),
            Ok(event) => Err(serde_json::Error::custom(format_args!("schema {}", event.schema))),
            Err(error) => match serde_json::from_slice(line) {
                Ok(LostLine { lost, .. }) => Ok(Self::Lost(lost)),
                Err(_) => Err(error),
            },
        }
    }
}

/// Whether a line that is neither an event nor a gap is one that a store's segment has besides: its header, the start
/// or stop of a run, counts.
#[must_use]
pub(crate) fn is_mark(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct MarkFields {
        schema: u32,
        segment: Option<IgnoredAny>,
        start: Option<IgnoredAny>,
        stop: Option<IgnoredAny>,
        counts: Option<IgnoredAny>,
    }
    serde_json::from_slice(line).is_ok_and(|MarkFields { schema, segment, start, stop, counts }| {
        schema == EVENT_SCHEMA && [segment, start, stop, counts].iter().any(Option::is_some)
    })
}

/// The time of an event's line as rstmon writes it, without parsing the rest; `None` if the line begins otherwise, as
/// the other lines of a store's segment do, which have a time as well.
#[must_use]
pub(crate) fn quick_time(line: &[u8]) -> Option<Timestamp> {
    /// Longer than a time to the nanosecond.
    const LONGEST: usize = 40;
    let rest = line.strip_prefix(br#"{"schema":1,"time":""#)?;
    let end = rest.iter().take(LONGEST).position(|&byte| byte == b'"')?;
    if !rest[end..].starts_with(br#"","direction":""#) {
        return None;
    }
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

/// An event as a line, without the line end. Serialisation does not fail for any event; if it ever did, the failure is
/// logged and the event is left out of the stream.
#[must_use]
pub(crate) fn event_line(event: &Event) -> Option<Arc<str>> {
    match serde_json::to_string(event) {
        Ok(line) => Some(line.into()),
        Err(error) => {
            tracing::error!(%error, "an event cannot be written as JSON");
            None
        }
    }
}

/// The line in place of `lost` missing events, without the line end.
#[must_use]
pub(crate) fn lost_line(lost: u64) -> String {
    // A struct of two numbers always serialises.
    serde_json::to_string(&LostLine { schema: EVENT_SCHEMA, lost }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{EVENT_SCHEMA, StreamLine, event_line, is_mark, lost_line, quick_time};
    use crate::event::testing::event;

    #[test]
    fn events_and_gaps_are_distinguished() {
        let line = event_line(&event()).expect("an event serialises");
        assert!(matches!(StreamLine::parse(line.as_bytes()), Ok(StreamLine::Event(parsed)) if *parsed == event()));
        assert!(StreamLine::parse(br#"{"schema":1}"#).is_err());
        let other = line.replace("\"schema\":1", "\"schema\":2");
        assert!(StreamLine::parse(other.as_bytes()).is_err(), "another schema is refused");
    }

    #[test]
    fn marks_of_a_segment_are_known() {
        for line in [r#"{"schema":1,"stop":"2026-11-28T03:12:00Z"}"#, r#"{"schema":1,"segment":{"format":1}}"#] {
            assert!(is_mark(line.as_bytes()), "{line}");
            assert!(StreamLine::parse(line.as_bytes()).is_err(), "{line}");
        }
        for line in ["", "x", "{}", r#"{"schema":1}"#, r#"{"schema":2,"stop":1}"#, r#"{"schema":1,"lost":1}"#] {
            assert!(!is_mark(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn the_time_of_a_line_is_found_without_parsing_it() {
        let line = event_line(&event()).expect("an event serialises");
        assert_eq!(EVENT_SCHEMA, 1, "the beginning of a line has the number in it");
        assert_eq!(quick_time(line.as_bytes()), Some(event().time));
        assert_eq!(quick_time(&line.as_bytes()[1..]), None);
        assert_eq!(quick_time(lost_line(3).as_bytes()), None);
        let of_a_store = br#"{"schema":1,"time":"2026-11-28T03:12:00Z","lost":3,"why":"share"}"#;
        assert_eq!(quick_time(of_a_store), None, "a loss is no event");
        assert_eq!(quick_time(br#"{"schema":1,"time":"soon"}"#), None);
    }

    #[test]
    fn a_gap_is_read_back_as_it_was_written() {
        let line = lost_line(3);
        assert_eq!(line, r#"{"schema":1,"lost":3}"#);
        assert!(matches!(StreamLine::parse(line.as_bytes()), Ok(StreamLine::Lost(3))));
    }
}
