//! docs/performance.md: the part between the marks is replaced, the rest stays as its authors wrote it.

use std::fmt::Write as _;

const BEGIN: &str = "<!-- Written by `cargo xtask bench --write-docs` from here -->";
const END: &str = "<!-- to here -->";
/// The heading of the list that explains missed targets.
const LIMITS: &str = "## What the limits are made of";

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("docs/performance.md lacks the line `{0}`")]
pub(crate) struct MissingMark(&'static str);

/// `page` with the part between the marks replaced, and one more line for each of `missed` that has none.
pub(crate) fn renewed<'a>(
    page: &str,
    part: &str,
    missed: impl IntoIterator<Item = &'a str>,
) -> Result<String, MissingMark> {
    let (before, rest) = page.split_once(BEGIN).ok_or(MissingMark(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or(MissingMark(END))?;
    let (head, body) = after.split_once(LIMITS).ok_or(MissingMark(LIMITS))?;
    let (lines, rest) = body.find("\n## ").map_or((body, ""), |next| body.split_at(next));
    let mut lines = lines.trim_end().to_owned();
    for id in unexplained(page, missed) {
        // A blank line separates the list from the text above it.
        let gap = if lines.lines().last().is_some_and(|line| line.starts_with("- ") || line.starts_with("  ")) {
            ""
        } else {
            "\n"
        };
        // Writing to a String does not fail.
        let _ = write!(lines, "{gap}\n- `{id}`: not explained yet.");
    }
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{head}{LIMITS}{lines}\n{rest}", part.trim_end()))
}

/// Those of `missed` without a line of their own.
pub(crate) fn unexplained<'a>(page: &str, missed: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let has_line = |id: &str| page.lines().any(|line| line.starts_with(&format!("- `{id}`:")));
    missed.into_iter().filter(|id| !has_line(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_outside_of_the_marks_stays() {
        let page = format!(
            "# Top\n\n{BEGIN}\nstale\n{END}\n\n{LIMITS}\n\nWhy:\n\n- `old`: the verifier,\n  mostly.\n\n## End\n"
        );
        let found = renewed(&page, "fresh\n", ["old", "new"]).expect("marked");
        let expected = format!(
            "# Top\n\n{BEGIN}\n\nfresh\n\n{END}\n\n{LIMITS}\n\nWhy:\n\n- `old`: the verifier,\n  mostly.\n- `new`: not explained yet.\n\n## End\n"
        );
        assert_eq!(found, expected);
        assert_eq!(renewed(&found, "fresh\n", ["old", "new"]), Ok(expected), "writing it again changes nothing");
    }

    #[test]
    fn the_list_begins_below_the_text() {
        let page = format!("{BEGIN}{END}\n{LIMITS}\n\nWhy:\n");
        let found = renewed(&page, "", ["new"]).expect("marked");
        assert!(found.ends_with("Why:\n\n- `new`: not explained yet.\n"), "found {found:?}");
    }

    #[test]
    fn a_page_without_a_mark_is_refused() {
        assert_eq!(renewed("no marks", "", []), Err(MissingMark(BEGIN)));
        assert_eq!(renewed(&format!("{BEGIN}{END}"), "", []), Err(MissingMark(LIMITS)));
    }
}
