//! Recorded events: NDJSON as printed by `rstmon tail --json`, read from a file that need not come from rstmon.
//!
//! Holds: a line is an event, the notice of a loss, or skipped; a file without events is refused; an event survives
//! JSON unchanged, and its line of text can break neither line nor terminal.

use super::harmless::assert_harmless;
use crate::event::{Event, line::StreamLine, recording::Recording, text};
use jiff::tz::TimeZone;
use std::{io::Cursor, path::Path};

/// Reads the whole recording, as `top --replay` and `why --replay` do.
pub(crate) fn run(bytes: &[u8]) {
    let mut recording =
        Recording::new(Box::new(Cursor::new(bytes.to_vec())), Path::new("recording")).expect("memory can be read");
    let (mut events, mut lost) = (0, 0_u64);
    let ended = loop {
        match recording.next_line() {
            Ok(Some(StreamLine::Event(event))) => {
                check_event(&event);
                events += 1;
            }
            Ok(Some(StreamLine::Lost(more))) => lost = lost.saturating_add(more),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    if let Some(error) = &ended {
        assert_harmless("the error", &error.to_string());
    }
    assert_eq!(events == 0, ended.is_some(), "{events} events and {lost} lost ended with {ended:?}");
    if let Some(complaint) = recording.complaint() {
        assert_harmless("the complaint", &complaint);
    }
}

/// Checks what holds for every event of any source.
pub(crate) fn check_event(event: &Event) {
    let json = serde_json::to_string(event).expect("an event is JSON");
    assert!(!json.contains('\n'), "an event of two lines: {json}");
    let back: Event = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    // The numbers on the wire join events in the daemon; they are no part of the JSON.
    let written = Event { named_end: None, wire: None, ..event.clone() };
    assert_eq!(back, written, "changed by JSON: {json}");
    assert_harmless("the line of text", &text::line(event, None, &TimeZone::UTC, false));
}
