//! The verdict on one reset.

use super::{Cause, Confidence, Facts, Severity, rules, sentence};
use crate::model::Reset;

/// Cause, how sure, how bad, and the evidence in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What happened.
    pub(crate) cause: Cause,
    /// How it follows from the evidence.
    pub(crate) confidence: Confidence,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// The evidence with its numbers.
    pub(crate) sentence: String,
}

impl Verdict {
    /// Judges a reset.
    #[must_use]
    pub(crate) fn on(reset: &Reset) -> Self {
        let (cause, confidence) = rules::judge(&Facts::from_reset(reset));
        let severity = cause.entry().severity;
        Self { cause, confidence, severity, sentence: sentence::evidence(reset, cause) }
    }
}
