//! The last events, in bounded memory, newest first when they are looked at.

use super::group::{Group, RowKey};
use crate::event::{Event, filter::Filter};
use std::{collections::VecDeque, sync::Arc};

/// As many as a daemon remembers by default.
const CAPACITY: usize = 10_000;

/// The last events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    events: VecDeque<Arc<Event>>,
}

impl Memory {
    /// Adds an event; the oldest makes room.
    pub(crate) fn push(&mut self, event: Arc<Event>) {
        if self.events.len() >= CAPACITY {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Events remembered.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Events that pass a filter, newest first.
    pub(crate) fn newest(&self, filter: &Filter) -> impl Iterator<Item = &Arc<Event>> {
        self.events.iter().rev().filter(|event| filter.matches(&***event))
    }

    /// Events of a row, newest first.
    pub(crate) fn of_row(&self, key: &RowKey, group: Group, filter: &Filter) -> impl Iterator<Item = &Arc<Event>> {
        self.newest(filter).filter(move |event| RowKey::of(&***event, group) == *key)
    }
}
