//! Paragraphs with labels, wrapped to a width, as lines that can be scrolled.

use super::{look::Look, text::safe};
use ratatui::{
    style::Style,
    text::{Line, Span},
};
use textwrap::{Options, wrap};

/// Columns for a label.
pub(crate) const HANG: usize = 11;

/// A text in the making.
pub(crate) struct Prose<'a> {
    lines: Vec<Line<'static>>,
    width: usize,
    look: &'a Look,
}

impl<'a> Prose<'a> {
    /// Empty, `width` columns wide.
    #[must_use]
    pub(crate) fn new(width: u16, look: &'a Look) -> Self {
        Self { lines: Vec::new(), width: usize::from(width).max(2 * HANG), look }
    }

    #[must_use]
    pub(crate) fn lines(self) -> Vec<Line<'static>> {
        self.lines
    }

    /// An empty line, unless there is one or nothing yet.
    pub(crate) fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| line.width() > 0) {
            self.lines.push(Line::default());
        }
    }

    /// A text without a label, over the whole width.
    pub(crate) fn paragraph_of(&mut self, text: &str) {
        let text = plain(text);
        self.lines.extend(wrap(&text, self.width).into_iter().map(|line| Line::raw(line.into_owned())));
    }

    /// A label and a text beside it.
    pub(crate) fn labelled(&mut self, label: &str, text: &str) {
        self.styled(label, text, Style::new());
    }

    /// The same, the text in a style.
    pub(crate) fn styled(&mut self, label: &str, text: &str, style: Style) {
        self.paragraph(label, HANG, text, style);
    }

    /// A text below the one before.
    pub(crate) fn more(&mut self, text: &str) {
        self.labelled("", text);
    }

    /// A label within the text column and a text beside it.
    pub(crate) fn item(&mut self, label: &str, hang: usize, text: &str) {
        self.paragraph(&format!("{:HANG$}{label}", ""), HANG + hang, text, Style::new());
    }

    fn paragraph(&mut self, label: &str, hang: usize, text: &str, style: Style) {
        let text = plain(text);
        let width = self.width.saturating_sub(hang).max(HANG);
        let wrapped = wrap(&text, Options::new(width));
        for (index, line) in wrapped.iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.lines.push(Line::from(vec![
                Span::styled(format!("{label:<hang$}"), self.look.label()),
                Span::styled(line.clone().into_owned(), style),
            ]));
        }
    }
}

/// Without the marks of code that the catalogue's texts have, and without what steers a terminal.
fn plain(text: &str) -> String {
    safe(&text.replace('`', ""))
}

#[cfg(test)]
mod tests {
    use super::{HANG, Look, Prose};
    use jiff::tz::TimeZone;

    #[test]
    fn paragraphs_hang_behind_their_labels_and_stay_within_the_width() {
        let look = Look { colour: false, unicode: true, zone: TimeZone::UTC };
        let mut prose = Prose::new(30, &look);
        prose.labelled("do", "Read the `request` to its end before closing, or linger.");
        prose.item("1.", 3, "日本語のプロセス名が続く文章です");
        let lines: Vec<String> = prose.lines().iter().map(ToString::to_string).collect();
        assert!(lines[0].starts_with("do         Read the"), "{lines:?}");
        assert!(lines.len() > 4 && lines[1].starts_with(&" ".repeat(HANG)), "{lines:?}");
        for line in &lines {
            assert!(super::super::text::width(line) <= 30, "{line:?}");
        }
    }
}
