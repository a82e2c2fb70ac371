//! The licence texts of a crate: its own files, or the standard text of its licence if it ships none.

use super::graph::CratePackage;
use crate::workspace::{self, FileError};
use anyhow::Context as _;
use spdx::{Expression, ParseMode};
use std::{fs, path::Path};

/// Prefixes of the names of licence files.
const NAMES: [&str; 7] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE", "AUTHORS"];

/// A licence text and the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Name of the file or of the licence.
    pub(super) name: String,
    /// The text, with Unix line ends and without trailing spaces.
    pub(super) text: String,
}

/// The texts of `package`, sorted by name; at least one.
pub(super) fn of(package: &CratePackage) -> anyhow::Result<Vec<Text>> {
    let dir = package.manifest_path.parent().unwrap_or(Path::new("/"));
    let mut texts = in_directory(dir)?;
    if texts.is_empty() {
        texts = standard(package.license.as_deref().unwrap_or_default())
            .with_context(|| format!("{} {} comes without a licence text", package.name, package.version))?;
    }
    texts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(texts)
}

fn in_directory(dir: &Path) -> Result<Vec<Text>, FileError> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(dir).map_err(FileError::on("list", dir))? {
        let path = entry.map_err(FileError::on("list", dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_licence(&name) && path.is_file() {
            let text = tidy(&String::from_utf8_lossy(&workspace::read(&path)?));
            texts.push(Text { name, text });
        }
    }
    Ok(texts)
}

fn is_licence(name: &str) -> bool {
    let upper = name.to_uppercase();
    let is_source = Path::new(name).extension().is_some_and(|extension| extension == "rs");
    NAMES.iter().any(|prefix| upper.starts_with(prefix)) && !is_source
}

/// The standard texts of all licences in `expression`.
fn standard(expression: &str) -> anyhow::Result<Vec<Text>> {
    let expression = Expression::parse_mode(expression, ParseMode::LAX).map_err(|error| anyhow::anyhow!("{error}"))?;
    expression
        .requirements()
        .map(|requirement| {
            let id = requirement.req.license.id().context("a licence of its own")?;
            Ok(Text { name: format!("{} (the standard text)", id.name), text: tidy(id.text()) })
        })
        .collect()
}

fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_files_are_found_by_name() {
        for name in ["LICENSE", "LICENSE-MIT", "license.md", "COPYING", "NOTICE.txt", "UNLICENSE"] {
            assert!(is_licence(name), "{name}");
        }
        for name in ["README.md", "license.rs", "src", "lib.rs"] {
            assert!(!is_licence(name), "{name}");
        }
    }

    #[test]
    fn a_crate_without_a_file_gets_the_standard_texts() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut package = CratePackage::sample("bare", Some("MIT OR Apache-2.0"));
        package.manifest_path = dir.path().join("Cargo.toml");
        let texts = of(&package).expect("texts");
        let names: Vec<&str> = texts.iter().map(|text| text.name.as_str()).collect();
        assert_eq!(names, ["Apache-2.0 (the standard text)", "MIT (the standard text)"]);
        assert!(texts[1].text.contains("WITHOUT WARRANTY"), "found {texts:?}");
    }

    #[test]
    fn line_ends_are_unix() {
        assert_eq!(tidy("\r\na \r\nb\n\n"), "a\nb");
    }
}
