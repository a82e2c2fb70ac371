//! The table of tests by kernels, as text.

use super::outcome::{GuestRecord, TestResult, TestVerdict};
use std::fmt::Write as _;

/// The table, followed by the reasons for tests that were not possible.
pub(super) fn render(columns: &[(String, &GuestRecord)]) -> String {
    let names = names(columns);
    let widest = names.iter().map(|name| name.len()).max().unwrap_or_default();
    let mut notes = Footnotes::default();
    let mut text = format!("\n{:widest$}", "");
    // Writing to a String does not fail.
    for (kernel, _) in columns {
        let _ = write!(text, "  {kernel:>12}");
    }
    for name in names {
        let _ = write!(text, "\n{name:widest$}");
        for (kernel, record) in columns {
            let _ = write!(text, "  {:>12}", cell(record.test(name), &mut notes, kernel));
        }
    }
    text.push_str("\n\n");
    notes.list(&mut text);
    text
}

/// All tests, in the order in which the guests reported them.
fn names<'a>(columns: &[(String, &'a GuestRecord)]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for test in columns.iter().flat_map(|(_, record)| &record.tests) {
        if !names.contains(&test.name.as_str()) {
            names.push(&test.name);
        }
    }
    names.sort_unstable();
    names
}

fn cell(test: Option<&TestResult>, notes: &mut Footnotes, kernel: &str) -> String {
    let Some(test) = test else { return "-".to_owned() };
    match test.verdict {
        TestVerdict::Failed => "FAILED".to_owned(),
        TestVerdict::Passed if test.left_out.is_empty() => "passed".to_owned(),
        TestVerdict::Passed => {
            format!("passed [{}]", notes.number(kernel, &format!("without {}", test.left_out.join("; "))))
        }
        TestVerdict::NotPossible => {
            format!("no [{}]", notes.number(kernel, &format!("not possible: {}", test.detail.join("; "))))
        }
    }
}

/// Footnotes: each text once, with the kernels that it applies to.
#[derive(Default)]
pub(super) struct Footnotes(Vec<Footnote>);

struct Footnote {
    kernels: Vec<String>,
    text: String,
}

impl Footnotes {
    /// Writes the footnotes as a numbered list.
    pub(super) fn list(&self, text: &mut String) {
        for (index, note) in self.0.iter().enumerate() {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{}. Linux {}: {}", index + 1, note.kernels.join(", "), note.text);
        }
    }

    /// The number of the footnote with this text; records that it applies to `kernel`.
    pub(super) fn number(&mut self, kernel: &str, text: &str) -> usize {
        let at = self.0.iter().position(|note| note.text == text).unwrap_or_else(|| {
            self.0.push(Footnote { kernels: Vec::new(), text: text.to_owned() });
            self.0.len() - 1
        });
        let kernels = &mut self.0[at].kernels;
        if !kernels.iter().any(|known| known == kernel) {
            kernels.push(kernel.to_owned());
        }
        at + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_has_a_row_and_every_reason_a_note() {
        let old = GuestRecord::said(&[
            "impossible 1 a::x",
            "| too old",
            "passed 1 a::y",
            "without half: hidden",
            "failed 1 b::z",
        ]);
        let new = GuestRecord::said(&["passed 1 a::x", "passed 1 a::y"]);
        let text = render(&[("6.1".to_owned(), &old), ("6.0".to_owned(), &old), ("7.2".to_owned(), &new)]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["6.1", "6.0", "7.2"]);
        assert_eq!(lines[2], ["a::x", "no", "[1]", "no", "[1]", "passed"]);
        assert_eq!(lines[3], ["a::y", "passed", "[2]", "passed", "[2]", "passed"]);
        assert_eq!(lines[4], ["b::z", "FAILED", "FAILED", "-"]);
        assert!(text.contains("1. Linux 6.1, 6.0: not possible: too old\n2. Linux 6.1, 6.0: without half: hidden"));
    }
}
