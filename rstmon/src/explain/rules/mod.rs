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
<<<<<<< HEAD
    let rule = rules.iter().find(|rule| (rule.holds)(facts)).unwrap_or(&UNEXPLAINED);
    Judgement {
        rule: rule.name,
        cause: rule.cause,
        confidence: (rule.confidence)(facts),
        severity: (rule.severity)(facts),
=======
    rules.iter().find_map(|rule| rule(facts)).unwrap_or((Cause::Unexplained, Guess))
}

/// The connection of the tombstone did not end by FINs.
pub(super) fn ended_by_reset(bits: Bits) -> bool {
    matches!(bits.ended(), Some(Ended::ResetSent | Ended::ResetReceived | Ended::Silent))
}

/// The connection was idle at the close here.
pub(super) fn closed_idle(bits: Bits) -> bool {
    bits.has(bit::CLOSED_HERE) && bits.phase() == Some(Phase::Idle)
}

impl Facts {
    fn is(&self, reason: &str) -> bool {
        self.reason.as_str() == reason
    }

    /// Whether the kernel gives no reason.
    fn is_unnamed(&self) -> bool {
        self.is(Reason::UNSUPPORTED) || self.is("not_specified")
    }

    /// Whether the kernel gives no reason, or `tcp_state`, its reason for every reset that has none of its own.
    fn is_vague(&self) -> bool {
        self.is("tcp_state") || self.is_unnamed()
    }

    fn is_active(&self) -> bool {
        self.bits.has(bit::ACTIVE)
    }

    /// Whether a process set the socket to CLOSE before it sent the RST, as `close()` does.
    fn is_set_to_close(&self) -> bool {
        self.is_active() && !self.bits.has(bit::STATE_KEPT)
    }

    /// `__tcp_close` shuts both directions down before anything else; `connect(AF_UNSPEC)` does not.
    fn is_closing(&self) -> bool {
        self.bits.has(bit::SHUT_RECEIVE | bit::SHUT_SEND)
    }

    fn sure_if(sure: bool) -> Confidence {
        if sure { Certain } else { Likely }
>>>>>>> h/k14
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
