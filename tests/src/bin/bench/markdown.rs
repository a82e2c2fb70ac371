//! Markdown tables whose columns are aligned in the text, too.

use std::fmt::Write as _;

pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: Vec<&str>| {
        for (cell, width) in cells.iter().zip(&widths) {
            // Writing to a String does not fail.
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
    };
    line(head.to_vec());
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    line(rules.iter().map(String::as_str).collect());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
    text
}

/// A whole number with commas between its thousands.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let first = digits.len() % 3;
    let mut groups: Vec<&str> = if first > 0 { vec![&digits[..first]] } else { Vec::new() };
    groups.extend((first..digits.len()).step_by(3).map(|from| &digits[from..from + 3]));
    format!("{sign}{}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let found = table(&["watcher", "n"], &[vec!["rstmon".to_owned(), "1".to_owned()]]);
        assert_eq!(found, "| watcher | n   |\n| ------- | --- |\n| rstmon  | 1   |\n");
    }

    #[test]
    fn commas_separate_thousands() {
        for (number, expected) in [(0.0, "0"), (999.4, "999"), (1000.0, "1,000"), (-1_234_567.0, "-1,234,567")] {
            assert_eq!(thousands(number), expected);
        }
    }
}
