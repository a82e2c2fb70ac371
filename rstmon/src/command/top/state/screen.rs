//! What lies over the table: the page of a row, of a reset, of the keys.

use super::group::RowKey;
use crate::event::Event;
use std::sync::Arc;

/// A page over the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Screen {
    /// Verdict, remedies and events of a row.
    Row {
        /// Which.
        key: RowKey,
        /// The chosen event; without one it is the newest.
        event: Option<Arc<Event>>,
        /// Lines of the text above that are scrolled away.
        scroll: usize,
    },
    /// Everything about one reset.
    Reset {
        /// Which.
        event: Arc<Event>,
        /// Lines that are scrolled away.
        scroll: usize,
    },
    /// The keys.
    Help {
        /// Lines that are scrolled away.
        scroll: usize,
    },
}

/// How the choice moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// By lines, down if positive.
    Lines(isize),
    /// By pages, down if positive.
    Pages(isize),
    /// To the first.
    First,
    /// To the last.
    Last,
}

/// The place after a move, of `count` places.
#[must_use]
pub(crate) fn moved(at: usize, how: Moved, page: usize, count: usize) -> usize {
    let last = count.saturating_sub(1);
    let page = isize::try_from(page.max(1)).unwrap_or(isize::MAX);
    match how {
        Moved::Lines(lines) => at.saturating_add_signed(lines).min(last),
        Moved::Pages(pages) => at.saturating_add_signed(pages.saturating_mul(page)).min(last),
        Moved::First => 0,
        Moved::Last => last,
    }
}

impl Screen {
    /// The page of a row.
    #[must_use]
    pub(crate) fn row(key: RowKey) -> Self {
        Self::Row { key, event: None, scroll: 0 }
    }

    /// The page of a reset.
    #[must_use]
    pub(crate) fn reset(event: Arc<Event>) -> Self {
        Self::Reset { event, scroll: 0 }
    }

    /// The page of the keys.
    #[must_use]
    pub(crate) fn help() -> Self {
        Self::Help { scroll: 0 }
    }

    /// Chooses another of a row's `events` (newest first) or, by pages, scrolls. How far a text can be scrolled is known
    /// only when it is drawn, which clamps it.
    pub(crate) fn move_by(&mut self, how: Moved, page: usize, events: &[Arc<Event>]) {
        match self {
            Self::Row { event, scroll, .. } => match how {
                Moved::Pages(_) => *scroll = moved(*scroll, how, page, usize::MAX),
                Moved::Lines(_) | Moved::First | Moved::Last => {
                    let chosen = event.as_ref().and_then(|event| events.iter().position(|e| Arc::ptr_eq(e, event)));
                    let at = moved(chosen.unwrap_or(0), how, page, events.len());
                    // The newest is chosen by choosing none, so that it stays the newest.
                    *event = events.get(at).filter(|_| at > 0).cloned();
                }
            },
            Self::Reset { scroll, .. } | Self::Help { scroll } => *scroll = moved(*scroll, how, page, usize::MAX),
        }
    }

    /// Takes back what was scrolled too far: no more than `most` lines.
    pub(crate) fn clamp(&mut self, most: usize) {
        let (Self::Row { scroll, .. } | Self::Reset { scroll, .. } | Self::Help { scroll }) = self;
        *scroll = (*scroll).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::{Moved, moved};

    #[test]
    fn a_move_stays_within() {
        for (at, how, expected) in [
            (0, Moved::Lines(-1), 0),
            (3, Moved::Lines(1), 4),
            (9, Moved::Lines(1), 9),
            (3, Moved::Pages(1), 8),
            (3, Moved::Pages(-1), 0),
            (3, Moved::First, 0),
            (3, Moved::Last, 9),
        ] {
            assert_eq!(moved(at, how, 5, 10), expected, "{at} {how:?}");
        }
        assert_eq!(moved(0, Moved::Last, 5, 0), 0);
    }
}
