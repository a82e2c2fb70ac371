//! `cargo xtask lint`: what of the rules on language and layout (CONTRIBUTING.md) a machine can check.
//!
//! | file | concern |
//! |---|---|
//! | `files` | which files are checked, and as what |
//! | `lexer`, `prose` | comments and string literals of a Rust file; what of a text is prose |
//! | `test_code` | which lines are test code |
//! | `language` | words, docstrings, the width of comments |
//! | `types` | type names that are declared twice |
//! | `style` | imports, derives, module files |
//! | `imports` | the order of the rooms, circles of files |
//! | `exceptions` | what may break a rule, and why |
//!
//! Each check is a function from text to findings.

mod exceptions;
mod files;
mod finding;
mod imports;
mod language;
mod lexer;
mod prose;
mod style;
mod test_code;
mod types;

use self::{
    exceptions::LintExceptions,
    files::LintFiles,
    finding::{LintFinding, LintRule},
    test_code::TestLines,
    types::TypeNames,
};
use crate::{
    say,
    workspace::{self, Workspace},
};
use anyhow::{Context as _, bail};
use std::{
    env,
    path::{self, Path, PathBuf},
};

/// What to report.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct LintArguments {
    /// Files and folders that findings are reported of; all when there is none.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Report this rule only; may be repeated.
    #[arg(long = "rule", value_name = "RULE")]
    rules: Vec<LintRule>,
}

/// Checks all files and reports what was asked for, one line each. Fails if there is anything to report.
pub(crate) fn lint(workspace: &Workspace, arguments: &LintArguments) -> anyhow::Result<()> {
    let root = workspace.root.as_path();
    let prefixes = arguments.paths.iter().map(|path| below(root, path)).collect::<anyhow::Result<Vec<_>>>()?;
    let files = LintFiles::read(root)?;
    let list = workspace::read_text(&root.join(exceptions::PATH))?;
    let exceptions = LintExceptions::parse(&list).with_context(|| format!("cannot read {}", exceptions::PATH))?;

    let mut findings = exceptions.apply(check(&files));
    findings.retain(|finding| {
        let is_below = |prefix: &PathBuf| Path::new(&finding.path).starts_with(prefix);
        (prefixes.is_empty() || prefixes.iter().any(is_below))
            && (arguments.rules.is_empty() || arguments.rules.contains(&finding.rule))
    });
    findings.sort();
    for finding in &findings {
        say::line(finding);
    }
    match findings.len() {
        0 => Ok(()),
        count => bail!("{count} lint findings; exceptions are listed in {}", exceptions::PATH),
    }
}

/// `path` as the user gave it, relative to the workspace.
fn below(root: &Path, path: &Path) -> anyhow::Result<PathBuf> {
    let here = env::current_dir().context("cannot find the current directory")?;
    let from_here = path::absolute(here.join(path)).context("cannot make a path absolute")?;
    let inside = from_here.strip_prefix(root).with_context(|| format!("{} is not in this checkout", path.display()))?;
    Ok(inside.components().collect())
}

/// All findings, exceptions not applied.
fn check(files: &LintFiles) -> Vec<LintFinding> {
    let (parsed, mut findings) = files.parse();
    let crates = imports::crates(&parsed);
    let test_files = imports::test_files(&crates);
    let mut names = TypeNames::default();
    for (path, text) in &files.rust {
        let pieces = lexer::pieces(text);
        let comments = prose::comments(&pieces);
        findings.extend(language::stand_ins(path, &comments));
        findings.extend(language::absent_pages(path, &comments));
        findings.extend(language::wide_comments(path, text, &pieces));
        findings.extend(language::short_docs(path, &pieces));
        findings.extend(style::derive_order(path, style::tokens(text)));
        let Some(file) = parsed.get(path) else { continue };
        let tests = if files::is_test(path) || test_files.contains(path.as_str()) {
            TestLines::all()
        } else {
            TestLines::of(file)
        };
        findings.extend(language::stand_ins(path, &language::literals(&pieces, |line| tests.contains(line))));
        findings.extend(style::imports(path, file));
        names.add(path, file, &tests);
    }
    findings.extend(names.findings());
    findings.extend(style::module_files(files.rust.keys().map(String::as_str)));
    findings.extend(imports::findings(&crates));
    for (path, passages) in &files.texts {
        findings.extend(language::stand_ins(path, passages));
        findings.extend(language::absent_pages(path, passages));
    }
    findings
}
