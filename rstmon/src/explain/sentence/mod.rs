//! The evidence of one reset in a sentence, with the numbers that decide. The sentence holds only what is known.
//!
//! One file for each family of causes; the words that they share are in `words`.

mod active;
mod late;
mod passive;
mod received;
mod words;

use super::rules::Judgement;
use crate::{explain::Cause, model::Direction, model::Reset};
pub(crate) use words::duration;

/// The sentence with the evidence for a judgement.
#[must_use]
pub(crate) fn evidence(reset: &Reset, judgement: &Judgement) -> String {
    match judgement.cause {
        Cause::Unexplained => format!(
            "no rule holds: reason {}, state {}, socket {}, evidence {}",
            reset.reason,
            words::state(reset.state),
            reset.socket,
            words::bit_names(reset)
        ),
        cause if reset.direction == Direction::Received => received::evidence(reset, cause),
        cause if reset.bits.has(rstmon_common::evidence::ACTIVE) => active::evidence(reset, cause),
        cause if judgement.rule.starts_with("late_") => late::evidence(reset, cause),
        cause => passive::evidence(reset, cause),
    }
}

#[cfg(test)]
mod tests;
