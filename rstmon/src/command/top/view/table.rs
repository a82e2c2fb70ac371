//! The table with its headings and rows.

use super::{
    Regions,
    columns::{GAP, columns},
    look::{BAR, CHOSEN, FAINT, Look, SORTED, STRONG},
    text::{count, fit, fit_right, rate, width},
};
use crate::{
    command::top::state::{
        ViewState,
        group::Group,
        row::{Facet, Row},
        sort::Column,
    },
    explain::CauseId,
    metrics::trend::STEP,
    model::Direction,
};
use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Paragraph, Wrap},
};

/// Draws the headings and as many rows as there is room for, including the selected one.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, state: &ViewState, look: &Look, regions: &mut Regions) {
    let columns = columns(area.width, state.group);
    let [heading, list] = split(area);
    headings(frame, heading, state, look, &columns, regions);
    let selected = state.selected().map(|(at, _)| at);
    let room = usize::from(list.height);
    regions.list = list;
    regions.page = room;
    regions.first = visible(regions.first, selected.unwrap_or(0), room, state.rows.len());
    for (line, (at, row)) in list.rows().zip(state.rows.iter().enumerate().skip(regions.first)) {
        let mut text = render(row, &columns, state.group, look, at < state.frozen());
        if Some(at) == selected {
            text = text.patch_style(CHOSEN);
            // Highlights the line to its end.
            frame.buffer_mut().set_style(line, CHOSEN);
        }
        frame.render_widget(text, line);
    }
    if state.rows.is_empty() && list.height > 0 {
        frame.render_widget(Paragraph::new(nothing(state)).style(FAINT).wrap(Wrap { trim: true }), list);
    }
}

fn nothing(state: &ViewState) -> &'static str {
    match (&state.feed_status, state.model().snapshot.is_some(), state.filter.is_empty()) {
        (_, true, false) => "No reset passes the filter. Press / to change it.",
        (_, true, true) => "No resets so far. They appear here as they happen.",
        (_, false, _) => "Waiting for the first numbers...",
    }
}

fn split(area: Rect) -> [Rect; 2] {
    let heading = Rect { height: area.height.min(1), ..area };
    [heading, Rect { y: area.y + heading.height, height: area.height - heading.height, ..area }]
}

/// The index of the first visible line, chosen such that `selected` is among the `room` visible of `count` lines and
/// the list moves as little as possible.
#[must_use]
pub(crate) fn visible(first: usize, selected: usize, room: usize, count: usize) -> usize {
    let last = (selected + 1).saturating_sub(room);
    first.clamp(last, selected.max(last)).min(count.saturating_sub(room))
}

fn headings(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &ViewState,
    look: &Look,
    columns: &[(Column, u16)],
    regions: &mut Regions,
) {
    frame.buffer_mut().set_style(area, BAR);
    regions.headings.clear();
    let mut x = area.x;
    for &(column, size) in columns {
        let place = Rect { x, width: size.min(area.right().saturating_sub(x)), ..area };
        let title = heading(column, state.group, size);
        let sorted = column == state.sort.column;
        let mark = match (sorted, state.sort.descending, look.unicode) {
            (false, ..) => "",
            (true, true, true) => "▼",
            (true, false, true) => "▲",
            (true, true, false) => "v",
            (true, false, false) => "^",
        };
        let text = format!("{title}{mark}");
        let text = if is_number(column) { fit_right(&text, size.into(), look) } else { fit(&text, size.into(), look) };
        let style = if sorted { SORTED } else { BAR };
        frame.render_widget(Span::styled(text, style), place);
        regions.headings.push((column, place));
        x += size + GAP;
    }
}

fn heading(column: Column, group: Group, size: u16) -> String {
    let text = match column {
        Column::Process => "PROCESS",
        Column::Place => "UNIT",
        Column::Port => "PORT",
        Column::Direction => "RESET",
        Column::Cause => "CAUSE",
        Column::Rate => "/S",
        Column::Total => "TOTAL",
        Column::Trend => return trend_heading(size),
        Column::Peer if group == Group::Network => "PEER NETWORK",
        Column::Peer => "LAST PEER",
    };
    text.to_owned()
}

/// The heading of the trend: the time that its cells cover.
fn trend_heading(size: u16) -> String {
    match u64::from(size) * STEP.as_secs() {
        seconds @ 0..120 => format!("LAST {seconds}s"),
        seconds => format!("LAST {}m {}s", seconds / 60, seconds % 60),
    }
}

fn is_number(column: Column) -> bool {
    matches!(column, Column::Port | Column::Rate | Column::Total)
}

fn render(row: &Row, columns: &[(Column, u16)], group: Group, look: &Look, frozen: bool) -> Line<'static> {
    let mut spans = Vec::with_capacity(2 * columns.len());
    for (index, &(column, size)) in columns.iter().enumerate() {
        let (text, style) = cell(row, column, usize::from(size), group, look);
        // The mark takes a character of the first cell, so that the rows stay aligned.
        let text = if frozen && index == 0 { format!("*{text}") } else { text };
        let style = if frozen { style.add_modifier(Modifier::BOLD) } else { style };
        let text = if is_number(column) { fit_right(&text, size.into(), look) } else { fit(&text, size.into(), look) };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw(" ".repeat(usize::from(GAP))));
    }
    spans.pop();
    Line::from(spans)
}

fn cell(row: &Row, column: Column, size: usize, group: Group, look: &Look) -> (String, Style) {
    let plain = Style::new();
    match column {
        Column::Process => (facet(&row.process, "processes", Clone::clone), plain),
        Column::Place => (facet(&row.place, "units", Clone::clone), plain),
        Column::Port => (facet(&row.port, "", ToString::to_string), plain),
        Column::Direction => (direction(&row.direction, size), plain),
        Column::Cause => {
            (facet(&row.cause, "causes", |cause: &CauseId| cause.id().to_owned()), look.severity(row.severity))
        }
        Column::Rate => {
            let quiet = row.rate.is_none_or(|rate| rate == 0.0);
            (rate(row.rate), if quiet { FAINT } else { STRONG })
        }
        Column::Total => (count(row.total, size), plain),
        Column::Trend => (look.sparkline(&row.trend, size), look.label()),
        Column::Peer if group == Group::Network => {
            (row.key.network.map_or_else(unknown, |network| network.to_string()), plain)
        }
        Column::Peer => (peer(row, size), plain),
    }
}

fn unknown() -> String {
    "-".to_owned()
}

fn facet<T: Ord>(facet: &Facet<T>, several: &str, name: impl Fn(&T) -> String) -> String {
    match facet {
        Facet::One(value) => value.as_ref().map_or_else(unknown, name),
        Facet::Several(values) => format!("{} {several}", values.len()).trim_end().to_owned(),
    }
}

fn direction(facet: &Facet<Direction>, size: usize) -> String {
    match facet {
        Facet::One(Some(Direction::Received)) if size < "received".len() => "recvd".to_owned(),
        Facet::One(Some(direction)) => direction.to_string(),
        Facet::One(None) => unknown(),
        Facet::Several(_) => "both".to_owned(),
    }
}

/// The last peer, with its port if there is room.
fn peer(row: &Row, size: usize) -> String {
    let Some(event) = &row.last else { return unknown() };
    let whole = event.remote.to_string();
    if width(&whole) <= size { whole } else { event.remote.address.to_string() }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn the_chosen_line_is_visible_and_the_list_moves_no_more_than_it_must() {
        for (first, selected, room, count, expected) in [
            (0, 0, 10, 5, 0),
            (0, 9, 10, 50, 0),
            (0, 10, 10, 50, 1),
            (20, 25, 10, 50, 20),
            (20, 19, 10, 50, 19),
            (45, 46, 10, 50, 40),
            (7, 3, 0, 5, 4),
        ] {
            assert_eq!(visible(first, selected, room, count), expected, "{first} {selected} {room} {count}");
        }
    }
}
