//! The verdict on one reset.

use super::{Cause, Confidence, Facts, Severity, rules, sentence};
use crate::model::Reset;

/// Rule, cause, confidence, severity, the facts, and the evidence in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Name of the rule that decided.
    pub(crate) rule: &'static str,
    pub(crate) cause: Cause,
    pub(crate) confidence: Confidence,
    pub(crate) severity: Severity,
    /// The facts that the rules look at, by name.
    pub(crate) facts: Vec<String>,
    pub(crate) sentence: String,
}

impl Verdict {
    #[must_use]
    pub(crate) fn on(reset: &Reset) -> Self {
        let facts = Facts::from_reset(reset);
        let judgement = rules::judge(&facts);
        let rules::Judgement { rule, cause, confidence, severity } = judgement;
        Self {
            rule,
            cause,
            confidence,
            severity,
            facts: facts.names(),
            sentence: sentence::evidence(reset, &judgement),
        }
    }
}
