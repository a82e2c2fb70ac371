//! The part of docs/kernels.md that a run of the matrix writes: what each kernel shows according to `rstmon doctor`,
//! and the tests that confirmed it.

use super::{
    outcome::{GuestRecord, TestVerdict},
    table::Footnotes,
};
use std::fmt::Write as _;

const BEGIN: &str = "<!-- Written by `cargo xtask vm --write-docs` from here -->";
const END: &str = "<!-- to here -->";

/// The page lacks one of the marker lines.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("docs/kernels.md lacks the line `{0}`")]
pub(super) struct NoMarker(&'static str);

/// `page` with the part between the markers replaced.
pub(super) fn renewed(page: &str, columns: &[(String, &GuestRecord)]) -> Result<String, NoMarker> {
    let (before, rest) = page.split_once(BEGIN).ok_or(NoMarker(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or(NoMarker(END))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", part(columns)))
}

fn part(columns: &[(String, &GuestRecord)]) -> String {
    let usable: Vec<&(String, &GuestRecord)> =
        columns.iter().filter(|(_, record)| record.usable() == Some(true)).collect();
    let mut notes = Footnotes::default();
    let mut text = String::from("|");
    // Writing to a String does not fail.
    for (name, _) in &usable {
        let _ = write!(text, " | {name}");
    }
    let _ = write!(text, " |\n|---|{}\n", "---|".repeat(usable.len()));
    let aspects = |record: &GuestRecord| {
        record.doctor.as_ref().and_then(|doctor| doctor["shows"].as_array().cloned()).unwrap_or_default()
    };
    let newest = usable.last().map(|(_, record)| aspects(record)).unwrap_or_default();
    for aspect in &newest {
        let _ = write!(text, "| {}", word(&aspect["what"]));
        for (name, record) in &usable {
            let all = aspects(record);
            let found = all.iter().find(|one| one["aspect"] == aspect["aspect"]);
            let cell = found.map_or_else(
                || "-".to_owned(),
                |found| {
                    let clarity = word(&found["clarity"]).replace('_', " ");
                    match found["why"].as_str() {
                        Some(why) => format!("{clarity} [{}]", notes.number(name, why)),
                        None => clarity,
                    }
                },
            );
            let _ = write!(text, " | {cell}");
        }
        text.push_str(" |\n");
    }
    text.push('\n');
    notes.list(&mut text);
    text.push_str("\nTested on:\n\n| | Kernel | Tests passed | Not possible there |\n|---|---|---|---|\n");
    let mut reasons = Footnotes::default();
    for (name, record) in columns {
        let impossible: Vec<String> = record
            .tests
            .iter()
            .filter(|test| test.verdict == TestVerdict::NotPossible)
            .map(|test| format!("`{}` [{}]", test.name, reasons.number(name, &why(&test.detail))))
            .collect();
        let impossible = if impossible.is_empty() { "-".to_owned() } else { impossible.join(", ") };
        let passed = record.count(TestVerdict::Passed);
        let _ = writeln!(text, "| {name} | {} | {passed} of {} | {impossible} |", record.release, record.tests.len());
    }
    text.push('\n');
    reasons.list(&mut text);
    text
}

fn word(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The reason without the test's own name, which comes before it.
fn why(detail: &[String]) -> String {
    detail.iter().map(|line| line.split_once(": ").map_or(line.as_str(), |(_, why)| why)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_between_the_marks_is_written() {
        let old = GuestRecord::said(&[
            "kernel 6.1.0-9",
            r#"doctor {"usable":true,"shows":[{"aspect":"reason","what":"the reason","clarity":"less_certain","why":"too old"}]}"#,
            "impossible 1 a::x",
            "| x: none is given",
        ]);
        let new = GuestRecord::said(&[
            "kernel 7.2.1",
            r#"doctor {"usable":true,"shows":[{"aspect":"reason","what":"the reason","clarity":"exact"}]}"#,
            "passed 1 a::x",
        ]);
        let refused =
            GuestRecord::said(&["kernel 5.10.1", r#"doctor {"usable":false,"shows":[]}"#, "passed 1 refusal::run"]);
        let columns = [("5.10".to_owned(), &refused), ("6.1".to_owned(), &old), ("7.2".to_owned(), &new)];
        let page = renewed(&format!("# Top\n{BEGIN}\nstale\n{END}\nbottom\n"), &columns).expect("marked");
        for part in [
            "# Top\n",
            "| | 6.1 | 7.2 |\n",
            "| the reason | less certain [1] | exact |\n",
            "1. Linux 6.1: too old\n",
            "| 5.10 | 5.10.1 | 1 of 1 | - |\n",
            "| 6.1 | 6.1.0-9 | 0 of 1 | `a::x` [1] |\n",
            "1. Linux 6.1: none is given\n",
            "\nbottom\n",
        ] {
            assert!(page.contains(part), "expected `{part}` in:\n{page}");
        }
        assert!(!page.contains("stale"));
        assert_eq!(renewed(&page, &columns), Ok(page), "writing it again changes nothing");
        assert_eq!(renewed("no marks", &columns), Err(NoMarker(BEGIN)));
    }
}
