//! The state of the view, and how updates and actions change it. No terminal, no I/O.

pub(crate) mod counts;
pub(crate) mod group;
pub(crate) mod memory;
pub(crate) mod model;
mod navigation;
pub(crate) mod overlay;
mod pairs;
pub(crate) mod prompt;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod sort;

use super::feed::Update;
use crate::{event::filter::Filter, query::Origin};
use group::{Group, RowKey};
use model::Model;
use overlay::Overlay;
use prompt::FilterPrompt;
use row::Row;
use rows::Basis;
use sort::Sort;

/// Whether the feed delivers updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FeedStatus {
    Connecting,
    Up,
    /// The feed does not deliver updates any more, for this reason.
    Down(String),
    /// The recording has ended.
    Ended,
}

#[derive(Debug)]
pub(crate) struct ViewState {
    pub(crate) origin: Origin,
    pub(crate) feed_status: FeedStatus,
    /// All updates so far.
    live: Model,
    /// The model at the moment when the view was paused.
    paused: Option<Box<Model>>,
    pub(crate) group: Group,
    pub(crate) filter: Filter,
    pub(crate) sort: Sort,
    /// The rows in the order in which they are shown, frozen ones first.
    pub(crate) rows: Vec<Row>,
    pub(crate) basis: Basis,
    /// Resets of which both ends are counted, and which are in one row.
    pub(crate) at_both_ends: u64,
    /// Rows that stay on top.
    frozen: Vec<Row>,
    /// The selected row; `None` selects the first one.
    selected: Option<RowKey>,
    /// Pages over the table, the topmost last.
    pub(crate) overlays: Vec<Overlay>,
    /// The open prompt for a filter.
    pub(crate) prompt: Option<FilterPrompt>,
    /// A message for the user, until the next action.
    pub(crate) notice: Option<String>,
    /// Whether `rows` need to be made again.
    stale: bool,
}

impl ViewState {
    #[must_use]
    pub(crate) fn new(origin: Origin, group: Group, filter: Filter) -> Self {
        Self {
            origin,
            feed_status: FeedStatus::Connecting,
            live: Model::default(),
            paused: None,
            group,
            filter,
            sort: Sort::default(),
            rows: Vec::new(),
            basis: Basis::default(),
            at_both_ends: 0,
            frozen: Vec::new(),
            selected: None,
            overlays: Vec::new(),
            prompt: None,
            notice: None,
            stale: true,
        }
    }

    /// The model that is shown: the live one, or the one at the moment when the view was paused.
    #[must_use]
    pub(crate) fn model(&self) -> &Model {
        self.paused.as_deref().unwrap_or(&self.live)
    }

    /// Events that were not shown. The daemon's count of events that its readers were too slow for covers other
    /// readers, so the view counts those that it missed itself. Of a recording only the recorded count is known.
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

    /// The basis of the rows' numbers in words.
    #[must_use]
    pub(crate) fn basis_in_words(&self) -> String {
        let basis = match (self.basis, &self.origin) {
            (Basis::Remembered, _) => "of the events remembered, not of all resets",
            (Basis::Counted, Origin::Recording(_)) => "of the events recorded",
            (Basis::Counted, Origin::Daemon(_) | Origin::Local) => "exact counts",
        };
        match self.at_both_ends {
            0 => basis.to_owned(),
            both => format!("{basis}, {both} at both ends and shown once"),
        }
    }

    #[must_use]
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// The number of frozen rows, which come first.
    #[must_use]
    pub(crate) fn frozen(&self) -> usize {
        self.frozen.len()
    }

    /// Takes an update. Returns whether what is shown may have changed: while the view is paused, counts and events
    /// change the live model only.
    pub(crate) fn absorb(&mut self, update: Update) -> bool {
        let is_live = self.paused.is_none();
        match update {
            Update::Up => {
                if matches!(self.feed_status, FeedStatus::Down(_)) {
                    self.notice = Some("the daemon is back".to_owned());
                }
                self.feed_status = FeedStatus::Up;
            }
            Update::Down(why) => self.feed_status = FeedStatus::Down(why),
            Update::Ended => self.feed_status = FeedStatus::Ended,
            Update::Snapshot(snapshot) => {
                let restarted = self.live.absorb(*snapshot);
                if restarted {
                    self.clear_frozen();
                    self.notice = Some("another daemon runs now: its counts start from zero".to_owned());
                }
                self.stale = true;
                return is_live || restarted;
            }
            Update::Event(event) => {
                self.stale |= self.live.remember(event);
                return is_live;
            }
            Update::Lost(lost) => {
                self.live.lost = self.live.lost.saturating_add(lost);
                return is_live;
            }
            Update::Note(note) => self.notice = Some(note),
        }
        true
    }

    /// Handles a feed that ended without an update that says so. Returns whether the state has changed.
    pub(crate) fn feed_ended(&mut self) -> bool {
        let changed = matches!(self.feed_status, FeedStatus::Connecting | FeedStatus::Up);
        if changed {
            self.feed_status = FeedStatus::Down("the thread of the feed has ended".to_owned());
        }
        changed
    }

    /// Makes the rows again if anything has changed. Must be called before each drawing.
    pub(crate) fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let model = self.paused.as_deref().unwrap_or(&self.live);
        let rows::Rows { list: mut rows, basis, at_both_ends } = rows::rows(model, self.group, &self.filter);
        rows.sort_by(|one, other| self.sort.compare(one, other));
        for frozen in &mut self.frozen {
            match rows.iter().position(|row| row.key == frozen.key) {
                Some(at) => *frozen = rows.remove(at),
                // The filter excludes the row, so its counts do not change.
                None => frozen.rate = None,
            }
        }
        self.rows = self.frozen.iter().cloned().chain(rows).collect();
        self.basis = basis;
        self.at_both_ends = at_both_ends;
    }

    /// Changes the grouping. Frozen rows belong to the old grouping and are released.
    pub(crate) fn group_by(&mut self, group: Group) {
        if group != self.group {
            self.group = group;
            self.frozen.clear();
            self.selected = None;
            self.overlays.clear();
            self.stale = true;
        }
    }

    pub(crate) fn sort_by(&mut self, sort: Sort) {
        self.sort = sort;
        self.stale = true;
    }

    /// Pauses the view, or continues it.
    pub(crate) fn pause(&mut self) {
        self.paused = match self.paused.take() {
            Some(_) => None,
            None => Some(Box::new(self.live.clone())),
        };
        self.stale = true;
    }

    /// Sets the totals to zero.
    pub(crate) fn zero(&mut self) {
        self.live.zero();
        self.clear_frozen();
        if self.paused.is_some() {
            self.paused = Some(Box::new(self.live.clone()));
        }
        self.stale = true;
    }

    /// Sets the numbers of frozen rows to zero until new counts replace them.
    fn clear_frozen(&mut self) {
        for row in &mut self.frozen {
            row.total = 0;
            row.trend.clear();
        }
    }

    /// Freezes the selected row on top of the table, or releases it.
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
