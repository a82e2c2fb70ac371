//! What holds for every text that rstmon shows, whoever chose the words in it.

use crate::model::text::is_unsafe;

/// A message is one line, and nothing in it moves a cursor or hides.
#[track_caller]
pub(crate) fn assert_harmless(what: &str, text: &str) {
    assert!(!text.is_empty(), "{what} is empty");
    if let Some(bad) = text.chars().find(|&character| is_unsafe(character)) {
        panic!("{what} has {bad:?} in it: {text:?}");
    }
}
