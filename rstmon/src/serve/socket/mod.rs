//! The daemon's Unix socket: its file, its routes, and the client that rstmon's commands use.
//!
//! Contract: file permissions decide which clients may connect. A successful answer is JSON, or one JSON object per
//! line. The paths and parameters are declared once, in `protocol`.

mod client;
pub(crate) mod file;
mod group;
mod limits;
mod protocol;
pub(crate) mod routes;

pub(crate) use client::{Client, ClientError, Lines};
pub(crate) use file::SocketOptions;
pub(crate) use limits::connection_limits;
