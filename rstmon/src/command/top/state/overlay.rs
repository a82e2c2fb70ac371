//! Pages over the table: of a row, of a reset, of the keys.

use super::group::RowKey;
use crate::event::Event;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Overlay {
    /// Verdict, remedies and events of a row.
    Row {
        key: RowKey,
        /// The selected event; `None` selects the newest.
        event: Option<Arc<Event>>,
        /// Lines of the text above the events that are scrolled out of sight.
        scroll: usize,
    },
    /// Everything about one reset.
    Reset {
        event: Arc<Event>,
        /// Lines that are scrolled out of sight.
        scroll: usize,
    },
    /// The page of the keys.
    Help {
        /// Lines that are scrolled out of sight.
        scroll: usize,
    },
}

/// How the selection moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Movement {
    /// By lines, down if positive.
    Lines(isize),
    /// By pages, down if positive.
    Pages(isize),
    First,
    Last,
}

/// The position among `count` after a movement from `at`.
#[must_use]
pub(crate) fn position_after(at: usize, how: Movement, page: usize, count: usize) -> usize {
    let last = count.saturating_sub(1);
    let page = isize::try_from(page.max(1)).unwrap_or(isize::MAX);
    match how {
        Movement::Lines(lines) => at.saturating_add_signed(lines).min(last),
        Movement::Pages(pages) => at.saturating_add_signed(pages.saturating_mul(page)).min(last),
        Movement::First => 0,
        Movement::Last => last,
    }
}

impl Overlay {
    #[must_use]
    pub(crate) fn row(key: RowKey) -> Self {
        Self::Row { key, event: None, scroll: 0 }
    }

    #[must_use]
    pub(crate) fn reset(event: Arc<Event>) -> Self {
        Self::Reset { event, scroll: 0 }
    }

    #[must_use]
    pub(crate) fn help() -> Self {
        Self::Help { scroll: 0 }
    }

    /// Selects another of a row's `events` (newest first), or scrolls by pages. Only drawing knows how far a text can
    /// be scrolled, and calls [`clamp`](Self::clamp).
    pub(crate) fn move_by(&mut self, how: Movement, page: usize, events: &[Arc<Event>]) {
        match self {
            Self::Row { event, scroll, .. } => match how {
                Movement::Pages(_) => *scroll = position_after(*scroll, how, page, usize::MAX),
                Movement::Lines(_) | Movement::First | Movement::Last => {
                    let chosen = event.as_ref().and_then(|event| events.iter().position(|e| Arc::ptr_eq(e, event)));
                    let at = position_after(chosen.unwrap_or(0), how, page, events.len());
                    // `None` selects the newest event, also when newer ones come.
                    *event = events.get(at).filter(|_| at > 0).cloned();
                }
            },
            Self::Reset { scroll, .. } | Self::Help { scroll } => {
                *scroll = position_after(*scroll, how, page, usize::MAX);
            }
        }
    }

    /// Limits the scrolled lines to `most`.
    pub(crate) fn clamp(&mut self, most: usize) {
        let (Self::Row { scroll, .. } | Self::Reset { scroll, .. } | Self::Help { scroll }) = self;
        *scroll = (*scroll).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::{Movement, position_after};

    #[test]
    fn a_move_stays_within() {
        for (at, how, expected) in [
            (0, Movement::Lines(-1), 0),
            (3, Movement::Lines(1), 4),
            (9, Movement::Lines(1), 9),
            (3, Movement::Pages(1), 8),
            (3, Movement::Pages(-1), 0),
            (3, Movement::First, 0),
            (3, Movement::Last, 9),
        ] {
            assert_eq!(position_after(at, how, 5, 10), expected, "{at} {how:?}");
        }
        assert_eq!(position_after(0, Movement::Last, 5, 0), 0);
    }
}
