//! What of a text is prose: code in backticks and fences is not, nor is what stands in double quotes (the words of a
//! program or a message).

use super::lexer::{Piece, PieceKind};

/// A run of text with the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// Counted from 1.
    pub(super) line: usize,
    /// One line of the file each.
    pub(super) text: String,
}

/// Comments of one kind on adjacent lines, joined: code and quotations may go over the end of a line.
pub(super) fn comments(pieces: &[Piece<'_>]) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut open: Option<(PieceKind, usize)> = None;
    for piece in pieces.iter().filter(|piece| piece.kind != PieceKind::Literal) {
        let last = piece.line + piece.text.matches('\n').count();
        match passages.last_mut() {
            Some(passage) if piece.starts_line && open == Some((piece.kind, piece.line)) => {
                passage.text.push('\n');
                passage.text.push_str(piece.text);
            }
            _ => passages.push(Passage { line: piece.line, text: piece.text.to_owned() }),
        }
        open = piece.starts_line.then_some((piece.kind, last + 1));
    }
    passages
}

/// `text` with a blank for each character of code and quotations.
pub(super) fn without_code(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    let mut paragraph = String::new();
    let mut fence: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let marker = ["```", "~~~"].into_iter().find(|marker| trimmed.starts_with(marker));
        let is_code = match (fence, marker) {
            (Some(open), Some(found)) if open == found => {
                fence = None;
                true
            }
            (None, Some(found)) => {
                fence = Some(found);
                true
            }
            (open, _) => open.is_some(),
        };
        if is_code || trimmed.is_empty() {
            prose.push_str(&masked(&paragraph));
            paragraph.clear();
            prose.extend(line.chars().map(blank));
        } else {
            paragraph.push_str(line);
        }
    }
    prose.push_str(&masked(&paragraph));
    prose
}

/// One paragraph without what stands between backticks or double quotes. A mark that is not closed is a character.
fn masked(paragraph: &str) -> String {
    let chars: Vec<char> = paragraph.chars().collect();
    let mut masked = chars.clone();
    let mut at = 0;
    while at < chars.len() {
        let mark = chars[at];
        let length = chars[at..].iter().take_while(|c| **c == mark).count();
        if mark == '`' || mark == '"' && length == 1 {
            let end = closing(&chars, at + length, mark, length);
            for place in &mut masked[at..end.unwrap_or(at + length)] {
                *place = blank(*place);
            }
            at = end.unwrap_or(at + length);
        } else {
            at += 1;
        }
    }
    masked.into_iter().collect()
}

/// Where the run of exactly `length` marks ends that closes what was opened before `from`.
fn closing(chars: &[char], from: usize, mark: char, length: usize) -> Option<usize> {
    let mut at = from;
    while at < chars.len() {
        let run = chars[at..].iter().take_while(|c| **c == mark).count();
        if run == length {
            return Some(at + run);
        }
        at += run.max(1);
    }
    None
}

fn blank(c: char) -> char {
    if c == '\n' { '\n' } else { ' ' }
}

/// The words of `text`, letters and digits only, each with its line counted from 0.
pub(super) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(line, content)| {
        content
            .split(|c: char| c != '_' && !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(move |word| (line, word))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::lexer::pieces, *};

    fn squeezed(text: &str) -> String {
        without_code(text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn code_and_quotations_are_no_prose() {
        for (text, expected) in [
            ("one `two` three", "one three"),
            ("one `two\nthree` four", "one four"),
            ("one ``two ` three`` four", "one four"),
            ("it says \"two words\" twice", "it says twice"),
            ("a lone ` and a lone \" stay", "a lone and a lone stay"),
            ("one `two\n\nthree` four", "one two three four"),
            ("before\n```text\nwithin\n```\nafter", "before after"),
            ("before\n~~~\n```\n~~~\nafter", "before after"),
            ("1. item\n   ```sh\n   within\n   ```\nafter", "1. item after"),
        ] {
            assert_eq!(squeezed(text), expected, "of `{text}`");
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let found = without_code("a\n```\nb\n```\nc `d\ne` f\n");
        assert_eq!(found.lines().map(str::trim).collect::<Vec<_>>(), ["a", "", "", "", "c", "f"]);
    }

    #[test]
    fn comments_on_adjacent_lines_are_one_passage() {
        let found = comments(&pieces("// a `b\n// c` d\n\n/// e\n// f\nx; // g\n// h\n"));
        let expected = [(1, " a `b\n c` d"), (4, " e"), (5, " f"), (6, " g"), (7, " h")];
        assert_eq!(found, expected.map(|(line, text)| Passage { line, text: text.to_owned() }));
    }

    #[test]
    fn words_are_letters_and_digits() {
        let found: Vec<_> = words("a-b, c's\n(d_e)").collect();
        assert_eq!(found, [(0, "a"), (0, "b"), (0, "c"), (0, "s"), (1, "d_e")]);
    }
}
