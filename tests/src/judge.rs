//! Compares events of `rstmon tail --json` with what a scenario expects.

use crate::scene::{ANY, Expected};
use serde_json::Value;
use std::{fmt::Write as _, net::SocketAddr};

/// Whether an event is that of a reset: the same direction and the same two addresses.
#[must_use]
pub fn is_of(reset: &Expected, event: &Value) -> bool {
    event["direction"] == reset.direction.word()
        && is_address(&event["local"], reset.local)
        && is_address(&event["remote"], reset.remote)
}

/// The differences between an event and what is expected of it, apart from the verdict; one line each, empty if there
/// are none.
#[must_use]
pub fn facts(reset: &Expected, event: &Value) -> String {
    let mut found = String::new();
    let mut hold = |what: &str, expected: Value, actual: &Value| {
        if expected != *actual {
            let _ = writeln!(found, "{what}: expected {expected}, found {actual}");
        }
    };
    hold("schema", 1.into(), &event["schema"]);
    hold("family", if reset.local.is_ipv4() { "ipv4" } else { "ipv6" }.into(), &event["family"]);
    if let Some(reason) = reset.reason {
        hold("reason", reason.into(), &event["reason"]);
    }
    if let Some(state) = reset.state {
        hold("state", state.into(), &event["state"]);
    }
    match &reset.owner {
        Some(_) if reset.may_be_unowned && event["owner"].is_null() => {}
        Some((comm, pid)) => {
            hold("owner.process", comm.as_str().into(), &event["owner"]["process"]);
            hold("owner.pid", (*pid != 0).then_some(*pid).into(), &event["owner"]["pid"]);
        }
        None => hold("owner", Value::Null, &event["owner"]),
    }
    for (name, number) in &reset.evidence {
        if !event["evidence"][*name].as_u64().is_some_and(|value| number.holds(value)) {
            let _ = writeln!(found, "evidence.{name}: expected {number:?}, found {}", event["evidence"][*name]);
        }
    }
    found
}

/// The differences between an event's verdict and the expected one.
#[must_use]
pub fn verdict(reset: &Expected, event: &Value) -> String {
    let (cause, confidence) = reset.verdict;
    let mut found = String::new();
    for (what, expected) in [("cause", cause), ("confidence", confidence), ("severity", reset.severity.unwrap_or(ANY))]
    {
        if expected != ANY && event[what] != expected {
            let _ = writeln!(found, "{what}: expected {expected:?}, found {}", event[what]);
        }
    }
    let taken = event["verdict"]["facts"].as_array().map_or(&[][..], Vec::as_slice);
    for fact in reset.facts.iter().filter(|fact| !taken.iter().any(|one| one == **fact)) {
        let _ = writeln!(found, "verdict.facts: expected {fact}, found {taken:?}");
    }
    let sentence = event["sentence"].as_str().unwrap_or_default();
    for words in reset.says.iter().filter(|words| !sentence.contains(words.as_str())) {
        let _ = writeln!(found, "sentence: expected {words:?}, found {sentence:?}");
    }
    found
}

/// Whether the expected verdict is only certain because the kernel has a reason: the socket alone would allow other
/// verdicts.
#[must_use]
pub(crate) fn needs_reason(reset: &Expected) -> bool {
    let (cause, confidence) = reset.verdict;
    confidence == "certain"
        && (matches!(
            cause,
            "disconnect"
                | "idle_timeout"
                | "killed"
                | "listener_closed"
                | "listener_overflow"
                | "memory_pressure"
                | "mptcp"
                | "protocol_violation"
        ) || reset.reason == Some("tcp_abort_on_linger"))
}

fn is_address(value: &Value, address: SocketAddr) -> bool {
    value["port"] == address.port() && value["address"] == address.ip().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{End, ExpectedNumber};
    use serde_json::json;

    fn reset() -> Expected {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let end = End { pid: 7, comm: "web".to_owned(), local: address(80), remote: address(4000) };
        Expected::sent(&end, "tcp_abort_on_close", "established")
            .because("closed_with_unread_data", "certain")
            .with("unread_bytes", ExpectedNumber::Exactly(9))
    }

    fn event() -> Value {
        json!({
            "schema": 1, "direction": "sent", "reason": "tcp_abort_on_close", "state": "established", "family": "ipv4",
            "local": {"address": "127.0.0.1", "port": 80}, "remote": {"address": "127.0.0.1", "port": 4000},
            "owner": {"process": "web", "pid": 7}, "evidence": {"unread_bytes": 9},
            "cause": "closed_with_unread_data", "confidence": "certain",
        })
    }

    #[test]
    fn finds_nothing_wrong_with_the_right_event() {
        assert!(is_of(&reset(), &event()));
        assert_eq!(facts(&reset(), &event()), "");
        assert_eq!(verdict(&reset(), &event()), "");
    }

    #[test]
    fn names_each_difference() {
        for (pointer, wrong) in [
            ("/reason", json!("tcp_state")),
            ("/state", json!("close")),
            ("/family", json!("ipv6")),
            ("/owner/pid", json!(8)),
            ("/owner", json!(null)),
            ("/evidence/unread_bytes", json!(8)),
            ("/evidence", json!({})),
        ] {
            let mut event = event();
            *event.pointer_mut(pointer).expect("exists") = wrong;
            assert_ne!(facts(&reset(), &event), "", "a difference in {pointer} was not found");
        }
        let mut event = event();
        event["confidence"] = json!("guess");
        assert_ne!(verdict(&reset(), &event), "");
        event["remote"]["port"] = json!(1);
        assert!(!is_of(&reset(), &event));
    }

    #[test]
    fn a_verdict_has_a_severity_facts_and_words() {
        let expected =
            || reset().judged("closed_with_unread_data", "harmful").given(&["role=accepted"]).saying("9 bytes");
        let mut right = event();
        right["severity"] = json!("harmful");
        right["verdict"] = json!({"rule": "unread", "facts": ["role=accepted", "phase=request"]});
        right["sentence"] = json!("closed with 9 bytes unread");
        right["confidence"] = json!("guess");
        assert_eq!(verdict(&expected(), &right), "", "any confidence will do");
        assert_ne!(verdict(&expected().surely("certain"), &right), "");
        for (pointer, wrong) in
            [("/severity", json!("notice")), ("/verdict/facts", json!(["role=opened"])), ("/sentence", json!("9"))]
        {
            let mut event = right.clone();
            *event.pointer_mut(pointer).expect("exists") = wrong;
            assert_ne!(verdict(&expected(), &event), "", "a difference in {pointer} was not found");
        }
    }
}
