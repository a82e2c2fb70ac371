//! One event as one aligned line of text.

use super::{Event, EventEvidence};
use crate::{
    explain::{
        Confidence,
        present::ProcessName,
        render::style::{AnsiStyle, TextRole},
    },
    model::{Direction, text::safe},
};
use jiff::tz::TimeZone;

/// Column headings, aligned with [`line()`].
#[must_use]
pub(crate) fn heading() -> String {
    format!(
        "{:<15} {:<8} {:<22} {:<20} {:<47} {:<11} {:<24} {:<24} EVIDENCE",
        "TIME", "RESET", "PROCESS[PID]", "UNIT", "LOCAL -> REMOTE", "STATE", "REASON", "CAUSE"
    )
}

/// Time, direction, owner, unit, ends, state, reason, cause, and the evidence that is not zero.
///
/// `other` is the other end of the RST, where it is on this host, too: it is named at the end of the line, which has
/// the higher severity of both.
///
/// The result is one line without control characters but those of its colour, whatever the event holds: an event may
/// come from a file.
#[must_use]
pub(crate) fn line(event: &Event, other: Option<&Event>, zone: &TimeZone, colour: bool) -> String {
    let pid = event.owner.as_ref().and_then(|owner| owner.pid);
    let owner =
        ProcessName::of_owner(event.process(), pid).map_or_else(|| "-".to_owned(), |name| safe(&name.to_string()));
    let time = event.time.to_zoned(zone.clone()).strftime("%H:%M:%S%.6f").to_string();
    let ends = format!("{} -> {}", event.local, event.remote);
    let sure = if event.confidence == Confidence::Guess { "?" } else { "" };
    // Padded before it is coloured: the colour's escapes take no columns.
    let cause = format!("{:<24}", format!("{}{sure}", event.cause));
    let severity = other.map_or(event.severity, |other| other.severity.max(event.severity));
    let cause = AnsiStyle { colour }.paint(TextRole::Severity(severity), &cause);
    format!(
        "{time:<15} {:<8} {owner:<22} {:<20} {ends:<47} {:<11} {:<24} {cause} {}",
        event.direction.as_str(),
        safe(event.unit().unwrap_or("-")),
        event.state.map_or("-", |state| state.as_str()),
        safe(event.reason.as_str()),
        with_expectation(with_other_end(evidence(&event.evidence), event, other), event.expected.as_deref()),
    )
    .trim_end()
    .to_owned()
}

/// The evidence, and the process at the other end with its cause, where that end is on this host.
fn with_other_end(evidence: String, event: &Event, other: Option<&Event>) -> String {
    let Some(peer) = other.map(Event::as_peer).or_else(|| event.peer.clone()) else { return evidence };
    let name = ProcessName::of_owner(peer.process.as_deref(), peer.pid);
    let name = name.map_or_else(|| "this host".to_owned(), |name| safe(&name.to_string()));
    let done = match event.direction {
        Direction::Sent => "received",
        Direction::Received => "sent",
    };
    let space = if evidence.is_empty() { "" } else { " " };
    format!("{evidence}{space}{done} here by {name}: {}", peer.cause)
}

/// The evidence, and the operator's reason where the event is expected.
fn with_expectation(evidence: String, expected: Option<&str>) -> String {
    match expected {
        Some(reason) => format!("{evidence} expected: {}", safe(reason)),
        None => evidence,
    }
}

/// The known numbers that are not zero, as `name=value`, and the facts.
#[must_use]
pub(crate) fn evidence(evidence: &EventEvidence) -> String {
    let numbers = evidence.numbers().into_iter().filter(|(_, number)| *number != 0);
    let mut parts: Vec<String> = numbers.map(|(name, number)| format!("{name}={number}")).collect();
    if !evidence.facts.is_empty() {
        parts.push(safe(&evidence.facts.join("+")));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{evidence, line};
    use crate::event::testing::event_with;
    use jiff::tz::TimeZone;
    use serde_json::json;

    #[test]
    fn an_event_from_anywhere_is_one_harmless_line() {
        let event = event_with(json!({
            "reason": "\u{1b}[2J", "owner": {"process": "a\n\u{202e}b", "pid": 7, "unit": "c\td"},
            "evidence": {"facts": ["e\u{7}"]},
        }));
        let text = line(&event, None, &TimeZone::UTC, false);
        assert!(!text.contains(crate::model::text::is_unsafe), "found {text:?}");
        for expected in ["a??b[7]", "c?d", "?[2J", "e?"] {
            assert!(text.contains(expected), "expected {expected:?} in {text:?}");
        }
    }

    #[test]
    fn the_cause_alone_is_coloured_and_by_severity() {
        let event = |severity: &str| event_with(json!({"severity": severity, "confidence": "guess", "evidence": {}}));
        for (severity, colour) in [("harmful", 31), ("notice", 33), ("benign", 32)] {
            let plain = line(&event(severity), None, &TimeZone::UTC, false);
            let coloured = line(&event(severity), None, &TimeZone::UTC, true);
            let cause = "closed_with_unread_data?";
            let expected = format!("\u{1b}[{colour}m{cause}\u{1b}[0m");
            assert_eq!(coloured, plain.replace(cause, &expected), "{severity}");
        }
    }

    #[test]
    fn columns_are_aligned_with_the_heading() {
        let expected = "03:00:00.000000 sent     java[4711]             tomcat.service       \
                        127.0.0.1:8080 -> 10.1.2.3:50000                established tcp_abort_on_close       \
                        closed_with_unread_data  unread_bytes=3";
        assert_eq!(line(&event_with(json!({})), None, &TimeZone::UTC, false), expected);
    }

    #[test]
    fn the_most_telling_numbers_come_first_and_zeros_not_at_all() {
        let event = event_with(json!({
            "evidence": {"rtt_us": 240, "age_ms": 9, "unread_bytes": 3, "unsent_bytes": 0, "received_bytes": 7},
        }));
        assert_eq!(evidence(&event.evidence), "unread_bytes=3 age_ms=9 received_bytes=7 rtt_us=240");
    }

    #[test]
    fn the_other_end_on_this_host_is_named_with_its_cause() {
        let sent = event_with(json!({"severity": "notice"}));
        let received = event_with(json!({
            "direction": "received", "owner": {"process": "curl", "pid": 9}, "cause": "request_reset",
            "severity": "harmful",
        }));
        let text = line(&sent, Some(&received), &TimeZone::UTC, true);
        assert!(text.ends_with("unread_bytes=3 received here by curl[9]: request_reset"), "{text}");
        assert!(text.contains("\u{1b}[31m"), "the pair is as harmful as its worse end: {text}");
        let peer = json!({"process": "web", "pid": 4, "cause": "linger_abort", "sentence": "s"});
        let alone = event_with(json!({"direction": "received", "peer": peer, "evidence": {}}));
        let text = line(&alone, None, &TimeZone::UTC, false);
        assert!(text.ends_with("sent here by web[4]: linger_abort"), "{text}");
    }
}
