//! One event as one aligned line of text.

use crate::{
    explain::{Confidence, Severity},
    model::text::safe,
    serve::event::{Event, EventEvidence},
};
use jiff::tz::TimeZone;

const RESET: &str = "\x1b[0m";

/// Column headings, aligned with [`line()`].
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<15} {:<8} {:<22} {:<20} {:<47} {:<11} {:<24} {:<24} EVIDENCE",
        "TIME", "RESET", "PROCESS[PID]", "UNIT", "LOCAL -> REMOTE", "STATE", "REASON", "CAUSE"
    )
}

/// Time, direction, owner, unit, ends, state, reason, cause, and the evidence that is not zero.
///
/// Whatever the event says, the line is one and moves nothing on a terminal: an event may come from a file.
#[must_use]
pub fn line(event: &Event, zone: &TimeZone, colour: bool) -> String {
    let owner = match event.owner.as_ref() {
        Some(owner) if owner.pid.is_some() => {
            format!("{}[{}]", safe(owner.process.as_deref().unwrap_or("?")), owner.pid.unwrap_or(0))
        }
        _ => "-".to_owned(),
    };
    let time = event.time.to_zoned(zone.clone()).strftime("%H:%M:%S%.6f").to_string();
    let ends = format!("{} -> {}", event.local, event.remote);
    let sure = if event.confidence == Confidence::Guess { "?" } else { "" };
    let (on, off) = match (colour, event.severity) {
        (false, _) => ("", ""),
        (true, Severity::Harmful) => ("\x1b[31m", RESET),
        (true, Severity::Notice) => ("\x1b[33m", RESET),
        (true, Severity::Benign) => ("\x1b[32m", RESET),
    };
    let cause = format!("{}{sure}", event.cause);
    format!(
        "{time:<15} {:<8} {owner:<22} {:<20} {ends:<47} {:<11} {:<24} {on}{cause:<24}{off} {}",
        event.direction.as_str(),
        safe(event.unit().unwrap_or("-")),
        event.state.map_or("-", |state| state.as_str()),
        safe(event.reason.as_str()),
        evidence(&event.evidence),
    )
    .trim_end()
    .to_owned()
}

/// Numbers that tell the most, in that order; the others follow by name.
const TELLING: [&str; 10] = [
    "unread_bytes",
    "unsent_bytes",
    "unacked_bytes",
    "after_fin_bytes",
    "segment_bytes",
    "closed_ms_ago",
    "idle_before_close_ms",
    "silent_ms",
    "backlog",
    "age_ms",
];

/// Every number that is known, by its name in the JSON.
#[must_use]
pub fn numbers(evidence: &EventEvidence) -> Vec<(String, f64)> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(evidence) else { return Vec::new() };
    let mut numbers: Vec<(String, f64)> =
        fields.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect();
    numbers.sort_by_key(|(name, _)| TELLING.iter().position(|telling| telling == name).unwrap_or(TELLING.len()));
    numbers
}

/// What is known and not zero, as `name=value`, and the facts.
#[must_use]
pub fn evidence(evidence: &EventEvidence) -> String {
    let numbers = numbers(evidence).into_iter().filter(|(_, number)| *number != 0.0);
    let mut parts: Vec<String> = numbers.map(|(name, number)| format!("{name}={number}")).collect();
    if !evidence.facts.is_empty() {
        parts.push(safe(&evidence.facts.join("+")));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::line;
    use jiff::tz::TimeZone;

    #[test]
    fn an_event_from_anywhere_is_one_harmless_line() {
        let event = serde_json::from_value(serde_json::json!({
            "schema": 1, "time": "2026-11-21T03:00:00Z", "direction": "sent", "reason": "\u{1b}[2J", "socket": "full",
            "local": {"address": "127.0.0.1", "port": 80}, "remote": {"address": "::1", "port": 1},
            "owner": {"process": "a\n\u{202e}b", "pid": 7, "provenance": "current", "unit": "c\td"},
            "evidence": {"facts": ["e\u{7}"]}, "cause": "mptcp", "confidence": "certain", "severity": "notice",
            "sentence": ""
        }));
        let text = line(&event.expect("a valid event"), &TimeZone::UTC, false);
        assert!(!text.contains(crate::model::text::is_unsafe), "found {text:?}");
        for expected in ["a??b[7]", "c?d", "?[2J", "e?"] {
            assert!(text.contains(expected), "expected {expected:?} in {text:?}");
        }
    }
}
