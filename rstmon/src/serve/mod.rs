//! HTTP on TCP for Prometheus, HTTP on a Unix socket for rstmon's own commands, and the client of the latter.
//!
//! Contract: whatever a client does (sends garbage, sends slowly, does not read, never leaves, comes in crowds), it
//! costs a bounded amount of memory and time, and other clients do not notice. The server knows nothing about resets: a
//! [`Source`] supplies text.
//!
//! ```text
//! accept -> (TLS) -> guard: deadlines -> connection: HTTP -> gate: rate, users -> exporter routes   TCP
//! accept ----------> guard: deadlines -> connection: HTTP ----------------------> live routes       Unix socket
//! ```

mod auth;
mod exporter;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod http;
mod server;
mod socket;
mod source;
#[cfg(test)]
mod tests;
pub(crate) mod web_config;

pub(crate) use exporter::{TelemetryPath, TelemetryPathError};
pub(crate) use http::{Inherited, Limits, ListenAddress, ListenError, stop_signal};
pub(crate) use server::{ServeError, Server, ServerOptions, WebReload};
pub(crate) use socket::{Client, ClientError, Lines, SocketOptions};
pub(crate) use source::{NotReady, Source, SourceError};
