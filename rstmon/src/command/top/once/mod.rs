//! `rstmon top --once`: the view as plain text or JSON, for scripts and tickets.

use super::{
    feed::{Feed, Update},
    state::{
        State,
        model::Pace,
        rows::{Basis, Facet, Row},
    },
    view::{
        look::Look,
        text::{count, rate, safe, thousands, width},
    },
};
use crate::{
    command::Failure,
    event::{
        Event,
        snapshot::{Degraded, EventsLost, Snapshot},
    },
    explain::{Cause, Severity},
    host::terminal,
    model::Direction,
    query::Origin,
};
use clap::ValueEnum as _;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::{
    sync::{Arc, mpsc::RecvTimeoutError},
    time::{Duration, Instant},
};

/// Number of the JSON form.
const SCHEMA: u32 = 1;
/// How long to wait for the first counts, besides the time that is watched.
const PATIENCE: Duration = Duration::from_secs(10);
/// Columns of a sparkline.
const TREND: usize = 12;

/// Takes in what a feed tells for `span`, or all of a recording.
pub(crate) fn gather(feed: &Feed, state: &mut State, span: Duration) -> Result<(), Failure> {
    let mut until = Instant::now() + span;
    let (give_up, mut noted) = (until + PATIENCE, None);
    loop {
        match feed.wait(until.saturating_duration_since(Instant::now())) {
            Ok(Update::Ended) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Update::Down(why)) => return Err(Failure::io("nothing to show")(std::io::Error::other(why))),
            Ok(Update::Note(note)) => noted = Some(note),
            Ok(update) => {
                let first = state.model().snapshot.is_none() && matches!(update, Update::Snapshot(_));
                state.absorb(update);
                // The rates are of the time between two snapshots.
                if first {
                    until = until.max(Instant::now() + span);
                }
            }
            Err(RecvTimeoutError::Timeout) if state.model().snapshot.is_some() => break,
            Err(RecvTimeoutError::Timeout) if Instant::now() < give_up => until = give_up,
            Err(RecvTimeoutError::Timeout) => {
                let why = noted.unwrap_or_else(|| "nobody has told any counts".to_owned());
                return Err(Failure::io("nothing to show")(std::io::Error::other(why)));
            }
        }
    }
    if let Some(note) = noted {
        terminal::note(&note);
    }
    state.refresh();
    Ok(())
}

/// Everything that the view shows, as data. Documented in docs/events.md ("Other JSON").
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    time: Timestamp,
    started: Timestamp,
    source: String,
    version: &'a str,
    host: &'a str,
    kernel: &'a str,
    uptime_seconds: u64,
    sent: Direct,
    received: Direct,
    events_lost: EventsLost,
    count_overflow: u64,
    uncounted: Option<i64>,
    degraded: &'a [Degraded],
    group: String,
    filter: String,
    /// Whether the rows are exact counts; if not, they are of the remembered events.
    exact: bool,
    rows: Vec<RowDocument<'a>>,
}

#[derive(Serialize)]
struct Direct {
    total: u64,
    per_second: Option<f64>,
    per_second_in_minute: Option<f64>,
}

impl From<Pace> for Direct {
    fn from(Pace { now, minute, total }: Pace) -> Self {
        Self { total, per_second: now, per_second_in_minute: minute }
    }
}

#[derive(Serialize)]
struct RowDocument<'a> {
    process: Values<'a, String>,
    unit: Values<'a, String>,
    port: Values<'a, u16>,
    direction: Values<'a, Direction>,
    cause: Values<'a, Cause>,
    severity: Option<Severity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    per_second: Option<f64>,
    total: u64,
    trend: &'a [u32],
    last: Option<&'a Arc<Event>>,
}

/// One value, or an array of them; `null` is not known.
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
pub(crate) fn json(state: &State) -> Result<String, Failure> {
    let model = state.model();
    let Some(snapshot) = &model.snapshot else { return Ok("null".to_owned()) };
    let Snapshot { time, started, version, host, kernel, uptime_seconds, .. } = snapshot;
    let document = Document {
        schema: SCHEMA,
        time: *time,
        started: *started,
        source: state.origin.to_string(),
        version,
        host,
        kernel,
        uptime_seconds: *uptime_seconds,
        sent: model.pace(Direction::Sent).into(),
        received: model.pace(Direction::Received).into(),
        events_lost: snapshot.events_lost.clone(),
        count_overflow: snapshot.count_overflow,
        uncounted: snapshot.uncounted,
        degraded: &snapshot.degraded,
        group: state.group.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
        filter: state.filter.to_string(),
        exact: state.basis == Basis::Counted && !matches!(state.origin, Origin::Recording(_)),
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

/// The view as plain text: every row, each column as wide as it has to be.
pub(crate) fn text(state: &State, look: &Look) -> String {
    let model = state.model();
    let Some(snapshot) = &model.snapshot else { return "nothing is known".to_owned() };
    let mut lines = header(state, snapshot);
    let heading = ["PROCESS", "UNIT", "PORT", "RESET", "CAUSE", "SEVERITY", "/S", "TOTAL", "5 MINUTES", "LAST PEER"];
    let mut table = vec![heading.map(str::to_owned)];
    table.extend(state.rows.iter().map(|row| cells(row, look)));
    let widths: Vec<usize> =
        (0..heading.len()).map(|column| table.iter().map(|row| width(&row[column])).max().unwrap_or(0)).collect();
    for row in table {
        let padded = row.iter().zip(&widths).map(|(cell, columns)| cell.clone() + &" ".repeat(columns - width(cell)));
        lines.push(padded.collect::<Vec<_>>().join("  ").trim_end().to_owned());
    }
    if state.rows.is_empty() {
        lines.push("no resets".to_owned());
    }
    lines.join("\n")
}

fn header(state: &State, snapshot: &Snapshot) -> Vec<String> {
    let pace = |direction| {
        let Pace { now, minute, total } = state.model().pace(direction);
        format!("{direction} {}/s, 1 min {}/s, total {}", rate(now), rate(minute), thousands(total))
    };
    let mut lines = vec![
        format!("rstmon {} on {}, {}", snapshot.version, safe(&snapshot.host), state.origin),
        format!("at {} since {}, Linux {}", snapshot.time, snapshot.started, safe(&snapshot.kernel)),
        format!("{}; {}", pace(Direction::Sent), pace(Direction::Received)),
        format!("{} events not shown (all counted)", thousands(state.lost())),
    ];
    if let Origin::Recording(_) = state.origin {
        lines[0] = format!("rstmon {}, {}", snapshot.version, state.origin);
        lines[1] = format!("recorded from {} to {}", snapshot.started, snapshot.time);
        lines[3] = format!("{} events were lost while it was recorded", thousands(state.lost()));
    }
    lines.extend(snapshot.degraded.iter().map(|Degraded { what, hides }| format!("degraded: {what} hides {hides}")));
    lines.extend(snapshot.uncounted.filter(|uncounted| *uncounted != 0).map(|n| format!("the kernel counts {n:+}")));
    lines.push(format!(
        "by {}, {}, filter {}",
        state.group.word(),
        state.basis_in_words(),
        match state.filter.to_string() {
            filter if filter.is_empty() => "none".to_owned(),
            filter => safe(&filter),
        }
    ));
    lines.push(String::new());
    lines
}

fn cells(row: &Row, look: &Look) -> [String; 10] {
    fn list<T: Ord>(facet: &Facet<T>, name: impl Fn(&T) -> String) -> String {
        let one = |value: &Option<T>| value.as_ref().map_or_else(|| "-".to_owned(), &name);
        safe(&match facet {
            Facet::One(value) => one(value),
            Facet::Several(values) => values.iter().map(one).collect::<Vec<_>>().join(","),
        })
    }
    let peer = match (&row.key.network, &row.last) {
        (Some(network), _) => network.to_string(),
        (None, Some(event)) => event.remote.to_string(),
        (None, None) => "-".to_owned(),
    };
    [
        list(&row.process, Clone::clone),
        list(&row.place, Clone::clone),
        list(&row.port, ToString::to_string),
        list(&row.direction, ToString::to_string),
        list(&row.cause, |cause| cause.id().to_owned()),
        row.severity.map_or_else(|| "-".to_owned(), |severity| severity.to_string()),
        rate(row.rate),
        count(row.total, 20),
        look.sparkline(&row.trend, TREND),
        peer,
    ]
}

/// Prints what was gathered.
pub(crate) fn print(state: &State, look: &Look, as_json: bool) -> Result<(), Failure> {
    Ok(terminal::print(&if as_json { json(state)? } else { text(state, look) })?)
}

#[cfg(test)]
mod tests;
