//! The last events in bounded memory.

use super::group::{Group, RowKey};
use crate::event::{Event, filter::Filter};
use std::{collections::VecDeque, sync::Arc};

/// Limit of the remembered events: the default of `history.events`.
const CAPACITY: usize = 10_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct EventMemory {
    events: VecDeque<Arc<Event>>,
}

impl EventMemory {
    /// Adds an event. If the memory is full, the oldest one is dropped.
    pub(crate) fn push(&mut self, event: Arc<Event>) {
        if self.events.len() >= CAPACITY {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

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
