//! The rules: facts -> cause, confidence and severity. Pure. They are tried in order, and the first that holds decides.
//!
//! Where the kernel gives a reason (since 6.10), the facts look at it first. On older kernels (`unsupported`, or 0 =
//! `not_specified` for active resets of 6.10 and 6.11) the same cause follows from the socket, mostly with a lower
//! confidence.

#[macro_use]
mod table;
mod received;
mod sent;

use super::{Cause, Confidence, Facts, Severity};
use crate::model::Direction;
pub(crate) use table::Judgement;
use table::Rule;

/// The last row of either direction.
const UNEXPLAINED: Rule = Rule {
    name: "unexplained",
    holds: |_| true,
    cause: Cause::Unexplained,
    confidence: |_| Confidence::Guess,
    severity: |_| Severity::Notice,
};

/// The cause of a reset, with what confidence it follows from the facts, and how harmful it was.
#[must_use]
pub(crate) fn judge(facts: &Facts) -> Judgement {
    let rules = match facts.direction {
        Direction::Sent => sent::RULES,
        Direction::Received => received::RULES,
    };
    let rule = rules.iter().find(|rule| (rule.holds)(facts)).unwrap_or(&UNEXPLAINED);
    Judgement {
        rule: rule.name,
        cause: rule.cause,
        confidence: (rule.confidence)(facts),
        severity: (rule.severity)(facts),
    }
}

/// Certain where the kernel or a record says so, else likely.
const fn sure_if(sure: bool) -> Confidence {
    if sure { Confidence::Certain } else { Confidence::Likely }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
