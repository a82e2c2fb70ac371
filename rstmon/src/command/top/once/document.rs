//! The view as one JSON document.

use crate::{
    command::{
        Failure,
        top::state::{
            ViewState,
            model::DirectionRates,
            row::{Facet, Row},
            rows::Basis,
        },
    },
    event::{
        Event,
        snapshot::{Degraded, EventsLost, Snapshot},
    },
    explain::{CauseId, Severity},
    model::Direction,
    query::Origin,
};
use clap::ValueEnum as _;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// Version of the document.
const SCHEMA: u32 = 1;

/// The JSON form of the view. docs/events.md ("Other JSON") documents it.
#[derive(Serialize)]
struct TopDocument<'a> {
    schema: u32,
    time: Timestamp,
    started: Timestamp,
    source: String,
    version: &'a str,
    host: &'a str,
    kernel: &'a str,
    uptime_seconds: u64,
    sent: DirectionDocument,
    received: DirectionDocument,
    events_lost: EventsLost,
    count_overflow: u64,
    uncounted: Option<i64>,
    degraded: &'a [Degraded],
    group: String,
    filter: String,
    /// True if the rows are exact counts, false if they count the remembered events.
    exact: bool,
    /// Resets of which both ends are counted in `sent` and `received`, and one in the rows.
    at_both_ends: u64,
    rows: Vec<RowDocument<'a>>,
}

#[derive(Serialize)]
struct DirectionDocument {
    total: u64,
    per_second: Option<f64>,
    per_second_in_minute: Option<f64>,
}

impl From<DirectionRates> for DirectionDocument {
    fn from(DirectionRates { now, minute, total }: DirectionRates) -> Self {
        Self { total, per_second: now, per_second_in_minute: minute }
    }
}

#[derive(Serialize)]
struct RowDocument<'a> {
    process: Values<'a, String>,
    unit: Values<'a, String>,
    port: Values<'a, u16>,
    direction: Values<'a, Direction>,
    cause: Values<'a, CauseId>,
    severity: Option<Severity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    per_second: Option<f64>,
    total: u64,
    trend: &'a [u32],
    last: Option<&'a Arc<Event>>,
}

/// Serialised as one value or an array of values. A value that is not known is `null`.
struct Values<'a, T>(&'a Facet<T>);

impl<T: Serialize> Serialize for Values<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Facet::One(value) => value.serialize(serializer),
            Facet::Several(values) => values.serialize(serializer),
        }
    }
}

/// The view as one JSON document.
pub(super) fn json(state: &ViewState) -> Result<String, Failure> {
    let model = state.model();
    let Some(snapshot) = &model.snapshot else { return Ok("null".to_owned()) };
    let Snapshot { time, started, version, host, kernel, uptime_seconds, .. } = snapshot;
    let document = TopDocument {
        schema: SCHEMA,
        time: *time,
        started: *started,
        source: state.origin.to_string(),
        version,
        host,
        kernel,
        uptime_seconds: *uptime_seconds,
        sent: model.rates(Direction::Sent).into(),
        received: model.rates(Direction::Received).into(),
        events_lost: snapshot.events_lost.clone(),
        count_overflow: snapshot.count_overflow,
        uncounted: snapshot.uncounted,
        degraded: &snapshot.degraded,
        group: state.group.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
        filter: state.filter.to_string(),
        exact: state.basis == Basis::Counted && !matches!(state.origin, Origin::Recording(_)),
        at_both_ends: state.at_both_ends,
        rows: state.rows.iter().map(row_document).collect(),
    };
    serde_json::to_string_pretty(&document).map_err(Failure::json)
}

fn row_document(row: &Row) -> RowDocument<'_> {
    let Row { key, process, place, port, direction, cause, severity, rate, total, trend, last } = row;
    RowDocument {
        process: Values(process),
        unit: Values(place),
        port: Values(port),
        direction: Values(direction),
        cause: Values(cause),
        severity: *severity,
        network: key.network.map(|network| network.to_string()),
        per_second: *rate,
        total: *total,
        trend,
        last: last.as_ref(),
    }
}
