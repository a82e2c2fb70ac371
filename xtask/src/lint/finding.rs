//! What a check reports.

use std::fmt::{self, Display};

/// A check, by the name that `--rule` and the exceptions use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LintRule {
    /// Comments and texts that point at a page which the repository does not have.
    AbsentPage,
    /// Files that import each other, other than a module and its children.
    Circle,
    /// `#[derive(...)]` in another order than the workspace's.
    DeriveOrder,
    /// Exceptions that excuse nothing.
    Exception,
    /// More than one private `use` per root crate and scope, or a gap between them.
    Imports,
    /// A module with children whose file is not the `mod.rs` of their folder.
    ModuleFile,
    /// A room of `rstmon` that imports a later one.
    Order,
    /// Docstrings of one or two words.
    ShortDoc,
    /// Words that stand in for the name of a component or caller.
    StandIn,
    /// Rust files that cannot be parsed.
    Syntax,
    /// Type names that are declared more than once.
    TypeName,
    /// Comment lines of more than 120 columns.
    Width,
}

impl Display for LintRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self);
        f.write_str(value.as_ref().map_or("rule", |value| value.get_name()))
    }
}

/// One place that breaks a rule. Sorts by path and line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LintFinding {
    /// Relative to the workspace, with `/`.
    pub(super) path: String,
    /// Counted from 1.
    pub(super) line: usize,
    /// The rule that is broken.
    pub(super) rule: LintRule,
    /// What is wrong there.
    pub(super) text: String,
}

impl LintFinding {
    pub(super) fn new(path: &str, line: usize, rule: LintRule, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, text: text.into() }
    }
}

impl Display for LintFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, text } = self;
        write!(f, "{path}:{line}: {rule}: {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_that_editors_can_follow() {
        let finding = LintFinding::new("a/b.rs", 7, LintRule::StandIn, "`told`");
        assert_eq!(finding.to_string(), "a/b.rs:7: stand-in: `told`");
    }
}
