//! Selection and overlays: which row, event and page the user looks at.

use super::{
    ViewState,
    group::RowKey,
    memory::one_of_both_ends,
    overlay::{Movement, Overlay, position_after},
    row::Row,
};
use crate::event::Event;
use std::sync::Arc;

/// Limit of the events that a row's page lists.
const LISTED: usize = 1000;

impl ViewState {
    /// The selected row and its index; without a selection, the first row.
    #[must_use]
    pub(crate) fn selected(&self) -> Option<(usize, &Row)> {
        let chosen = self.selected.as_ref().and_then(|key| self.rows.iter().position(|row| row.key == *key));
        let at = chosen.unwrap_or(0);
        Some((at, self.rows.get(at)?))
    }

    /// The index of the selected line in the list that is shown.
    #[must_use]
    pub(crate) fn chosen_line(&self) -> usize {
        match self.overlays.last() {
            Some(Overlay::Row { key, event: Some(event), .. }) => {
                self.events_of(key, LISTED).iter().position(|listed| Arc::ptr_eq(listed, event)).unwrap_or(0)
            }
            Some(_) => 0,
            None => self.selected().map_or(0, |(at, _)| at),
        }
    }

    #[must_use]
    pub(crate) fn row(&self, key: &RowKey) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == *key)
    }

    /// The last events of a row, newest first.
    #[must_use]
    pub(crate) fn events_of(&self, key: &RowKey, most: usize) -> Vec<&Arc<Event>> {
        let most = most.min(LISTED);
        // Both ends of each may be of this row.
        let events: Vec<_> = self.model().memory.of_row(key, self.group, &self.filter).take(2 * most).collect();
        let mut events = one_of_both_ends(&events);
        events.truncate(most);
        events
    }

    /// Selects a row by its index.
    pub(crate) fn select(&mut self, at: usize) {
        if let Some(row) = self.rows.get(at.min(self.rows.len().saturating_sub(1))) {
            self.selected = Some(row.key.clone());
        }
    }

    /// Moves the selection, or scrolls the topmost overlay. `page` is the height of a page in lines.
    pub(crate) fn move_by(&mut self, how: Movement, page: usize) {
        let listed = match self.overlays.last() {
            Some(Overlay::Row { key, .. }) => self.events_of(key, LISTED).into_iter().cloned().collect(),
            _ => Vec::new(),
        };
        if let Some(screen) = self.overlays.last_mut() {
            screen.move_by(how, page, &listed);
        } else {
            let at = self.selected().map_or(0, |(at, _)| at);
            self.select(position_after(at, how, page, self.rows.len()));
        }
    }

    /// Opens the page of the selected row, or of the selected reset on a row's page.
    pub(crate) fn open(&mut self) {
        let next = match self.overlays.last() {
            None => self.selected().map(|(_, row)| Overlay::row(row.key.clone())),
            Some(Overlay::Row { key, event, .. }) => {
                let listed = self.events_of(key, LISTED);
                // An event that has left the list is not selected any more.
                let chosen = event.as_ref().and_then(|event| listed.iter().find(|listed| Arc::ptr_eq(listed, event)));
                chosen.or(listed.first()).map(|event| Overlay::reset(Arc::clone(event)))
            }
            Some(Overlay::Reset { .. } | Overlay::Help { .. }) => None,
        };
        self.overlays.extend(next);
    }

    /// Opens the page of the keys, or closes it if it is open.
    pub(crate) fn help(&mut self) {
        if matches!(self.overlays.last(), Some(Overlay::Help { .. })) {
            self.overlays.pop();
        } else {
            self.overlays.push(Overlay::help());
        }
    }
}
