//! The rules on sentences: `stand-in`, `absent-page`, `short-doc` and `width`.

use super::{
    finding::{LintFinding, LintRule},
    lexer::{Piece, PieceKind},
    prose::{self, Passage},
};

/// Words that hide which component or caller is meant.
const STAND_INS: [&str; 8] = ["nobody", "somebody", "anybody", "whoever", "whomever", "told", "tells", "whosoever"];

/// Pages that exist elsewhere: a comment has to say the fact.
const ABSENT_PAGES: [&str; 3] = ["DESIGN.md", "KERNEL.md", "STYLE.md"];

/// Columns of a line with a comment.
const WIDTH: usize = 120;

/// Docstrings need more words than this.
const SHORT_DOC_WORDS: usize = 2;

/// Stand-ins in a text that is prose but for its code.
pub(super) fn stand_ins(path: &str, passages: &[Passage]) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    for passage in passages {
        for (line, word) in prose::words(&prose::without_code(&passage.text)) {
            if STAND_INS.iter().any(|banned| word.eq_ignore_ascii_case(banned)) {
                let context = passage.text.lines().nth(line).unwrap_or_default().trim();
                let text = format!("`{word}` in: {context}");
                findings.push(LintFinding::new(path, passage.line + line, LintRule::StandIn, text));
            }
        }
    }
    findings
}

/// Mentions of pages that the repository does not have, in code as well.
pub(super) fn absent_pages(path: &str, passages: &[Passage]) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    for passage in passages {
        for (line, content) in passage.text.lines().enumerate() {
            for page in ABSENT_PAGES.iter().filter(|page| content.contains(**page)) {
                let text = format!("`{page}` is not in the repository: {}", content.trim());
                findings.push(LintFinding::new(path, passage.line + line, LintRule::AbsentPage, text));
            }
        }
    }
    findings
}

/// Lines with a comment that are too long. A comment without a blank in it, such as an address, cannot be broken.
pub(super) fn wide_comments(path: &str, source: &str, pieces: &[Piece<'_>]) -> Vec<LintFinding> {
    let lines: Vec<&str> = source.lines().collect();
    let mut findings = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.kind != PieceKind::Literal) {
        for (offset, text) in piece.text.split('\n').enumerate() {
            let line = piece.line + offset;
            let width = lines.get(line - 1).map_or(0, |line| line.chars().count());
            if width > WIDTH && text.trim().contains(' ') {
                let text = format!("{width} columns, {WIDTH} at most");
                findings.push(LintFinding::new(path, line, LintRule::Width, text));
            }
        }
    }
    findings.dedup();
    findings
}

/// Docstrings of one or two words, which say no more than the name. A docstring that only quotes code is a reference,
/// such as the kernel's name of a constant, and passes.
pub(super) fn short_docs(path: &str, pieces: &[Piece<'_>]) -> Vec<LintFinding> {
    let docs: Vec<Piece<'_>> = pieces
        .iter()
        .filter(|piece| matches!(piece.kind, PieceKind::OuterDoc | PieceKind::InnerDoc))
        .cloned()
        .collect();
    prose::comments(&docs)
        .iter()
        .filter(|doc| !is_reference(&doc.text) && (1..=SHORT_DOC_WORDS).contains(&word_count(&doc.text)))
        .map(|doc| LintFinding::new(path, doc.line, LintRule::ShortDoc, format!("`{}`", doc.text.trim())))
        .collect()
}

/// Whether a text is quoted code and nothing else.
fn is_reference(text: &str) -> bool {
    let outside: String = text.split('`').step_by(2).collect();
    text.contains('`') && !outside.chars().any(char::is_alphanumeric)
}

/// Words between blanks; punctuation alone is none.
fn word_count(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

/// The string literals of `pieces` that are outside of `test_lines`, as passages: what users meet.
pub(super) fn literals(pieces: &[Piece<'_>], is_test: impl Fn(usize) -> bool) -> Vec<Passage> {
    pieces
        .iter()
        .filter(|piece| piece.kind == PieceKind::Literal && !is_test(piece.line))
        .map(|piece| Passage { line: piece.line, text: piece.text.replace("\\\"", "\"") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::lexer::pieces, *};

    fn in_comments(source: &str) -> Vec<(usize, LintRule)> {
        let passages = prose::comments(&pieces(source));
        let mut found = stand_ins("a.rs", &passages);
        found.extend(absent_pages("a.rs", &passages));
        found.iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    #[test]
    fn every_stand_in_is_found_whatever_its_case() {
        for word in STAND_INS {
            assert_eq!(in_comments(&format!("// a\n// b {word}, c")), [(2, LintRule::StandIn)], "of `{word}`");
            assert_eq!(in_comments(&format!("/// {}: a", word.to_uppercase())), [(1, LintRule::StandIn)]);
        }
    }

    #[test]
    fn names_code_and_quotations_are_not_prose() {
        for text in ["untold", "the field `told`", "`told_once` and foretells", "the log says \"nobody listens\""] {
            assert_eq!(in_comments(&format!("// {text}")), [], "of `{text}`");
        }
        assert_eq!(in_comments("fn told() { nobody() }"), []);
        assert_eq!(in_comments("/// a\n/// ```\n/// told\n/// ```\nfn f() {}"), []);
    }

    #[test]
    fn a_finding_shows_the_line() {
        let passages = prose::comments(&pieces("// one\n// the reader is told so\n"));
        let found = stand_ins("a.rs", &passages);
        assert_eq!(found[0].to_string(), "a.rs:2: stand-in: `told` in: the reader is told so");
    }

    #[test]
    fn pages_that_the_repository_does_not_have() {
        assert_eq!(in_comments("// see `KERNEL.md` section 3"), [(1, LintRule::AbsentPage)]);
        assert_eq!(in_comments("// see docs/kernels.md"), []);
    }

    #[test]
    fn literals_count_outside_of_tests() {
        let source = "f(\"nobody listens\");\ng(\"nobody\");\nh(\"the user `nobody`\");";
        let found = stand_ins("a.rs", &literals(&pieces(source), |line| line == 2));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_line_with_a_comment_has_120_columns() {
        let lines = |source: &str| -> Vec<usize> {
            wide_comments("a.rs", source, &pieces(source)).iter().map(|finding| finding.line).collect()
        };
        let comment = |columns: usize| format!("// a {}", "x".repeat(columns - 5));
        assert_eq!(lines(&comment(120)), [0; 0]);
        assert_eq!(lines(&comment(121)), [1]);
        assert_eq!(lines(&format!("    {}", comment(120))), [1], "with its indentation");
        assert_eq!(lines(&format!("let a = 1; {}", comment(120))), [1], "after code");
        assert_eq!(lines(&format!("/* a\n{} b\n*/", "ü".repeat(119))), [2]);
        assert_eq!(lines(&format!("// https://{}", "x".repeat(130))), [0; 0], "cannot be broken");
        assert_eq!(lines(&format!("let a = \"// b {}\";", "x".repeat(130))), [0; 0], "no comment");
    }

    #[test]
    fn docstrings_have_three_words() {
        let lines = |source: &str| -> Vec<usize> {
            short_docs("a.rs", &pieces(source)).iter().map(|finding| finding.line).collect()
        };
        for bad in ["/// Why.", "/// As given.", "/// `Port`, local", "//! Words.", "/** Why. */", "/// Yes - no"] {
            assert_eq!(lines(bad), [1], "of `{bad}`");
        }
        for good in
            ["/// Ports in use.", "/// Why\n/// it\n/// ended", "// Why.", "///", "//// Why.", "/// `TCP_CLOSE`"]
        {
            assert_eq!(lines(good), [0; 0], "of `{good}`");
        }
        assert_eq!(lines("/// Ports in use.\npub a: u8,\n/// Why.\npub b: u8,"), [3]);
    }
}
