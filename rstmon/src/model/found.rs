use std::net::SocketAddr;

/// What this host's tables of sockets say of the ends of a reset, beyond the socket that was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A living connection here has the local end of the segment that no connection here matches, and this remote end.
    OtherConnection(SocketAddr),
    /// The end that a received reset names is on this host and lives: the other end of the connection, or the listener
    /// that was asked for one.
    TargetLives,
}
