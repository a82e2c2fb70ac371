//! The known names that a mistyped or shortened one may stand for.

/// No known name is anywhere near this long; the bound keeps hostile input from costing anything.
const LONGEST_SLIP: usize = 64;
/// The shortest part of a name that is taken for the whole.
const SHORTEST_PART: usize = 3;
/// Names that one answer holds.
const MOST: usize = 4;

/// How a name is like the given text, the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// So many letters differ, at most a third of the name's.
    Slip(usize),
    /// The name begins with the text.
    Beginning,
    /// The name has the text in it.
    Part,
}

/// The names most like `given`, which is compared without case and with `-` as `_`. All of them are equally like it;
/// none where no name is like it.
#[must_use]
pub(crate) fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if given.len() > LONGEST_SLIP {
        return Vec::new();
    }
    let given = plain(given);
    let mut like: Vec<(Likeness, &str)> =
        names.into_iter().filter_map(|name| Some((likeness(&given, &plain(name))?, name))).collect();
    let closest = like.iter().map(|(likeness, _)| *likeness).min();
    like.retain(|(likeness, _)| Some(*likeness) == closest);
    like.into_iter().map(|(_, name)| name).take(MOST).collect()
}

/// `; did you mean a, b or c?`; empty without names.
#[must_use]
pub(crate) fn hint(names: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [] => String::new(),
        [name] => format!("; did you mean {name}?"),
        [first @ .., last] => format!("; did you mean {} or {last}?", first.join(", ")),
    }
}

/// A name as it is compared: in lower case, with `_` for `-`.
#[must_use]
pub(crate) fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

fn likeness(given: &str, name: &str) -> Option<Likeness> {
    let distance = edit_distance(given, name);
    let allowed = (name.chars().count() / 3).max(1);
    let is_part = given.chars().count() >= SHORTEST_PART;
    if distance <= allowed && distance < given.chars().count() {
        Some(Likeness::Slip(distance))
    } else if is_part && name.starts_with(given) {
        Some(Likeness::Beginning)
    } else {
        (is_part && name.contains(given)).then_some(Likeness::Part)
    }
}

/// Insertions, deletions, replacements and exchanges of neighbours that make one text of the other (optimal string
/// alignment), in characters.
fn edit_distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: [Vec<usize>; 3] = [Vec::new(), Vec::new(), (0..=to.len()).collect()];
    for (row, left) in from.iter().enumerate() {
        rows.rotate_left(1);
        let [before, above, current] = &mut rows;
        current.clear();
        current.push(row + 1);
        for (column, right) in to.iter().enumerate() {
            let replaced = above[column] + usize::from(left != right);
            let mut distance = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && from[row - 1] == *right && to[column - 1] == *left {
                distance = distance.min(before[column - 1] + 1);
            }
            current.push(distance);
        }
    }
    rows[2][to.len()]
}

#[cfg(test)]
mod tests {
    use super::{edit_distance, hint, nearest};

    const NAMES: [&str; 5] = ["top", "tail", "peer_reset", "peer_reset_idle", "keepalive_race"];

    #[test]
    fn a_slip_is_nearer_than_a_beginning_and_that_than_a_part() {
        for (given, expected) in [
            ("tpo", &["top"][..]),
            ("tial", &["tail"]),
            ("PEER-RESET", &["peer_reset"]),
            ("peer", &["peer_reset", "peer_reset_idle"]),
            ("keepalive", &["keepalive_race"]),
            ("reset", &["peer_reset", "peer_reset_idle"]),
            ("race", &["keepalive_race"]),
        ] {
            assert_eq!(nearest(given, NAMES), expected, "{given}");
        }
    }

    #[test]
    fn nonsense_is_like_nothing() {
        for nonsense in ["", "q", "_", "completely different", &"top".repeat(1000)] {
            assert_eq!(nearest(nonsense, NAMES), [""; 0], "{nonsense}");
        }
    }

    #[test]
    fn a_hint_is_a_question() {
        assert_eq!(hint(&["a"]), "; did you mean a?");
        assert_eq!(hint(&["a", "b", "c"]), "; did you mean a, b or c?");
        assert_eq!(hint(&[""; 0]), "");
    }

    #[test]
    fn edit_distance_counts_insertions_deletions_replacements_and_exchanges() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("tpo", "top"), 1);
        assert_eq!(edit_distance("same", "same"), 0);
    }
}
