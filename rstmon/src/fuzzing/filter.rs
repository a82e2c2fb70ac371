//! The filter grammar: the input is one word a line.
//!
//! Holds: a refusal is one harmless line; a filter that is formatted parses to the same filter; for each event of a
//! recorded minute, all words of a filter have to match, `!=` is the negation of `=`, and one of several values has to.

use super::harmless::assert_harmless;
use crate::event::{Event, filter::Filter};
use std::sync::LazyLock;

static EVENTS: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let lines = include_str!("../../../fuzz/seeds/replay/real.ndjson").lines();
    lines.map(|line| serde_json::from_str(line).expect("an event of the seed")).collect()
});

/// Parses the filter and matches events with it.
pub(crate) fn run(bytes: &[u8]) {
    // The arguments of a command contain no NUL.
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) else { return };
    if let Err(error) = Filter::parse_line(text) {
        assert_harmless("the error", &error.to_string());
    }
    let words: Vec<&str> = text.lines().take(16).collect();
    match Filter::parse(&words) {
        Err(error) => {
            assert_harmless("the error", &error.to_string());
            assert_eq!(Filter::parse(&words), Err(error), "the same words give another error");
        }
        Ok(filter) => {
            assert_eq!(Filter::parse(&words), Ok(filter.clone()), "the same words give another filter");
            let written = filter.to_string();
            assert_eq!(Filter::parse_line(&written), Ok(filter.clone()), "written as {written:?}");
            for event in &*EVENTS {
                let expected = words.iter().all(|word| passes(word, event));
                assert_eq!(filter.matches(event), expected, "{words:?} on {event:?}");
            }
        }
    }
}

/// Whether an event passes one word, determined value by value.
fn passes(word: &str, event: &Event) -> bool {
    let matches = |word: &str| Filter::parse(&[word]).expect("a part of a valid word").matches(event);
    let (field, values) = word.split_once('=').expect("a valid word");
    let (field, negated) = field.strip_suffix('!').map_or((field, false), |field| (field, true));
    let any = values.split(',').any(|value| matches(&format!("{field}={value}")));
    let contrary = matches(&format!("{field}!={values}"));
    assert_ne!(any, contrary, "{field}={values} and its negation on {event:?}");
    if negated { contrary } else { any }
}
