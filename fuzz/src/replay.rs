//! Recorded events: NDJSON as `rstmon tail --json` prints it, read back from a file that anybody may have written.
//!
//! Holds: a line is an event, the notice of a loss, or refused; an event survives JSON unchanged, and as a line of text
//! it can break neither line nor terminal, whatever is in it.

use super::text::assert_harmless;
use jiff::tz::TimeZone;
use rstmon::{command::line, model::text::safe, serve::event::Event};

/// Reads the lines, each on its own.
///
/// Replay files are to be read here by the very reader of `top --replay` and `why --replay`, once there is one.
pub fn run(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        match serde_json::from_str::<Event>(text) {
            Ok(event) => check_event(&event),
            // serde quotes what it does not know: whoever shows this has to make it safe.
            Err(error) => {
                assert_harmless("the error", &safe(&error.to_string()));
                let _lost =
                    serde_json::from_str::<serde_json::Value>(text).ok().and_then(|it| it.get("lost")?.as_u64());
            }
        }
    }
}

/// What holds for every event, wherever it is from.
pub(crate) fn check_event(event: &Event) {
    let json = serde_json::to_string(event).expect("an event is JSON");
    assert!(!json.contains('\n'), "an event of two lines: {json}");
    let back: Event = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(&back, event, "changed by JSON: {json}");
    assert_harmless("the line of text", &line::line(event, &TimeZone::UTC, false));
}
