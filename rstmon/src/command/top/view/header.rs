//! The first lines of the screen: the host, the rates and totals of resets, and what is not known.

use super::{
    look::{FAINT, Look, STRONG},
    text::{cut, rate, safe, span, thousands, time, width},
};
use crate::{
    command::top::state::{ViewState, model::DirectionRates, rows::Basis},
    event::snapshot::Snapshot,
    model::Direction,
    query::Origin,
};
use ratatui::{
    style::Style,
    text::{Line, Span},
};
use std::time::Duration;

/// A part of a line. A line shows its first parts, as many as there is room for.
type Part = (String, Style);

/// Height of the header on a screen of this height, in lines.
#[must_use]
pub(crate) fn height(screen: u16) -> u16 {
    match screen {
        0..=11 => 1,
        12..=15 => 2,
        _ => 3,
    }
}

#[must_use]
pub(crate) fn lines(state: &ViewState, look: &Look, height: u16, columns: u16) -> Vec<Line<'static>> {
    let Some(snapshot) = &state.model().snapshot else {
        let mut lines = vec![join(vec![("rstmon top".to_owned(), STRONG), (source(state), FAINT)], columns, look)];
        lines.resize(usize::from(height), Line::default());
        return lines;
    };
    let lines = match height {
        1 => vec![rates_line(state, true)],
        2 => vec![rates_line(state, false), unknown(state, snapshot, look)],
        _ => vec![host(state, snapshot, look), rates_line(state, false), unknown(state, snapshot, look)],
    };
    lines.into_iter().map(|parts| join(parts, columns, look)).collect()
}

/// Least width of a status line with whole sentences.
const ROOMY: u16 = 100;

/// Joins parts with dots. The first part that does not fit and all after it are left out.
fn join(parts: Vec<Part>, columns: u16, look: &Look) -> Line<'static> {
    let (mut spans, mut room) = (Vec::new(), usize::from(columns));
    for (text, style) in parts {
        let dot = if spans.is_empty() { "" } else { look.dot() };
        if spans.is_empty() {
            let text = cut(&text, room, look);
            room -= width(&text);
            spans.push(Span::styled(text, style));
        } else if let Some(left) = room.checked_sub(width(dot) + width(&text)) {
            room = left;
            spans.push(Span::styled(dot, FAINT));
            spans.push(Span::styled(text, style));
        } else {
            break;
        }
    }
    Line::from(spans)
}

fn source(state: &ViewState) -> String {
    match &state.origin {
        Origin::Daemon(path) => format!("through {}", path.display()),
        Origin::Local => "watching alone".to_owned(),
        Origin::Recording(names) => format!("replay of {names}"),
    }
}

fn host(state: &ViewState, snapshot: &Snapshot, look: &Look) -> Vec<Part> {
    let counting = snapshot.time.duration_since(snapshot.started).unsigned_abs();
    let now = time(snapshot.time, 0, look);
    if let Origin::Recording(names) = &state.origin {
        return vec![
            (format!("replay {}", safe(&names.short())), STRONG),
            (now, Style::new()),
            (format!("{} recorded", span(counting)), FAINT),
        ];
    }
    vec![
        (safe(&snapshot.host), STRONG),
        (now, Style::new()),
        (format!("Linux {}", safe(&snapshot.kernel)), FAINT),
        (format!("up {}", span(Duration::from_secs(snapshot.uptime_seconds))), FAINT),
        (format!("counting for {}", span(counting)), FAINT),
        (source(state), FAINT),
        (format!("rstmon {}", safe(&snapshot.version)), FAINT),
    ]
}

fn rates_line(state: &ViewState, short: bool) -> Vec<Part> {
    let [sent, received] = [Direction::Sent, Direction::Received].map(|direction| state.model().rates(direction));
    if short {
        let host = state.model().snapshot.as_ref().map_or(String::new(), |snapshot| safe(&snapshot.host));
        let one = |word: &str, rates: DirectionRates| (format!("{word} {}/s", rate(rates.now)), Style::new());
        return vec![(host, STRONG), one("sent", sent), one("received", received)];
    }
    vec![
        (rates_in_words(Direction::Sent, sent), Style::new()),
        (rates_in_words(Direction::Received, received), Style::new()),
    ]
}

/// Rates and total of one direction, as in `sent 2.0/s, 1 min 1.5/s, total 120`.
pub(crate) fn rates_in_words(direction: Direction, rates: DirectionRates) -> String {
    let DirectionRates { now, minute, total } = rates;
    format!("{direction} {}/s, 1 min {}/s, total {}", rate(now), rate(minute), thousands(total))
}

fn unknown(state: &ViewState, snapshot: &Snapshot, look: &Look) -> Vec<Part> {
    let mut parts = Vec::new();
    let lost = state.lost();
    let events = thousands(state.model().memory.len() as u64);
    match lost {
        0 => parts.push((format!("{events} events, none lost"), FAINT)),
        lost => parts.push((format!("{events} events, {} not shown (all counted)", thousands(lost)), Style::new())),
    }
    match &snapshot.degraded[..] {
        // A recording does not say what could be seen where it was made.
        [] if matches!(state.origin, Origin::Recording(_)) => {}
        [] => parts.push(("all hooks attached".to_owned(), FAINT)),
        [one] => parts.push((format!("degraded: {}", safe(&one.what)), look.warning())),
        many => parts.push((format!("degraded: {} things (rstmon doctor)", many.len()), look.warning())),
    }
    if let Some(uncounted) = snapshot.uncounted.filter(|uncounted| *uncounted != 0) {
        parts.push((format!("kernel counts {uncounted:+}"), look.warning()));
    }
    if snapshot.count_overflow > 0 {
        parts.push((format!("{} without owner: count map full", thousands(snapshot.count_overflow)), look.warning()));
    }
    parts
}

/// The line above the table: grouping, filter and state of the table.
#[must_use]
pub(crate) fn status(state: &ViewState, look: &Look, columns: u16) -> Line<'static> {
    let mut parts = vec![(format!("by {}", state.group.word()), STRONG)];
    if state.is_paused() {
        parts.push(("PAUSED".to_owned(), look.warning()));
    }
    // The basis comes before the filter, which may take all the room.
    parts.push(match state.basis {
        Basis::Remembered if columns < ROOMY => ("of remembered events".to_owned(), look.warning()),
        Basis::Remembered => (state.basis_in_words(), look.warning()),
        Basis::Counted => (state.basis_in_words(), FAINT),
    });
    if !state.filter.is_empty() {
        parts.push((format!("filter {}", safe(&state.filter.to_string())), look.label()));
    }
    if let Some(since) = state.model().counts.zeroed() {
        parts.push((format!("totals since {}", time(since, 0, look)), Style::new()));
    }
    let rows = state.rows.len();
    parts.push((format!("{rows} {}", if rows == 1 { "row" } else { "rows" }), FAINT));
    join(parts, columns, look)
}
