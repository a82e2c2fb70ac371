//! What may break a rule, and why: `exceptions.toml` beside this file.

use super::finding::{LintFinding, LintRule};
use serde::Deserialize;

/// Where the list is, relative to the workspace.
pub(super) const PATH: &str = "xtask/src/lint/exceptions.toml";

/// The list of all exceptions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LintExceptions {
    #[serde(default)]
    exception: Vec<LintException>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LintException {
    /// A file, or how the paths of several begin.
    path: String,
    rule: LintRule,
    /// What the finding's text contains; any if absent.
    contains: Option<String>,
    /// Why the rule does not apply there, for readers of the list.
    reason: String,
}

impl LintException {
    fn excuses(&self, finding: &LintFinding) -> bool {
        self.rule == finding.rule
            && finding.path.starts_with(&self.path)
            && self.contains.as_ref().is_none_or(|part| finding.text.contains(part))
    }
}

impl LintExceptions {
    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The findings that no exception excuses, and one for each exception that excuses nothing or gives no reason.
    pub(super) fn apply(&self, findings: Vec<LintFinding>) -> Vec<LintFinding> {
        let mut complaints = Vec::new();
        for exception in &self.exception {
            let LintException { path, rule, contains, reason } = exception;
            let part = contains.as_ref().map(|part| format!(" with `{part}`")).unwrap_or_default();
            let fault = if reason.trim().is_empty() {
                "has no reason"
            } else if findings.iter().any(|finding| exception.excuses(finding)) {
                continue;
            } else {
                "excuses nothing: remove it"
            };
            let text = format!("the exception from {rule} for {path}{part} {fault}");
            complaints.push(LintFinding::new(PATH, 1, LintRule::Exception, text));
        }
        let is_excused = |finding: &LintFinding| self.exception.iter().any(|exception| exception.excuses(finding));
        complaints.extend(findings.into_iter().filter(|finding| !is_excused(finding)));
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &str, rule: LintRule) -> LintFinding {
        LintFinding::new(path, 3, rule, "`told` in: a text")
    }

    fn remaining(list: &str, findings: &[LintFinding]) -> Vec<String> {
        let exceptions = LintExceptions::parse(list).expect("a valid list");
        exceptions.apply(findings.to_vec()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_exception_covers_its_rule_below_its_path() {
        let list = "[[exception]]\npath = \"a/\"\nrule = \"stand-in\"\nreason = \"a list of words\"";
        let findings = [
            finding("a/b.rs", LintRule::StandIn),
            finding("a/b.rs", LintRule::Width),
            finding("b.rs", LintRule::StandIn),
        ];
        assert_eq!(
            remaining(list, &findings),
            ["a/b.rs:3: width: `told` in: a text", "b.rs:3: stand-in: `told` in: a text"]
        );
    }

    #[test]
    fn an_exception_that_excuses_nothing_is_a_finding() {
        let list = "[[exception]]\npath = \"a/\"\nrule = \"stand-in\"\ncontains = \"nobody\"\nreason = \"a user\"";
        let found = remaining(list, &[finding("a/b.rs", LintRule::StandIn)]);
        assert_eq!(found.len(), 2, "found {found:?}");
        assert!(found[0].contains("for a/ with `nobody` excuses nothing"), "found {found:?}");
    }

    #[test]
    fn an_exception_needs_a_known_rule_and_a_reason() {
        let list =
            |rule: &str, reason: &str| format!("[[exception]]\npath = \"a\"\nrule = \"{rule}\"\nreason = \"{reason}\"");
        LintExceptions::parse(&list("no-rule", "why")).expect_err("an unknown rule");
        let found = remaining(&list("stand-in", " "), &[finding("a", LintRule::StandIn)]);
        assert!(found[0].contains("has no reason"), "found {found:?}");
    }

    #[test]
    fn the_list_of_this_repository_is_valid() {
        LintExceptions::parse(include_str!("exceptions.toml")).expect("a valid list");
    }
}
