//! Where the events of a command come from, for messages and reports.

use serde::{Serialize, Serializer};
use std::{fmt, path::PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The daemon that listens on this socket.
    Daemon(PathBuf),
    /// A probe in this process.
    Local,
    /// The recording in this file.
    Recording(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(path) => write!(f, "the daemon at {}", path.display()),
            Self::Local => f.write_str("a probe in this process"),
            Self::Recording(path) => write!(f, "the recording {}", path.display()),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
