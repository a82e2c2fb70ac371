//! The source of events, for messages and reports.

use serde::{Serialize, Serializer};
use std::{fmt, path::PathBuf};

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The daemon behind this socket.
    Daemon(PathBuf),
    /// A probe in this process.
    Local,
    /// This recording.
    Recording(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(path) => write!(f, "the daemon at {}", path.display()),
            Self::Local => f.write_str("this host, watched"),
            Self::Recording(path) => write!(f, "the recording {}", path.display()),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
