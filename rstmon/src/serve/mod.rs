//! HTTP on TCP for Prometheus, HTTP on a Unix socket for rstmon's own commands, and the client of the latter.
//!
//! Contract: whatever a client does (sends garbage, sends slowly, does not read, never closes, opens many connections),
//! it costs a bounded amount of memory and time, and other clients are still served. The server does not interpret
//! resets: a [`Source`] supplies metrics, events and documents.
//!
//! ```text
//! accept -> (TLS) -> http::deadline -> http::connection -> gate: rate limit, users -> exporter routes   TCP
//! accept ----------> http::deadline -> http::connection ----------------------------> socket routes     Unix socket
//! ```
//!
//! Imports run one way: `http` and `auth` use nothing else here; `web_config` uses `auth`; `gate` uses these three;
//! `exporter` and `socket` use `http` and `source`; `accept` and `server` put them together.

mod accept;
mod auth;
mod exporter;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gate;
mod http;
mod server;
mod socket;
mod source;
#[cfg(test)]
mod tests;
pub(crate) mod web_config;

pub(crate) use exporter::{TelemetryPath, TelemetryPathError};
pub(crate) use http::{ConnectionLimits, Inherited, ListenAddress, ListenError, stop_signal};
pub(crate) use server::{ServeError, Server, ServerOptions, WebReload};
pub(crate) use socket::{Client, ClientError, Lines, SocketOptions, connection_limits};
pub(crate) use source::{NotReady, Past, RememberedLines, Source, SourceError};
