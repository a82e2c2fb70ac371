//! The verdict on one reset.

use super::{Cause, Confidence, Facts, Severity, rules, sentence};
use crate::model::Reset;

/// Cause, confidence, severity, and the evidence in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) cause: Cause,
    pub(crate) confidence: Confidence,
    pub(crate) severity: Severity,
    pub(crate) sentence: String,
}

impl Verdict {
    #[must_use]
    pub(crate) fn on(reset: &Reset) -> Self {
        let (cause, confidence) = rules::judge(&Facts::from_reset(reset));
        let severity = cause.entry().severity;
        Self { cause, confidence, severity, sentence: sentence::evidence(reset, cause) }
    }
}
