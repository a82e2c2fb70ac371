//! The view as text and as JSON.

use super::{document::json, text::text, *};
use crate::{
    command::top::{
        state::group::Group,
        testing::{event, snapshot},
    },
    event::filter::Filter,
    query::Origin,
};
use jiff::tz::TimeZone;
use std::sync::Arc;

fn state(group: Group) -> ViewState {
    let mut state = ViewState::new(Origin::Local, group, Filter::default());
    for (second, total) in [(0, 10), (1, 30)] {
        let series = [("java", 8080, total), ("evil\u{1b}[2J\n", 9000, 1)];
        state.absorb(Update::Snapshot(Box::new(snapshot(second, series))));
    }
    state.absorb(Update::Event(Arc::new(event(1, "java", 8080, "192.0.2.1"))));
    state.refresh();
    state
}

fn look() -> Look {
    Look { colour: false, unicode: false, zone: TimeZone::UTC }
}

#[test]
fn a_ticket_gets_plain_text() {
    let text = text(&state(Group::Who), &look());
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
    let row = text.lines().find(|line| line.starts_with("java")).expect("a row");
    let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(
        cells[..8],
        ["java", "tomcat.service", "8080", "sent", "closed_with_unread_data", "harmful", "20", "30"]
    );
    assert!(row.ends_with("192.0.2.1:50001"), "{row}");
    assert!(text.contains("evil?[2J?"), "{text}");
    assert!(text.contains("degraded: hook inet_accept hides the accepting worker"), "{text}");
}

#[test]
fn a_script_gets_data() {
    let document: serde_json::Value =
        serde_json::from_str(&json(&state(Group::Who)).expect("JSON")).expect("a document");
    assert_eq!((&document["schema"], &document["exact"]), (&1.into(), &true.into()));
    assert_eq!(document["sent"]["total"], 31);
    assert_eq!(document["rows"][0]["process"], "java");
    assert_eq!(document["rows"][0]["per_second"], 20.0);
    assert_eq!(document["rows"][0]["last"]["remote"]["address"], "192.0.2.1");
}

#[test]
fn several_values_are_an_array() {
    let document: serde_json::Value =
        serde_json::from_str(&json(&state(Group::Cause)).expect("JSON")).expect("a document");
    assert_eq!(document["rows"][0]["process"].as_array().map(Vec::len), Some(2));
    assert_eq!(document["rows"][0]["cause"], "closed_with_unread_data");
}

#[test]
fn rows_by_peer_network_are_marked_as_not_exact() {
    let state = state(Group::Network);
    assert!(text(&state, &look()).contains("of the events remembered, not of all resets"));
    let document: serde_json::Value = serde_json::from_str(&json(&state).expect("JSON")).expect("a document");
    assert_eq!(document["exact"], false);
    assert_eq!(document["rows"][0]["network"], "192.0.2.0/24");
}
