//! What a rule may look at: the count key, in words. Events and counters are judged by the same facts, so their
//! causes cannot disagree.

use crate::model::{Bits, Direction, Reason, Reasons, Reset, SocketKind, State};
use rstmon_common::CountKey;

/// The part of a count key that decides the cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    /// Which way the RST went.
    pub(crate) direction: Direction,
    /// The kernel's reason.
    pub(crate) reason: Reason,
    /// State before the reset.
    pub(crate) state: Option<State>,
    /// What the kernel had.
    pub(crate) socket: SocketKind,
    /// Bits of evidence.
    pub(crate) bits: Bits,
}

impl Facts {
    /// Of a count key.
    #[must_use]
    pub(crate) fn from_key(key: &CountKey, reasons: &Reasons) -> Self {
        Self {
            direction: Direction::from_record(key.direction).unwrap_or(Direction::Sent),
            reason: reasons.get(key.reason).clone(),
            state: State::from_record(key.state),
            socket: SocketKind::from_record(key.socket).unwrap_or(SocketKind::None),
            bits: Bits(key.evidence),
        }
    }

    /// Of a decoded event; equal to the facts of its key.
    #[must_use]
    pub(crate) fn from_reset(reset: &Reset) -> Self {
        Self {
            direction: reset.direction,
            reason: reset.reason.clone(),
            state: reset.state,
            socket: reset.socket,
            bits: reset.bits,
        }
    }
}
