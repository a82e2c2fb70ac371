//! Which files are checked, and as what.

use super::{
    finding::{LintFinding, LintRule},
    imports::ParsedFiles,
    prose::Passage,
};
use crate::{process, workspace};
use std::{collections::BTreeMap, path::Path, process::Command};

/// The files to check, by their path relative to the workspace.
#[derive(Clone, Debug, Default)]
pub(super) struct LintFiles {
    /// The text of each Rust file.
    pub(super) rust: BTreeMap<String, String>,
    /// What the rules on language apply to in all other files.
    pub(super) texts: BTreeMap<String, Vec<Passage>>,
}

impl LintFiles {
    /// Reads what git tracks, and new files that it does not ignore.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new("git");
        command.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let mut files = Self::default();
        for path in process::output(&mut command)?.split_terminator('\0') {
            let file = root.join(path);
            let kind = TextKind::of(path);
            if kind == TextKind::None || !file.is_file() {
                continue;
            }
            let text = workspace::read_text(&file)?;
            match kind {
                TextKind::Rust => drop(files.rust.insert(path.to_owned(), text)),
                _ => drop(files.texts.insert(path.to_owned(), passages(kind, &text))),
            }
        }
        Ok(files)
    }

    /// The Rust files that can be parsed, and a finding for each other.
    pub(super) fn parse(&self) -> (ParsedFiles, Vec<LintFinding>) {
        let mut parsed = ParsedFiles::new();
        let mut findings = Vec::new();
        for (path, text) in &self.rust {
            match syn::parse_file(text) {
                Ok(file) => drop(parsed.insert(path.clone(), file)),
                Err(error) => {
                    let line = error.span().start().line;
                    findings.push(LintFinding::new(path, line, LintRule::Syntax, error.to_string()));
                }
            }
        }
        (parsed, findings)
    }
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextKind {
    /// Comments and string literals.
    Rust,
    /// Prose with code in backticks and fences.
    Prose,
    /// Prose in which double quotes delimit values.
    Data,
    /// Only lines that begin with `#` or `;` are prose.
    Configuration,
    /// Not read at all.
    None,
}

impl TextKind {
    fn of(path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let is_packaging = folder.starts_with("packaging") && !folder.starts_with("packaging/licences");
        match extension {
            "rs" => Self::Rust,
            "md" => Self::Prose,
            "toml" if path != super::exceptions::PATH => Self::Configuration,
            "service" | "socket" | "sysusers" | "spec" if is_packaging => Self::Configuration,
            "yml" | "yaml" | "json" | "sql" if is_packaging => Self::Data,
            "" if is_packaging && name != "copyright" => Self::Prose,
            _ => Self::None,
        }
    }
}

fn passages(kind: TextKind, text: &str) -> Vec<Passage> {
    let text = match kind {
        TextKind::Data => text.replace('"', "'"),
        // What is no comment is an empty line, so that line numbers stay.
        TextKind::Configuration => text.lines().map(comment_or_nothing).collect::<Vec<_>>().join("\n"),
        TextKind::Rust | TextKind::Prose | TextKind::None => text.to_owned(),
    };
    vec![Passage { line: 1, text }]
}

fn comment_or_nothing(line: &str) -> &str {
    let trimmed = line.trim_start();
    if trimmed.starts_with(['#', ';']) { trimmed } else { "" }
}

/// Whether a whole file is test code, by its place: tests, benches, fuzz targets, modules called `tests`.
pub(super) fn is_test(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "fuzz_targets")) || path.starts_with("fuzz/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_read_in_its_way() {
        for (path, expected) in [
            ("rstmon/src/lib.rs", TextKind::Rust),
            ("README.md", TextKind::Prose),
            ("docs/events.md", TextKind::Prose),
            ("Cargo.toml", TextKind::Configuration),
            ("packaging/rstmon.service", TextKind::Configuration),
            ("packaging/prometheus/rstmon.rules.yml", TextKind::Data),
            ("packaging/deb/control", TextKind::Prose),
            ("packaging/deb/copyright", TextKind::None),
            ("packaging/licences/LGPL-2.1.txt", TextKind::None),
            ("fuzz/corpus/btf/0a4c", TextKind::None),
            ("Cargo.lock", TextKind::None),
        ] {
            assert_eq!(TextKind::of(path), expected, "of {path}");
        }
    }

    #[test]
    fn a_configuration_has_comments() {
        let found = passages(TextKind::Configuration, "a = 1 # b\n# c\n; d\ne = \"#\"\n");
        assert_eq!(found, [Passage { line: 1, text: "\n# c\n; d\n".to_owned() }]);
    }

    #[test]
    fn test_files_are_known_by_their_place() {
        for path in ["tests/src/lib.rs", "xtask/tests/unit.rs", "rstmon/src/a/tests.rs", "rstmon/src/a/tests/b.rs"] {
            assert!(is_test(path), "{path}");
        }
        assert!(!is_test("rstmon/src/test.rs") && !is_test("xtask/src/test/mod.rs"));
    }
}
