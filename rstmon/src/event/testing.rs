//! The sample event of tests.

use super::Event;
use serde_json::{Value, json};

/// A valid event: `java[4711]` of `tomcat.service` closed a connection on 127.0.0.1:8080 with 3 bytes unread.
pub(crate) fn event() -> Event {
    event_with(json!({}))
}

/// The sample event with the fields of `changes`. An object is merged field by field; `null` removes a field.
pub(crate) fn event_with(changes: Value) -> Event {
    let mut event = json!({
        "schema": 1, "time": "2026-11-21T03:00:00Z", "direction": "sent", "reason": "tcp_abort_on_close",
        "state": "established", "socket": "full", "family": "ipv4",
        "local": {"address": "127.0.0.1", "port": 8080}, "remote": {"address": "10.1.2.3", "port": 50000},
        "service_port": 8080,
        "owner": {"process": "java", "pid": 4711, "provenance": "current", "unit": "tomcat.service"},
        "evidence": {"unread_bytes": 3}, "cause": "closed_with_unread_data", "confidence": "certain",
        "severity": "harmful", "sentence": "3 bytes were unread",
    });
    merge(&mut event, changes);
    serde_json::from_value(event).expect("the changes make a valid event")
}

fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (name, change) in changes {
                if change.is_null() {
                    fields.remove(&name);
                } else {
                    merge(fields.entry(name).or_insert(Value::Null), change);
                }
            }
        }
        (into, change) => *into = change,
    }
}
