//! The catalogue as text for a terminal and as Markdown for docs/causes.md.
//!
//! Pure functions from the catalogue to strings: nothing here prints, asks for the terminal's size or decides about
//! colour. No output has trailing white space, and no line of terminal text is wider than the width asked for, down to
//! [`MIN_WIDTH`], unless one word of narrow characters is.

mod markdown;
pub(crate) mod style;
mod text;
pub(crate) mod wrap;

use super::catalogue;

pub(crate) use markdown::markdown;
pub(crate) use text::{list, page};

/// The narrowest width that text is laid out for, in columns; a smaller one is raised to this.
pub(crate) const MIN_WIDTH: usize = 60;

/// The whole catalogue as indented JSON, without a newline at the end.
pub(crate) fn json() -> serde_json::Result<String> {
    serde_json::to_string_pretty(&catalogue::document())
}
