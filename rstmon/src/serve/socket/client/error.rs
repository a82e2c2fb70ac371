//! Why a request to the daemon failed.

use crate::model::text::safe;
use hyper::StatusCode;
use std::{io, path::PathBuf, string::FromUtf8Error};

/// Why a request to the daemon failed. Each message is one line; the first ones end with what to do. None contains a
/// character of the daemon's that could steer a terminal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// There is no socket, or no process listens on it.
    #[error("no rstmon daemon answers on {}; start it with `systemctl start rstmon` or `rstmon run`", path.display())]
    NoDaemon { path: PathBuf, source: io::Error },
    /// The socket's mode does not allow this user to connect.
    #[error("not allowed to connect to {}; run as root or join the group that owns the socket", path.display())]
    Denied { path: PathBuf, source: io::Error },
    #[error("cannot connect to {}: {source}", path.display())]
    Connect { path: PathBuf, source: io::Error },
    /// Status 503: the daemon refuses for now, for example because there are too many subscribers. `reason` is its
    /// answer.
    #[error("the daemon is busy: {reason}")]
    Busy { reason: String },
    /// Any other status; most likely the daemon's version differs from this program's. `reason` is its answer.
    #[error("the daemon answers {status}: {reason}")]
    Refused { status: StatusCode, reason: String },
    #[error("the daemon behind {} has not answered for {seconds} s: it hangs, or this host is overloaded", path.display())]
    Silent { path: PathBuf, seconds: u64 },
    /// SIGSTOP, or a debugger.
    #[error("the daemon behind {} (process {pid}) is stopped; `kill -CONT {pid}` lets it go on", path.display())]
    Stopped { path: PathBuf, pid: i32 },
    /// The connection broke, or the answer was not HTTP.
    #[error("lost the connection to the daemon: {source}")]
    Broken { source: hyper::Error },
    /// A document that is incomplete or larger than the client accepts.
    #[error("cannot read the daemon's answer: {source}")]
    Document { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the daemon sent a line of more than {max} bytes")]
    LineTooLong { max: usize },
    #[error("the daemon sent a line that is no text: {source}")]
    NotText { source: FromUtf8Error },
    /// The message of the source repeats what the daemon sent.
    #[error("the daemon sent a document that is not JSON: {}", safe(&source.to_string()))]
    NotJson { source: serde_json::Error },
}

impl ClientError {
    /// Whether the daemon cannot be reached at the moment, in contrast to one that gives a wrong answer.
    #[must_use]
    pub(crate) fn is_no_connection(&self) -> bool {
        matches!(self, Self::NoDaemon { .. } | Self::Connect { .. } | Self::Broken { .. } | Self::Document { .. })
    }

    /// Whether there is a connection on which the daemon says nothing: the numbers that it sent before are not of now.
    #[must_use]
    pub(crate) fn is_no_answer(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Stopped { .. })
    }

    /// Whether no daemon is running, so that a command may do its work without one.
    #[must_use]
    pub(crate) fn is_no_daemon(&self) -> bool {
        matches!(self, Self::NoDaemon { .. })
    }
}
