//! Comments and string literals of a Rust file. `syn` drops ordinary comments, hence this lexer, which knows just
//! enough of Rust's grammar to find where they begin and end.

use std::ops::Range;

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// An ordinary comment, `//` or `/* */`.
    Comment,
    /// Documentation of what follows, `///` or `/** */`.
    OuterDoc,
    /// Documentation of what it stands in, `//!` or `/*! */`.
    InnerDoc,
    /// Any string literal: plain, raw, byte, C.
    Literal,
}

/// A comment or a string literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) kind: PieceKind,
    /// The line on which it begins, counted from 1.
    pub(super) line: usize,
    /// The characters before it on its line are all blanks.
    pub(super) starts_line: bool,
    /// What is between the delimiters.
    pub(super) text: &'a str,
}

/// All comments and string literals of `source`, in order.
pub(super) fn pieces(source: &str) -> Vec<Piece<'_>> {
    Lexer { source, at: 0, line: 1, line_start: 0, pieces: Vec::new() }.run()
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
    pieces: Vec<Piece<'a>>,
}

impl<'a> Lexer<'a> {
    fn run(mut self) -> Vec<Piece<'a>> {
        while let Some(first) = self.rest().chars().next() {
            match first {
                '/' if self.rest().starts_with("//") => self.line_comment(),
                '/' if self.rest().starts_with("/*") => self.block_comment(),
                '"' => self.plain_string(1),
                '\'' => self.quote(),
                _ if first == '_' || first.is_alphabetic() => self.word(),
                _ if first.is_ascii_digit() => self.advance(number_length(self.rest())),
                _ => self.advance(first.len_utf8()),
            }
        }
        self.pieces
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn advance(&mut self, bytes: usize) {
        for (offset, _) in self.rest()[..bytes].match_indices('\n') {
            self.line += 1;
            self.line_start = self.at + offset + 1;
        }
        self.at += bytes;
    }

    /// Takes `length` bytes from here, of which `text` are the content.
    fn push(&mut self, kind: PieceKind, length: usize, text: Range<usize>) {
        let starts_line = self.source[self.line_start..self.at].trim().is_empty();
        self.pieces.push(Piece { kind, line: self.line, starts_line, text: &self.rest()[text] });
        self.advance(length);
    }

    fn line_comment(&mut self) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        let (kind, delimiter) = match rest.as_bytes().get(2..4) {
            Some(b"//") => (PieceKind::Comment, 2),
            Some([b'/', _]) => (PieceKind::OuterDoc, 3),
            Some([b'!', _]) => (PieceKind::InnerDoc, 3),
            _ => (PieceKind::Comment, 2),
        };
        self.push(kind, length, delimiter.min(length)..length);
    }

    fn block_comment(&mut self) {
        let rest = self.rest();
        let (mut depth, mut length) = (0_usize, 0);
        while length < rest.len() {
            match &rest.as_bytes()[length..] {
                [b'/', b'*', ..] => (depth, length) = (depth + 1, length + 2),
                [b'*', b'/', ..] => (depth, length) = (depth - 1, length + 2),
                _ => length += 1,
            }
            if depth == 0 {
                break;
            }
        }
        let kind = match rest.as_bytes().get(2..4) {
            Some(b"**" | b"*/") => PieceKind::Comment,
            Some([b'*', _]) => PieceKind::OuterDoc,
            Some([b'!', _]) => PieceKind::InnerDoc,
            _ => PieceKind::Comment,
        };
        let start = if kind == PieceKind::Comment { 2 } else { 3 };
        let end = if depth == 0 { length - 2 } else { length };
        self.push(kind, length, start.min(end)..end);
    }

    /// A string with escapes, whose opening quote is the last of `prefix` bytes.
    fn plain_string(&mut self, prefix: usize) {
        let bytes = self.rest().as_bytes();
        let mut end = prefix;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let end = end.min(bytes.len());
        self.push(PieceKind::Literal, (end + 1).min(bytes.len()), prefix..end);
    }

    /// A raw string: `prefix` letters, `hashes` hashes, then the quote.
    fn raw_string(&mut self, prefix: usize, hashes: usize) {
        let start = prefix + hashes + 1;
        let closing = format!("\"{}", "#".repeat(hashes));
        let rest = self.rest();
        let end = rest[start..].find(&closing).map_or(rest.len(), |found| start + found);
        self.push(PieceKind::Literal, (end + closing.len()).min(rest.len()), start..end);
    }

    /// A character or a lifetime.
    fn quote(&mut self) {
        let rest = self.rest();
        let mut chars = rest[1..].chars();
        let length = match (chars.next(), chars.next()) {
            (Some('\\'), Some(escaped)) => {
                let start = 2 + escaped.len_utf8();
                rest[start..].find('\'').map_or(rest.len(), |found| start + found + 1)
            }
            (Some(one), Some('\'')) => 2 + one.len_utf8(),
            _ => 1,
        };
        self.advance(length);
    }

    /// An identifier, or the prefix of a literal.
    fn word(&mut self) {
        let rest = self.rest();
        let length = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let hashes = after.len() - after.trim_start_matches('#').len();
        match word {
            "r" | "br" | "cr" if after[hashes..].starts_with('"') => self.raw_string(length, hashes),
            "b" | "c" if after.starts_with('"') => self.plain_string(length + 1),
            // The quote that follows begins a byte: the next turn takes it.
            _ => self.advance(length),
        }
    }
}

/// Digits with suffix, so that the letters of `1r` are no prefix.
fn number_length(rest: &str) -> usize {
    rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<(PieceKind, usize, &str)> {
        pieces(source).into_iter().map(|piece| (piece.kind, piece.line, piece.text)).collect()
    }

    #[test]
    fn comments_have_their_kind_and_line() {
        let source = "//! a\n/// b\n// c\n//// d\n//\nfn f() {} // e\n/* f\n g */ /** h */ /*! i */ /**/ /*** j */";
        let expected = [
            (PieceKind::InnerDoc, 1, " a"),
            (PieceKind::OuterDoc, 2, " b"),
            (PieceKind::Comment, 3, " c"),
            (PieceKind::Comment, 4, "// d"),
            (PieceKind::Comment, 5, ""),
            (PieceKind::Comment, 6, " e"),
            (PieceKind::Comment, 7, " f\n g "),
            (PieceKind::OuterDoc, 8, " h "),
            (PieceKind::InnerDoc, 8, " i "),
            (PieceKind::Comment, 8, ""),
            (PieceKind::Comment, 8, "** j "),
        ];
        assert_eq!(texts(source), expected);
    }

    #[test]
    fn block_comments_nest() {
        assert_eq!(
            texts("/* a /* b */ c */ \"d\""),
            [(PieceKind::Comment, 1, " a /* b */ c "), (PieceKind::Literal, 1, "d")]
        );
    }

    #[test]
    fn a_comment_within_a_string_is_text_and_the_other_way_round() {
        assert_eq!(
            texts(r#"f("http://a"); // "b"#),
            [(PieceKind::Literal, 1, "http://a"), (PieceKind::Comment, 1, " \"b")]
        );
        assert_eq!(
            texts("r#\"// \"a\" \"# // b"),
            [(PieceKind::Literal, 1, "// \"a\" "), (PieceKind::Comment, 1, " b")]
        );
    }

    #[test]
    fn strings_of_all_kinds() {
        let source = r##""a\"b" b"c" br"d\" c"e" r#"f"# "g\\" r#type"##;
        let found: Vec<&str> = pieces(source).into_iter().map(|piece| piece.text).collect();
        assert_eq!(found, [r#"a\"b"#, "c", r"d\", "e", "f", r"g\\"]);
    }

    #[test]
    fn characters_and_lifetimes_open_no_string() {
        let source = "fn f<'a>(x: &'a str) -> [char; 4] { ['\"', '\\'', '\\u{22}', b'\"' as char] } // end";
        assert_eq!(texts(source), [(PieceKind::Comment, 1, " end")]);
    }

    #[test]
    fn lines_go_on_after_strings_of_several() {
        assert_eq!(texts("\"a\nb\"\n// c"), [(PieceKind::Literal, 1, "a\nb"), (PieceKind::Comment, 3, " c")]);
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        for source in ["\"a", "\"a\\", "/* a", "r#\"a\"", "'", "'\\"] {
            assert!(pieces(source).len() <= 1, "of `{source}`");
        }
    }

    #[test]
    fn whether_a_comment_has_its_line_to_itself() {
        let found: Vec<bool> = pieces("  // a\nx; // b").iter().map(|piece| piece.starts_line).collect();
        assert_eq!(found, [true, false]);
    }
}
