//! Paragraphs with a hanging indent, wrapped by [`textwrap`] in columns of the terminal: a CJK character or an emoji
//! counts as two. Code spans keep their colour across lines.

use super::style::{AnsiStyle, TextRole};
use textwrap::{
    core::{Fragment, Word, display_width},
    wrap_algorithms::wrap_first_fit,
};

/// A paragraph to be laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paragraph<'a> {
    /// What stands before the first line: a label, a bullet, or nothing.
    pub(crate) label: &'a str,
    pub(crate) label_role: TextRole,
    /// Columns before the label.
    pub(crate) indent: usize,
    /// Columns before the text, on the first line counting the indent and the label.
    pub(crate) hang: usize,
    /// The text, in which backticks enclose code.
    pub(crate) text: &'a str,
}

impl<'a> Paragraph<'a> {
    /// Text at an indent, without a label.
    pub(crate) const fn at(indent: usize, text: &'a str) -> Self {
        Self { label: "", label_role: TextRole::Plain, indent, hang: indent, text }
    }

    /// Text at `hang`, with a label before its first line at `indent`.
    pub(crate) const fn labelled(
        indent: usize,
        label: &'a str,
        label_role: TextRole,
        hang: usize,
        text: &'a str,
    ) -> Self {
        Self { label, label_role, indent, hang, text }
    }

    /// Appends the paragraph, wrapped to `width` columns, each line ended by a newline.
    ///
    /// Text goes below its label where the label reaches into the column of the text. A word that is wider than the
    /// column of the text stands on a line of its own, so that a path or a command can be copied; only where it has
    /// characters of two columns is it broken. Code is coloured, or without colour shown bare.
    pub(crate) fn write(self, out: &mut String, width: usize, style: AnsiStyle) {
        let Self { label, label_role, indent, hang, text } = self;
        let mut column = 0;
        if !label.is_empty() {
            push_spaces(out, indent);
            out.push_str(&style.paint(label_role, label));
            column = indent + display_width(label);
            if column >= hang {
                out.push('\n');
                column = 0;
            }
        }

        let room = width.saturating_sub(hang);
        let words: Vec<StyledWord<'_>> = words(text).flat_map(|word| word.broken_to(room)).collect();
        for line in wrap_first_fit(&words, &[columns(room)]) {
            if !line.is_empty() {
                push_spaces(out, hang - column);
            }
            column = 0;
            for (index, word) in line.iter().enumerate() {
                word.write(out, style);
                if word.ends_with_space && index + 1 < line.len() {
                    out.push(' ');
                }
            }
            out.push('\n');
        }
    }
}

fn push_spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// A number of columns as [`textwrap`] counts them.
fn columns(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The column for texts next to their labels: after the widest label, or, where the widest word of a text would not fit
/// there, indented below the labels.
pub(crate) fn text_column<'a>(
    indent: usize,
    gap: usize,
    width: usize,
    rows: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> usize {
    let (mut widest_label, mut widest_word) = (0, 0);
    for (label, text) in rows {
        widest_label = widest_label.max(display_width(label));
        widest_word = widest_word.max(words(text).map(|word| word.width()).max().unwrap_or_default());
    }
    let beside = indent + widest_label + gap;
    if beside + widest_word <= width { beside } else { indent + gap }
}

/// Text between two spaces: pieces that are code or not, in turn.
#[derive(Debug, PartialEq, Eq)]
struct StyledWord<'a> {
    pieces: Vec<(TextRole, &'a str)>,
    /// False for all parts of a broken word but the last.
    ends_with_space: bool,
}

impl<'a> StyledWord<'a> {
    fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| display_width(text)).sum()
    }

    fn has_wide_character(&self) -> bool {
        self.pieces.iter().any(|(_, text)| display_width(text) > text.chars().count())
    }

    /// The word itself, or, where it has wide characters and does not fit into `room` columns, parts that do.
    fn broken_to(self, room: usize) -> Vec<Self> {
        if self.width() <= room || !self.has_wide_character() {
            return vec![self];
        }
        let mut parts = Vec::new();
        for (role, text) in self.pieces {
            let part = |text: Word<'a>| Self { pieces: vec![(role, text.word)], ends_with_space: false };
            parts.extend(Word::from(text).break_apart(room).map(part));
        }
        if let Some(last) = parts.last_mut() {
            last.ends_with_space = true;
        }
        parts
    }

    fn write(&self, out: &mut String, style: AnsiStyle) {
        for (role, text) in &self.pieces {
            out.push_str(&style.paint(*role, text));
        }
    }
}

impl Fragment for StyledWord<'_> {
    fn width(&self) -> f64 {
        columns(self.width())
    }

    fn whitespace_width(&self) -> f64 {
        if self.ends_with_space { 1.0 } else { 0.0 }
    }

    fn penalty_width(&self) -> f64 {
        0.0
    }
}

/// The words of a text, each piece with its role; a code span of several words stays code across them.
fn words(text: &str) -> impl Iterator<Item = StyledWord<'_>> {
    let mut in_code = false;
    text.split_whitespace().map(move |word| {
        let mut pieces = Vec::new();
        for (index, piece) in word.split('`').enumerate() {
            if index > 0 {
                in_code = !in_code;
            }
            if !piece.is_empty() {
                pieces.push((if in_code { TextRole::Code } else { TextRole::Plain }, piece));
            }
        }
        StyledWord { pieces, ends_with_space: true }
    })
}

#[cfg(test)]
mod tests {
    use super::{super::style::strip, *};
    use unicode_width::UnicodeWidthStr as _;

    const PLAIN: AnsiStyle = AnsiStyle { colour: false };
    const COLOURED: AnsiStyle = AnsiStyle { colour: true };

    fn laid_out(paragraph: Paragraph<'_>, width: usize, style: AnsiStyle) -> String {
        let mut out = String::new();
        paragraph.write(&mut out, width, style);
        out
    }

    #[test]
    fn lines_are_filled_up_to_the_width() {
        assert_eq!(laid_out(Paragraph::at(2, "aaa bbb ccc"), 9, PLAIN), "  aaa bbb\n  ccc\n");
        assert_eq!(laid_out(Paragraph::at(2, "aaa bbb ccc"), 8, PLAIN), "  aaa\n  bbb\n  ccc\n");
    }

    #[test]
    fn a_label_stands_before_the_hanging_text() {
        let paragraph = Paragraph::labelled(2, "1.", TextRole::Label, 6, "one two three");
        assert_eq!(laid_out(paragraph, 13, PLAIN), "  1.  one two\n      three\n");
    }

    #[test]
    fn text_goes_below_a_label_that_is_too_long() {
        let paragraph = Paragraph::labelled(2, "a long label", TextRole::Label, 4, "text");
        assert_eq!(laid_out(paragraph, 20, PLAIN), "  a long label\n    text\n");
    }

    #[test]
    fn without_text_a_label_stands_alone() {
        assert_eq!(laid_out(Paragraph::labelled(2, "a", TextRole::Label, 6, ""), 20, PLAIN), "  a\n");
    }

    #[test]
    fn a_word_wider_than_the_column_is_not_broken() {
        assert_eq!(laid_out(Paragraph::at(0, "a incomprehensible b"), 6, PLAIN), "a\nincomprehensible\nb\n");
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        assert_eq!(laid_out(Paragraph::at(2, "日本 語の 名前"), 11, PLAIN), "  日本 語の\n  名前\n");
        assert_eq!(laid_out(Paragraph::at(2, "日本 語の 名前"), 10, PLAIN), "  日本\n  語の\n  名前\n");
        let paragraph = Paragraph::labelled(0, "名前", TextRole::Label, 5, "text");
        assert_eq!(laid_out(paragraph, 20, PLAIN), "名前 text\n");
        assert_eq!(text_column(2, 2, 80, [("名前", "text")]), 8);
    }

    #[test]
    fn a_wide_word_is_broken_where_it_does_not_fit() {
        assert_eq!(laid_out(Paragraph::at(1, "a 日本語の名前 b"), 8, PLAIN), " a\n 日本語\n の名前\n b\n");
        let text = format!("{} `{}` and {}", "日本語".repeat(30), "🦀".repeat(50), "naïve".repeat(2));
        for width in [20, 21, 60, 100] {
            for (style, paragraph) in
                [(PLAIN, Paragraph::at(3, &text)), (COLOURED, Paragraph::labelled(2, "who", TextRole::Label, 8, &text))]
            {
                let lines = strip(&laid_out(paragraph, width, style));
                assert!(lines.lines().count() > 2, "{lines}");
                for line in lines.lines() {
                    assert!(line.width() <= width, "{} columns at {width}: {line}", line.width());
                }
                let kept: String = lines.split_whitespace().collect();
                assert!(kept.ends_with(&text.replace(['`', ' '], "")), "{kept}");
            }
        }
    }

    #[test]
    fn texts_stand_beside_their_labels_unless_a_word_is_too_wide() {
        let rows = [("a", "one two"), ("label", "incomprehensible")];
        assert_eq!(text_column(2, 2, 25, rows), 9);
        assert_eq!(text_column(2, 2, 24, rows), 4);
    }

    #[test]
    fn code_is_coloured_word_by_word_and_counts_as_it_is_seen() {
        let coloured = laid_out(Paragraph::at(0, "say `ss -K`, or"), 9, COLOURED);
        let plain = laid_out(Paragraph::at(0, "say `ss -K`, or"), 9, PLAIN);
        assert_eq!(plain, "say ss\n-K, or\n");
        assert_eq!(strip(&coloured), plain);
        assert_eq!(coloured.matches("\u{1b}[36m").count(), 2);
        assert_eq!(coloured.matches("\u{1b}[36m").count(), coloured.matches("\u{1b}[0m").count());
    }
}
