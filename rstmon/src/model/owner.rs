//! The process that a socket belongs to, and the source of that knowledge.

use rstmon_common::key::provenance;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The source of an owner, most certain first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Provenance {
    /// The owner was executing at the reset.
    Current,
    /// Recorded at `connect()` or `listen()`.
    Opened,
    /// Recorded at `accept()`.
    Accepted,
    /// The last process that read from, or closed, the socket.
    Used,
    /// Copied from the listener, or the owner may have left the socket to a child: then only the name is known.
    Inherited,
    /// Found by the iterator when rstmon started.
    Backfilled,
    /// Kept from a socket that had closed before the reset.
    Tombstone,
    /// No owner is known.
    None,
}

impl Provenance {
    /// The provenance with the kernel half's number; [`Self::None`] for an unknown number.
    #[must_use]
    pub(crate) fn from_record(number: u8) -> Self {
        match number {
            provenance::CURRENT => Self::Current,
            provenance::OPENED => Self::Opened,
            provenance::ACCEPTED => Self::Accepted,
            provenance::USED => Self::Used,
            provenance::INHERITED => Self::Inherited,
            provenance::BACKFILLED => Self::Backfilled,
            provenance::TOMBSTONE => Self::Tombstone,
            _ => Self::None,
        }
    }

    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Opened => "opened",
            Self::Accepted => "accepted",
            Self::Used => "used",
            Self::Inherited => "inherited",
            Self::Backfilled => "backfilled",
            Self::Tombstone => "tombstone",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The process that a socket belonged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Thread-group id, as the initial pid namespace sees it; `None` where only the name is known: that of the process
    /// that had the socket, or its listener, before.
    pub(crate) pid: Option<u32>,
    /// Start of the thread-group leader, `CLOCK_BOOTTIME` nanoseconds; distinguishes processes with the same pid.
    pub(crate) start_ns: u64,
    /// Comm of the thread-group leader, made safe by [`text::comm`](super::text::comm).
    pub(crate) process: String,
    pub(crate) provenance: Provenance,
}
