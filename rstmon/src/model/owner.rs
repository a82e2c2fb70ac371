//! Who a socket belongs to, and how that is known.

use rstmon_common::key::provenance;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How an owner is known, from the surest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Provenance {
    /// The owner itself was executing.
    Current,
    /// Recorded at `connect()` or `listen()`.
    Opened,
    /// Recorded at `accept()`.
    Accepted,
    /// The last process that read from, or closed, the socket.
    Used,
    /// Copied from the listener.
    Inherited,
    /// Found by the iterator when rstmon started.
    Backfilled,
    /// Remembered from a socket that had closed.
    Tombstone,
    /// No owner is known.
    None,
}

impl Provenance {
    /// From the kernel half's number; an unknown number is no provenance.
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

    /// The word for it.
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
    /// Thread-group id, as the initial pid namespace sees it.
    pub(crate) pid: u32,
    /// Start of the thread-group leader, `CLOCK_BOOTTIME` nanoseconds; tells a recycled pid.
    pub(crate) start_ns: u64,
    /// The leader's comm, made safe.
    pub(crate) process: String,
    /// How it is known.
    pub(crate) provenance: Provenance,
}
