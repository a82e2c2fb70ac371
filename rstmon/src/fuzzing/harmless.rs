//! A check for all text that rstmon prints, wherever the words in it come from.

use crate::model::text::is_unsafe;

/// Panics unless the text is one line without control or hidden characters.
#[track_caller]
pub(crate) fn assert_harmless(what: &str, text: &str) {
    assert!(!text.is_empty(), "{what} is empty");
    if let Some(bad) = text.chars().find(|&character| is_unsafe(character)) {
        panic!("{what} has {bad:?} in it: {text:?}");
    }
}
