//! The view as plain text.

use crate::{
    command::top::{
        state::{
            ViewState,
            row::{Facet, Row},
        },
        view::{
            look::Look,
            rates_in_words,
            text::{count, rate, safe, thousands, width},
        },
    },
    event::snapshot::{Degraded, Snapshot},
    model::Direction,
    query::Origin,
};

/// Width of a sparkline in columns.
const TREND: usize = 12;

/// The view as plain text with all rows. Each column is as wide as its longest cell.
pub(super) fn text(state: &ViewState, look: &Look) -> String {
    let model = state.model();
    let Some(snapshot) = &model.snapshot else { return "no data".to_owned() };
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

fn header(state: &ViewState, snapshot: &Snapshot) -> Vec<String> {
    let [sent, received] = [Direction::Sent, Direction::Received]
        .map(|direction| rates_in_words(direction, state.model().rates(direction)));
    let mut lines = vec![
        format!("rstmon {} on {}, {}", snapshot.version, safe(&snapshot.host), state.origin),
        format!("at {} since {}, Linux {}", snapshot.time, snapshot.started, safe(&snapshot.kernel)),
        format!("{sent}; {received}"),
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
