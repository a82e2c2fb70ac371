//! The state as a screen. Draws what [`State`](super::state::State) holds; decides nothing but what there is room for.

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

use super::state::{State, sort::Column};
use look::Look;
use ratatui::{
    Frame,
    layout::{Position, Rect},
    widgets::Clear,
};

/// Screens of at least this height have a pane for the chosen row.
const PANE_SCREEN: u16 = 20;

/// Where things are on the screen, for the mouse, and for what can be scrolled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Regions {
    /// Headings of the columns.
    pub(crate) headings: Vec<(Column, Rect)>,
    /// The list: rows, or a row's events.
    pub(crate) list: Rect,
    /// The place of the list's first line.
    pub(crate) first: usize,
    /// The pane of the chosen row.
    pub(crate) pane: Rect,
    /// Lines of a page.
    pub(crate) page: usize,
    /// Lines that can be scrolled away.
    pub(crate) most_scroll: usize,
}

/// What a place of the screen belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A column's heading.
    Heading(Column),
    /// A place in the list.
    Line(usize),
    /// The pane.
    Pane,
}

impl Regions {
    /// What is at a place.
    #[must_use]
    pub(crate) fn at(&self, column: u16, row: u16) -> Option<Target> {
        let place = Position { x: column, y: row };
        if let Some((column, _)) = self.headings.iter().find(|(_, area)| area.contains(place)) {
            return Some(Target::Heading(*column));
        }
        if self.list.contains(place) {
            return Some(Target::Line(self.first + usize::from(row - self.list.y)));
        }
        self.pane.contains(place).then_some(Target::Pane)
    }
}

/// Draws everything. `before`: where things were; the answer is where they are now.
pub(crate) fn draw(frame: &mut Frame<'_>, state: &State, look: &Look, before: &Regions) -> Regions {
    let area = frame.area();
    let mut regions = Regions { first: before.first, ..Regions::default() };
    let header = header::height(area.height).min(area.height);
    for (line, text) in area.rows().zip(header::lines(state, look, header, area.width)) {
        frame.render_widget(text, line);
    }
    let footer = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
    let body = Rect { y: area.y + header, height: area.height.saturating_sub(header + footer.height), ..area };
    if let Some(screen) = state.screens.last() {
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
