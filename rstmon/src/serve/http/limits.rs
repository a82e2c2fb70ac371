//! Every bound that the server sets its clients, in one place.

use std::time::Duration;

/// Bounds of one kind of listener. A `None` sets no bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// Open connections; the next one waits for a slot.
    pub(crate) connections: usize,
    /// How long a client may keep the server waiting while another connection waits for a slot, before it is evicted.
    pub(crate) evict_after: Option<Duration>,
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
    /// For the client to read what was sent to it.
    pub(crate) write: Option<Duration>,
    /// Between two requests on one connection.
    pub(crate) idle: Option<Duration>,
    /// For a client to close its end after the last answer. Until then what it sends is discarded: closing with data
    /// unread would reset the connection, and the answer would be lost with it.
    pub(crate) linger: Option<Duration>,
    /// Bytes discarded before the connection is reset all the same.
    pub(crate) linger_bytes: u64,
    /// For connections to end by themselves once the server stops.
    pub(crate) grace: Duration,
}

impl ConnectionLimits {
    /// For TCP: every client that reaches the port may be hostile or half gone.
    #[must_use]
    pub(crate) fn tcp() -> Self {
        Self {
            connections: 128,
            evict_after: Some(Duration::from_millis(500)),
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
}
