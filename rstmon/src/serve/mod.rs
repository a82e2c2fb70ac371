//! HTTP on TCP for Prometheus, HTTP on a Unix socket for rstmon's own commands, and the client of the latter.
//!
//! Contract: whatever a client does (sends garbage, sends slowly, does not read, never leaves, comes in crowds), it
//! costs a bounded amount of memory and time, and nobody else notices. The server knows nothing about resets: a
//! [`Source`] supplies text.
//!
//! ```text
//! accept -> (TLS) -> guard: deadlines -> connection: HTTP -> gate: rate, users -> exporter routes   TCP
//! accept ----------> guard: deadlines -> connection: HTTP ----------------------> live routes       Unix socket
//! ```

mod accept;
mod auth;
mod client;
mod connection;
mod crowd;
pub mod event;
mod exporter;
pub mod filter;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod group;
mod guard;
pub mod history;
mod hub;
mod inherit;
pub mod join;
mod landing;
mod limits;
mod lines;
mod listen;
mod live;
mod negotiate;
mod nss;
mod rate_limit;
mod respond;
mod scrape;
mod server;
mod shutdown;
pub mod snapshot;
mod source;
mod telemetry_path;
#[cfg(test)]
mod tests;
mod unix;
pub mod web_config;
mod work;

pub use client::{Client, ClientError};
pub use group::GroupError;
pub use hub::{
    DEFAULT_MAX_SUBSCRIBERS, DEFAULT_QUEUE_LINES, EVENT_SCHEMA, Hub, Subscription, TooManySubscribers, event_line,
};
pub use inherit::{InheritError, Inherited};
pub use limits::Limits;
pub use lines::Lines;
pub use listen::{ListenAddress, ListenError};
pub use server::{ServeError, Server, ServerOptions, WebReload};
pub use shutdown::{Stopper, Stopping, stop_signal};
pub use source::{NotReady, Source, SourceError};
pub use telemetry_path::{TelemetryPath, TelemetryPathError};
pub use unix::{DEFAULT_SOCKET, SocketError, SocketOptions};

/// Where the exporter listens unless told otherwise: on this host only.
///
/// The port is from the range above 10000 that Prometheus' list of default port allocations continues in since 9100 to
/// 9999 are taken, far above the entries that are handed out one after the other.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:10474";
