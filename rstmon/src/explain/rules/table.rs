//! The form of the table of rules, and of what a rule says.

use crate::explain::{Cause, Confidence, Facts, Severity};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// `verdict.rule` in the event.
    pub(super) name: &'static str,
    pub(super) holds: fn(&Facts) -> bool,
    pub(super) cause: Cause,
    pub(super) confidence: fn(&Facts) -> Confidence,
    pub(super) severity: fn(&Facts) -> Severity,
}

/// What a rule says about a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// Name of the rule that decided.
    pub(crate) rule: &'static str,
    pub(crate) cause: Cause,
    pub(crate) confidence: Confidence,
    pub(crate) severity: Severity,
}

/// The rows of a table: name, condition, cause, confidence, severity. All but the name and the cause are expressions
/// on the facts, which the first line names.
macro_rules! rules {
    ($f:ident => $( $name:literal: $holds:expr => $cause:ident, $confidence:expr, $severity:expr; )+) => {
        &[$( $crate::explain::rules::table::Rule {
            name: $name,
            holds: |$f| $holds,
            cause: $crate::explain::Cause::$cause,
            confidence: {
                #[allow(unused_variables, reason = "most rows have one confidence")]
                |$f| $confidence
            },
            severity: {
                #[allow(unused_variables, reason = "most rows have one severity")]
                |$f| $severity
            },
        }, )+]
    };
}
