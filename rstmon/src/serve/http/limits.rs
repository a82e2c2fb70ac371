//! Every bound the server holds its clients to, in one place.

use crate::sink::hub::STALL;
use std::time::Duration;

/// Bounds of one kind of listener. `None` waits for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Open connections; the next one waits for a place.
    pub(crate) connections: usize,
    /// How long a client may keep the server waiting while others wait for a place; for ever if absent.
    pub(crate) crowd_patience: Option<Duration>,
    /// From accepting a connection to the end of its TLS handshake.
    pub(crate) handshake: Duration,
    /// From the first byte of a request (for the first request: from the connect) to the end of its header.
    pub(crate) header: Duration,
    /// Bytes of a request's header; at least 8192.
    pub(crate) header_bytes: usize,
    /// Lines of a request's header.
    pub(crate) header_lines: usize,
    /// From the end of a request's header to the first byte of the answer.
    pub(crate) answer: Duration,
    /// For the client to take what was sent to it.
    pub(crate) write: Option<Duration>,
    /// Between two requests on one connection.
    pub(crate) idle: Option<Duration>,
    /// For a client to close its end after the last answer. Until then what it sends is thrown away: closing with data
    /// unread would reset the connection, and the answer with it.
    pub(crate) linger: Option<Duration>,
    /// Bytes thrown away before the connection is reset all the same.
    pub(crate) linger_bytes: u64,
    /// For connections to end by themselves once the server stops.
    pub(crate) grace: Duration,
}

impl Limits {
    /// For TCP: whoever can reach the port may be hostile or half gone.
    #[must_use]
    pub(crate) fn tcp() -> Self {
        Self {
            connections: 128,
            crowd_patience: Some(Duration::from_millis(500)),
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            header_bytes: 16 * 1024,
            header_lines: 64,
            answer: Duration::from_secs(30),
            write: Some(Duration::from_secs(30)),
            // Prometheus keeps its side of an idle connection for five minutes. The server must keep it longer, or it
            // would reset scrapes in the very keep-alive race that rstmon explains.
            idle: Some(Duration::from_mins(6)),
            linger: Some(Duration::from_secs(2)),
            linger_bytes: 16 * 1024 * 1024,
            grace: Duration::from_secs(3),
        }
    }

    /// For the Unix socket: a client is local and let in by file mode. One that follows the events may be silent for
    /// ever, but has to take what it is sent: the hub's bounded queue keeps a slow one from costing memory, this limit a
    /// stalled one from keeping its seat.
    #[must_use]
    pub(crate) fn unix() -> Self {
        Self { write: Some(STALL), idle: None, crowd_patience: None, linger: None, ..Self::tcp() }
    }
}
