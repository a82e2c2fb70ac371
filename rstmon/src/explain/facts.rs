//! What a rule may look at: a count key, decoded. Events and counters are judged by the same facts, so that their
//! causes agree.

use crate::model::{Bits, Direction, Reason, Reasons, Reset, SocketKind, State};
use rstmon_common::CountKey;

/// The part of a count key that decides the cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    pub(crate) direction: Direction,
    pub(crate) reason: Reason,
    /// The state before the reset.
    pub(crate) state: Option<State>,
    /// The kind of socket that the kernel had for the connection.
    pub(crate) socket: SocketKind,
    pub(crate) bits: Bits,
}

impl Facts {
    /// The facts of a count key. Values that this version does not know count as sent, and as no socket.
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

    /// The facts of a decoded event, equal to those of its count key.
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
