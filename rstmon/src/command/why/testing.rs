//! Made-up events and reports for the tests of `why`.

use super::{report::Report, source::Seen};
use crate::{
    event::{Event, filter::Filter, testing::event_with},
    explain::Cause,
    query::Origin,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

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

/// What was seen where nothing special was.
pub(super) fn seen(events: Vec<Arc<Event>>) -> Seen {
    Seen {
        events,
        origin: Origin::Daemon("/run/test.sock".into()),
        since: "2026-11-21T02:51:00Z".parse().expect("a time"),
        until: "2026-11-21T03:01:00Z".parse().expect("a time"),
        hidden: Vec::new(),
        lost: None,
        memory_full: false,
        overflows: BTreeMap::new(),
        listeners: Vec::new(),
    }
}

/// The report on it.
pub(super) fn report(events: Vec<Arc<Event>>, filter: &[&str]) -> Report {
    Report::new(seen(events), &Filter::parse(filter).expect("a filter"))
}
