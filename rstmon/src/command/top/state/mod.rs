//! Everything that the view shows, and how updates and actions change it. No terminal, no I/O.

pub(crate) mod counts;
pub(crate) mod group;
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod rows;
pub(crate) mod screen;
pub(crate) mod sort;

use super::feed::Update;
use crate::{
    event::{Event, filter::Filter},
    query::Origin,
};
use group::{Group, RowKey};
use model::Model;
use rows::{Basis, Row};
use screen::{Moved, Screen, moved};
use sort::Sort;
use std::sync::Arc;
use tui_input::Input;

/// Events of a row that its page lists.
const LISTED: usize = 1000;

/// Whether there is somebody who tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not yet.
    Connecting,
    /// Yes.
    Up,
    /// No more; why.
    Down(String),
    /// The recording is over.
    Ended,
}

/// The line that a filter is typed into.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prompt {
    /// What was typed.
    pub(crate) input: Input,
    /// What is wrong with it.
    pub(crate) error: Option<String>,
}

/// The whole state of the view.
#[derive(Debug)]
pub(crate) struct State {
    /// Who tells.
    pub(crate) origin: Origin,
    /// Whether there is somebody.
    pub(crate) link: Link,
    /// What came in.
    live: Model,
    /// What is shown of it while it stands still.
    paused: Option<Box<Model>>,
    /// What makes a row.
    pub(crate) group: Group,
    /// Which resets are shown.
    pub(crate) filter: Filter,
    /// The order of the rows.
    pub(crate) sort: Sort,
    /// The rows, in order; frozen ones come first.
    pub(crate) rows: Vec<Row>,
    /// What the numbers in them are.
    pub(crate) basis: Basis,
    /// Rows that stay on top.
    frozen: Vec<Row>,
    /// The chosen row; without one it is the first.
    selected: Option<RowKey>,
    /// What lies over the table, the topmost last.
    pub(crate) screens: Vec<Screen>,
    /// Where a filter is typed.
    pub(crate) prompt: Option<Prompt>,
    /// What there is to tell in passing.
    pub(crate) notice: Option<String>,
    stale: bool,
}

impl State {
    /// Nothing is known yet.
    #[must_use]
    pub(crate) fn new(origin: Origin, group: Group, filter: Filter) -> Self {
        Self {
            origin,
            link: Link::Connecting,
            live: Model::default(),
            paused: None,
            group,
            filter,
            sort: Sort::default(),
            rows: Vec::new(),
            basis: Basis::default(),
            frozen: Vec::new(),
            selected: None,
            screens: Vec::new(),
            prompt: None,
            notice: None,
            stale: true,
        }
    }

    /// What is shown: what came in, or what had come in when it was paused.
    #[must_use]
    pub(crate) fn model(&self) -> &Model {
        self.paused.as_deref().unwrap_or(&self.live)
    }

    /// Events that were not shown. The daemon's count of those that its readers were too slow for is not of this reader,
    /// who counts its own; a recording knows nothing else.
    #[must_use]
    pub(crate) fn lost(&self) -> u64 {
        let lost = self.model().snapshot.as_ref().map(|snapshot| snapshot.events_lost.clone()).unwrap_or_default();
        match self.origin {
            Origin::Recording(_) => lost.sum(),
            Origin::Daemon(_) | Origin::Local => {
                lost.ring_full.saturating_add(lost.rate_limited).saturating_add(self.model().lost)
            }
        }
    }

    /// What the numbers of the rows are, in words.
    #[must_use]
    pub(crate) fn basis_in_words(&self) -> &'static str {
        match (self.basis, &self.origin) {
            (Basis::Remembered, _) => "of the events remembered, not of all resets",
            (Basis::Counted, Origin::Recording(_)) => "of the events recorded",
            (Basis::Counted, Origin::Daemon(_) | Origin::Local) => "exact counts",
        }
    }

    /// Whether the view stands still.
    #[must_use]
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// How many of the first rows are frozen.
    #[must_use]
    pub(crate) fn frozen(&self) -> usize {
        self.frozen.len()
    }

    /// Takes in what was told.
    pub(crate) fn absorb(&mut self, update: Update) {
        match update {
            Update::Up => {
                if matches!(self.link, Link::Down(_)) {
                    self.notice = Some("the daemon is back".to_owned());
                }
                self.link = Link::Up;
            }
            Update::Down(why) => self.link = Link::Down(why),
            Update::Ended => self.link = Link::Ended,
            Update::Snapshot(snapshot) => {
                if self.live.absorb(*snapshot) {
                    self.clear_frozen();
                    self.notice = Some("another daemon: it counts from zero".to_owned());
                }
                self.stale = true;
            }
            Update::Event(event) => self.live.remember(event),
            Update::Lost(lost) => self.live.lost = self.live.lost.saturating_add(lost),
            Update::Note(note) => self.notice = Some(note),
        }
    }

    /// Whoever told will not tell any more, and has not said so. Whether that is news.
    pub(crate) fn feed_died(&mut self) -> bool {
        let news = matches!(self.link, Link::Connecting | Link::Up);
        if news {
            self.link = Link::Down("its thread has ended".to_owned());
        }
        news
    }

    /// Brings the rows up to date, if anything changed. To be called before each drawing.
    pub(crate) fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let model = self.paused.as_deref().unwrap_or(&self.live);
        let (mut rows, basis) = rows::rows(&model.counts, &model.memory, model.now(), self.group, &self.filter);
        rows.sort_by(|one, other| self.sort.compare(one, other));
        for frozen in &mut self.frozen {
            match rows.iter().position(|row| row.key == frozen.key) {
                Some(at) => *frozen = rows.remove(at),
                // The filter leaves it out: its numbers stand still.
                None => frozen.rate = None,
            }
        }
        self.rows = self.frozen.iter().cloned().chain(rows).collect();
        self.basis = basis;
    }

    /// The chosen row and its place.
    #[must_use]
    pub(crate) fn selected(&self) -> Option<(usize, &Row)> {
        let chosen = self.selected.as_ref().and_then(|key| self.rows.iter().position(|row| row.key == *key));
        let at = chosen.unwrap_or(0);
        Some((at, self.rows.get(at)?))
    }

    /// The place of what is chosen in the list that is shown.
    #[must_use]
    pub(crate) fn chosen_line(&self) -> usize {
        match self.screens.last() {
            Some(Screen::Row { key, event: Some(event), .. }) => {
                self.events_of(key, LISTED).iter().position(|listed| Arc::ptr_eq(listed, event)).unwrap_or(0)
            }
            Some(_) => 0,
            None => self.selected().map_or(0, |(at, _)| at),
        }
    }

    /// The row with a key, also while it has no resets to show.
    #[must_use]
    pub(crate) fn row(&self, key: &RowKey) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == *key)
    }

    /// The last events of a row, newest first.
    #[must_use]
    pub(crate) fn events_of(&self, key: &RowKey, most: usize) -> Vec<&Arc<Event>> {
        self.model().memory.of_row(key, self.group, &self.filter).take(most.min(LISTED)).collect()
    }

    /// Chooses a row by its place.
    pub(crate) fn select(&mut self, at: usize) {
        if let Some(row) = self.rows.get(at.min(self.rows.len().saturating_sub(1))) {
            self.selected = Some(row.key.clone());
        }
    }

    /// Moves the choice, or scrolls what lies over the table. `page`: lines of a page.
    pub(crate) fn move_by(&mut self, how: Moved, page: usize) {
        let listed = match self.screens.last() {
            Some(Screen::Row { key, .. }) => self.events_of(key, LISTED).into_iter().cloned().collect(),
            _ => Vec::new(),
        };
        if let Some(screen) = self.screens.last_mut() {
            screen.move_by(how, page, &listed);
        } else {
            let at = self.selected().map_or(0, |(at, _)| at);
            self.select(moved(at, how, page, self.rows.len()));
        }
    }

    /// Opens what is chosen: the page of a row, or of one of its resets.
    pub(crate) fn open(&mut self) {
        let next = match self.screens.last() {
            None => self.selected().map(|(_, row)| Screen::row(row.key.clone())),
            Some(Screen::Row { key, event, .. }) => {
                let listed = self.events_of(key, LISTED);
                // One that has left the list meanwhile is not chosen any more.
                let chosen = event.as_ref().and_then(|event| listed.iter().find(|listed| Arc::ptr_eq(listed, event)));
                chosen.or(listed.first()).map(|event| Screen::reset(Arc::clone(event)))
            }
            Some(Screen::Reset { .. } | Screen::Help { .. }) => None,
        };
        self.screens.extend(next);
    }

    /// Opens the page of the keys, or closes it.
    pub(crate) fn help(&mut self) {
        if matches!(self.screens.last(), Some(Screen::Help { .. })) {
            self.screens.pop();
        } else {
            self.screens.push(Screen::help());
        }
    }

    /// Another way of looking. Frozen rows belong to the old one.
    pub(crate) fn group_by(&mut self, group: Group) {
        if group != self.group {
            self.group = group;
            self.frozen.clear();
            self.selected = None;
            self.screens.clear();
            self.stale = true;
        }
    }

    /// Another order.
    pub(crate) fn sort_by(&mut self, sort: Sort) {
        self.sort = sort;
        self.stale = true;
    }

    /// Opens the prompt with the present filter in it.
    pub(crate) fn ask_for_filter(&mut self) {
        self.prompt = Some(Prompt { input: Input::new(self.filter.to_string()), error: None });
    }

    /// Takes the filter that was typed, or says what is wrong with it.
    pub(crate) fn take_filter(&mut self) {
        let Some(prompt) = &mut self.prompt else { return };
        match Filter::parse_line(prompt.input.value()) {
            Ok(filter) => {
                self.filter = filter;
                self.prompt = None;
                self.stale = true;
            }
            Err(error) => prompt.error = Some(error.to_string()),
        }
    }

    /// Stands still, or goes on.
    pub(crate) fn pause(&mut self) {
        self.paused = match self.paused.take() {
            Some(_) => None,
            None => Some(Box::new(self.live.clone())),
        };
        self.stale = true;
    }

    /// Starts the totals at zero.
    pub(crate) fn zero(&mut self) {
        self.live.counts.zero();
        self.clear_frozen();
        if self.paused.is_some() {
            self.paused = Some(Box::new(self.live.clone()));
        }
        self.stale = true;
    }

    /// What is frozen has no resets any more, until there are new ones.
    fn clear_frozen(&mut self) {
        for row in &mut self.frozen {
            row.total = 0;
            row.trend.clear();
        }
    }

    /// Keeps the chosen row on top, or lets go of it.
    pub(crate) fn freeze(&mut self) {
        let Some((_, row)) = self.selected() else { return };
        let row = row.clone();
        self.selected = Some(row.key.clone());
        match self.frozen.iter().position(|frozen| frozen.key == row.key) {
            Some(at) => drop(self.frozen.remove(at)),
            None => self.frozen.push(row),
        }
        self.stale = true;
    }
}

#[cfg(test)]
mod tests;
