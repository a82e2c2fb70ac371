//! Small pieces of text.

use crate::model::text;

/// Text that a process or an operator chose, made fit for a terminal: nothing in it can move the cursor, reverse the
/// direction of writing, hide, or pass for the page's own code spans.
pub(super) fn safe(text: &str) -> String {
    text::safe(text).replace('`', "'")
}

/// `1 reset`, `2 resets`
pub(super) fn resets(count: u64) -> String {
    if count == 1 { "1 reset".to_owned() } else { format!("{count} resets") }
}

/// The names, then how many more of `all` there are.
pub(super) fn and(names: &[String], all: usize) -> String {
    let list = names.join(", ");
    match all.saturating_sub(names.len()) {
        0 => list,
        more => format!("{list} and {more} more"),
    }
}

pub(super) const fn is_are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

#[cfg(test)]
mod tests {
    use super::{and, safe};

    #[test]
    fn a_hostile_name_shows_and_does_nothing() {
        assert_eq!(safe("a\n\u{1b}[31mb\u{202e}c\u{200b}`d`"), "a??[31mb?c?'d'");
        assert_eq!(safe("plain ünïcode 名"), "plain ünïcode 名");
    }

    #[test]
    fn names_that_are_left_out_are_counted() {
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!((and(&names, 2), and(&names, 5)), ("a, b".to_owned(), "a, b and 3 more".to_owned()));
    }
}
