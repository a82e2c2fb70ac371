//! Draws the [`ViewState`](super::state::ViewState). Decides only what there is room for.

pub(crate) mod columns;
mod events;
mod footer;
mod header;
pub(crate) mod look;
mod pages;
mod prose;
mod reset;
mod table;
pub(crate) mod text;
mod verdict;

use super::state::{ViewState, sort::Column};
pub(crate) use header::rates_in_words;
use look::Look;
use ratatui::{
    Frame,
    layout::{Position, Rect},
    widgets::Clear,
};

/// Screens of at least this height have a pane for the selected row.
const PANE_SCREEN: u16 = 20;

/// Where things were drawn, for clicks and for scrolling.
#[derive(Clone, Debug, Default)]
pub(crate) struct Regions {
    pub(crate) headings: Vec<(Column, Rect)>,
    /// The list of rows, or of a row's events.
    pub(crate) list: Rect,
    /// Index of the list's first visible line.
    pub(crate) first: usize,
    /// The pane of the selected row.
    pub(crate) pane: Rect,
    /// Height of a page in lines.
    pub(crate) page: usize,
    /// Limit of the lines that can be scrolled.
    pub(crate) most_scroll: usize,
}

/// What a click hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClickTarget {
    Heading(Column),
    /// A line of the list, by its index.
    Line(usize),
    /// The pane of the selected row.
    Pane,
}

impl Regions {
    #[must_use]
    pub(crate) fn at(&self, column: u16, row: u16) -> Option<ClickTarget> {
        let place = Position { x: column, y: row };
        if let Some((column, _)) = self.headings.iter().find(|(_, area)| area.contains(place)) {
            return Some(ClickTarget::Heading(*column));
        }
        if self.list.contains(place) {
            return Some(ClickTarget::Line(self.first + usize::from(row - self.list.y)));
        }
        self.pane.contains(place).then_some(ClickTarget::Pane)
    }
}

/// Draws everything, and returns where things are now. `before` is where they were in the previous frame.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &ViewState, look: &Look, before: &Regions) -> Regions {
    let area = frame.area();
    let mut regions = Regions { first: before.first, ..Regions::default() };
    let header = header::height(area.height).min(area.height);
    for (line, text) in area.rows().zip(header::lines(state, look, header, area.width)) {
        frame.render_widget(text, line);
    }
    let footer = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
    let body = Rect { y: area.y + header, height: area.height.saturating_sub(header + footer.height), ..area };
    if let Some(screen) = state.overlays.last() {
        pages::draw(frame, body, screen, state, look, &mut regions);
    } else {
        let status = Rect { height: body.height.min(1), ..body };
        frame.render_widget(header::status(state, look, body.width), status);
        let pane = if area.height >= PANE_SCREEN { (area.height / 3).clamp(7, 20) } else { 0 };
        let table =
            Rect { y: body.y + status.height, height: body.height.saturating_sub(status.height + pane), ..body };
        table::draw(frame, table, state, look, &mut regions);
        if pane > 0 {
            let pane = Rect { y: table.bottom(), height: body.bottom() - table.bottom(), ..body };
            pages::pane(frame, pane, state, look, &mut regions);
        }
    }
    frame.render_widget(Clear, footer);
    footer::draw(frame, footer, state, look);
    regions
}

#[cfg(test)]
mod tests;
