//! The closed values of the evidence: phase of the conversation, means of a close, and how a connection ended. The word
//! of each is part of the event's JSON (`verdict.facts`).

use super::reset::words;
use rstmon_common::evidence::{ended, means, phase};
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// Phase of the conversation at the reset or, of a connection that a process here had closed, at the last close.
    Phase from
    /// The handshake was not complete.
    Handshake = phase::HANDSHAKE, "handshake";
    /// The end that opened the connection has sent no payload.
    Fresh = phase::FRESH, "fresh";
    /// An answer is owed.
    Request = phase::REQUEST, "request";
    /// The end that accepted the connection sent payload last, a moment ago.
    Answer = phase::ANSWER, "answer";
    /// The end that accepted the connection sent payload last, at least the keep-alive threshold ago.
    Idle = phase::IDLE, "idle";
    /// This end had been shut down for sending.
    HalfClosed = phase::HALF_CLOSED, "half_closed";
    /// Closed here, in an unknown phase.
    Closing = phase::CLOSING, "closing";
}

words! {
    /// How a process of this host had closed the connection.
    Means from
    Close = means::CLOSE, "close";
    /// With `SO_LINGER` of 0 seconds.
    Abort = means::ABORT, "abort";
    Exit = means::EXIT, "exit";
    /// The process was ended by a signal.
    Signal = means::SIGNAL, "signal";
    /// With `connect()` to `AF_UNSPEC`.
    Disconnect = means::DISCONNECT, "disconnect";
    /// With `SOCK_DESTROY`.
    Destroyed = means::DESTROYED, "destroyed";
    /// By a kernel thread.
    Other = means::OTHER, "other";
}

words! {
    /// How a remembered connection ended.
    Ended from
    Fins = ended::FINS, "fins";
    /// With a reset that this host sent.
    ResetSent = ended::RESET_SENT, "reset_sent";
    /// With a reset that this host received.
    ResetReceived = ended::RESET_RECEIVED, "reset_received";
    /// Without FIN and reset: a timeout.
    Silent = ended::SILENT, "silent";
}
