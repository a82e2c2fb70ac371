//! The bounds of the Unix socket's clients.

use crate::{serve::http::ConnectionLimits, sink::hub::STALL};

/// Clients are local and let in by file mode, so an idle one is disconnected only where all slots are in use, and one
/// that follows the events, which may be silent for ever, not even then. It has to read what it is sent, though. The
/// hub's bounded queue keeps a slow client from costing memory, and the write limit keeps a stalled one from holding
/// its slot.
#[must_use]
pub(crate) fn connection_limits() -> ConnectionLimits {
    ConnectionLimits { write: Some(STALL), idle: None, linger: None, ..ConnectionLimits::tcp() }
}
