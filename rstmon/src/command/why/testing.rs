//! Made-up events for the tests of `why`.

use crate::{
    event::{Event, testing::event_with},
    explain::Cause,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// An event of a service on 10.0.0.1:8080: process, cause, direction, second, and what else is to be different.
pub(super) fn event(process: Option<&str>, cause: &str, direction: &str, second: u8, more: &Value) -> Arc<Event> {
    let severity = cause.parse::<Cause>().expect("a cause").entry().severity;
    let mut changes = json!({
        "time": format!("2026-11-21T03:00:{second:02}Z"), "direction": direction, "reason": "tcp_state",
        "state": Value::Null, "family": Value::Null,
        "local": {"address": "10.0.0.1"}, "remote": {"address": "10.0.0.2", "port": 4000},
        "owner": process.map(|process| json!({"process": process, "pid": 7, "unit": Value::Null})),
        "evidence": {"unread_bytes": 5}, "cause": cause, "severity": severity, "sentence": "the evidence",
    });
    if let (Some(changes), Some(more)) = (changes.as_object_mut(), more.as_object()) {
        changes.extend(more.clone());
    }
    Arc::new(event_with(changes))
}

/// The other end of `sent`, on this host too and joined.
pub(super) fn received_from(sent: &Event, process: Option<&str>, cause: &str, second: u8) -> Arc<Event> {
    let ends = json!({"local": sent.remote, "remote": sent.local, "peer": sent.as_peer()});
    event(process, cause, "received", second, &ends)
}
