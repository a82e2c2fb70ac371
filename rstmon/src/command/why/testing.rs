//! Made-up events and reports for the tests of `why`.

use super::{
    report::Report,
    source::{Seen, Source},
};
use crate::{explain::Cause, serve::event::Event, serve::filter::Filter};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// An event of a service on 10.0.0.1:8080: process, cause, direction, second, and what else is to be different.
pub(super) fn event(process: Option<&str>, cause: &str, direction: &str, second: u8, more: &Value) -> Arc<Event> {
    let severity = cause.parse::<Cause>().expect("a cause").entry().severity;
    let mut value = json!({
        "schema": 1, "time": format!("2026-11-21T03:00:{second:02}Z"), "direction": direction, "reason": "tcp_state",
        "socket": "full", "local": {"address": "10.0.0.1", "port": 8080},
        "remote": {"address": "10.0.0.2", "port": 4000}, "service_port": 8080,
        "owner": process.map(|process| json!({"process": process, "pid": 7, "provenance": "current"})),
        "evidence": {"unread_bytes": 5}, "cause": cause, "confidence": "certain", "severity": severity,
        "sentence": "the evidence",
    });
    if let (Some(value), Some(more)) = (value.as_object_mut(), more.as_object()) {
        value.extend(more.clone());
    }
    Arc::new(serde_json::from_value(value).expect("a valid event"))
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
        source: Source::Daemon("/run/test.sock".into()),
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
