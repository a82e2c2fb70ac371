//! The last events in bounded memory.

use super::group::{Group, RowKey};
use crate::event::{
    Event,
    filter::Filter,
    pairs::{PairFinder, is_reported_at},
};
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

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

/// The events without those that are the other ends of others among them.
#[must_use]
pub(crate) fn one_of_both_ends<'a>(events: &[&'a Arc<Event>]) -> Vec<&'a Arc<Event>> {
    let (mut finder, mut hidden) = (PairFinder::default(), HashSet::new());
    for (at, event) in events.iter().enumerate() {
        let Some(other) = finder.push(at as u64, event).and_then(|other| usize::try_from(other).ok()) else { continue };
        hidden.insert(if is_reported_at(event, events[other]) { other } else { at });
    }
    events.iter().enumerate().filter(|(at, _)| !hidden.contains(at)).map(|(_, event)| *event).collect()
}
