//! Why the daemon could not be asked.

use hyper::StatusCode;
use std::{io, path::PathBuf, string::FromUtf8Error};

/// Why the daemon could not be asked. Each message is one line; the first ones end with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// There is no socket, or nobody behind it.
    #[error("no rstmon daemon answers on {}; start it with `systemctl start rstmon` or `rstmon run`", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// From connect(2).
        source: io::Error,
    },
    /// The socket's mode keeps this user out.
    #[error("not allowed to connect to {}; run as root or join the group that owns the socket", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
        /// From connect(2).
        source: io::Error,
    },
    /// Any other failure to connect.
    #[error("cannot connect to {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// From connect(2).
        source: io::Error,
    },
    /// The daemon refused for now, for example because too many subscribers are there.
    #[error("the daemon is busy: {reason}")]
    Busy {
        /// In the daemon's words.
        reason: String,
    },
    /// The daemon refused; most likely its version differs from this program's.
    #[error("the daemon answers {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// In the daemon's words.
        reason: String,
    },
    /// No answer in time.
    #[error("the daemon behind {} does not answer", path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// The connection broke, or what came was no HTTP.
    #[error("lost the connection to the daemon: {source}")]
    Broken {
        /// Where it broke.
        source: hyper::Error,
    },
    /// A document did not come whole or is larger than any.
    #[error("cannot read the daemon's answer: {source}")]
    Document {
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A line longer than any event.
    #[error("the daemon sent a line of more than {max} bytes")]
    LineTooLong {
        /// The bound.
        max: usize,
    },
    /// A line that is not UTF-8.
    #[error("the daemon sent a line that is no text: {source}")]
    NotText {
        /// Where.
        source: FromUtf8Error,
    },
    /// A document that is not JSON.
    #[error("the daemon sent a document that is not JSON: {source}")]
    NotJson {
        /// Where.
        source: serde_json::Error,
    },
}

impl ClientError {
    /// Whether the daemon is not to be talked to now, in contrast to one that answers wrongly.
    #[must_use]
    pub(crate) fn is_no_connection(&self) -> bool {
        matches!(self, Self::NoDaemon { .. } | Self::Connect { .. } | Self::Broken { .. } | Self::Document { .. })
    }

    /// Whether there is simply no daemon, so that a command may do without.
    #[must_use]
    pub(crate) fn is_no_daemon(&self) -> bool {
        matches!(self, Self::NoDaemon { .. })
    }
}
