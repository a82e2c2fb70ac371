//! Word wrapping with a hanging indent, aware of code spans.

use super::style::{Role, Style};

/// A paragraph to be laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paragraph<'a> {
    /// What stands before the first line: a label, a bullet, or nothing.
    pub(crate) label: &'a str,
    /// The role of the label.
    pub(crate) label_role: Role,
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
        Self { label: "", label_role: Role::Plain, indent, hang: indent, text }
    }

    /// Text at `hang`, with a label before its first line at `indent`.
    pub(crate) const fn labelled(indent: usize, label: &'a str, label_role: Role, hang: usize, text: &'a str) -> Self {
        Self { label, label_role, indent, hang, text }
    }

    /// Appends the paragraph, wrapped to `width` columns, each line ended by a newline.
    ///
    /// Text goes below its label where the label reaches into the column of the text. A word that is wider than the
    /// column stands on a line of its own. Code is coloured, or without colour shown bare.
    pub(crate) fn write(self, out: &mut String, width: usize, style: Style) {
        let mut column = self.indent + self.label.len();
        if self.label.is_empty() {
            column = 0;
        } else {
            push_spaces(out, self.indent);
            out.push_str(&style.paint(self.label_role, self.label));
            if column >= self.hang {
                out.push('\n');
                column = 0;
            }
        }

        let mut at_line_start = true;
        for word in words(self.text) {
            let wanted = word.width();
            if !at_line_start && column + 1 + wanted > width {
                out.push('\n');
                column = 0;
                at_line_start = true;
            }
            if at_line_start {
                push_spaces(out, self.hang - column);
                column = self.hang;
                at_line_start = false;
            } else {
                out.push(' ');
                column += 1;
            }
            word.write(out, style);
            column += wanted;
        }
        out.push('\n');
    }
}

fn push_spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
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
        widest_label = widest_label.max(label.len());
        widest_word = widest_word.max(words(text).map(|word| word.width()).max().unwrap_or_default());
    }
    let beside = indent + widest_label + gap;
    if beside + widest_word <= width { beside } else { indent + gap }
}

/// Text between two spaces: pieces that are code or not, in turn.
#[derive(Debug, PartialEq, Eq)]
struct Word<'a> {
    pieces: Vec<(Role, &'a str)>,
}

impl Word<'_> {
    fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.chars().count()).sum()
    }

    fn write(&self, out: &mut String, style: Style) {
        for (role, text) in &self.pieces {
            out.push_str(&style.paint(*role, text));
        }
    }
}

/// The words of a text, each piece with its role; a code span of several words stays code across them.
fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut in_code = false;
    text.split_whitespace().map(move |word| {
        let mut pieces = Vec::new();
        for (index, piece) in word.split('`').enumerate() {
            if index > 0 {
                in_code = !in_code;
            }
            if !piece.is_empty() {
                pieces.push((if in_code { Role::Code } else { Role::Plain }, piece));
            }
        }
        Word { pieces }
    })
}

#[cfg(test)]
mod tests {
    use super::{super::style::strip, *};

    const PLAIN: Style = Style { colour: false };

    fn laid_out(paragraph: Paragraph<'_>, width: usize, style: Style) -> String {
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
        let paragraph = Paragraph::labelled(2, "1.", Role::Label, 6, "one two three");
        assert_eq!(laid_out(paragraph, 13, PLAIN), "  1.  one two\n      three\n");
    }

    #[test]
    fn text_goes_below_a_label_that_is_too_long() {
        let paragraph = Paragraph::labelled(2, "a long label", Role::Label, 4, "text");
        assert_eq!(laid_out(paragraph, 20, PLAIN), "  a long label\n    text\n");
    }

    #[test]
    fn a_word_wider_than_the_column_is_not_broken() {
        assert_eq!(laid_out(Paragraph::at(0, "a incomprehensible b"), 6, PLAIN), "a\nincomprehensible\nb\n");
    }

    #[test]
    fn texts_stand_beside_their_labels_unless_a_word_is_too_wide() {
        let rows = [("a", "one two"), ("label", "incomprehensible")];
        assert_eq!(text_column(2, 2, 25, rows), 9);
        assert_eq!(text_column(2, 2, 24, rows), 4);
    }

    #[test]
    fn code_is_coloured_word_by_word_and_counts_as_it_is_seen() {
        let coloured = laid_out(Paragraph::at(0, "say `ss -K`, or"), 9, Style { colour: true });
        let plain = laid_out(Paragraph::at(0, "say `ss -K`, or"), 9, PLAIN);
        assert_eq!(plain, "say ss\n-K, or\n");
        assert_eq!(strip(&coloured), plain);
        assert_eq!(coloured.matches("\u{1b}[36m").count(), 2);
        assert_eq!(coloured.matches("\u{1b}[36m").count(), coloured.matches("\u{1b}[0m").count());
    }
}
