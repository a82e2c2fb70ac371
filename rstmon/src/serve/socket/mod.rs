//! The Unix socket: its file, its routes and its client.

mod client;
mod group;
pub(crate) mod live;
pub(crate) mod unix;

pub(crate) use client::{Client, ClientError, Lines};
pub(crate) use unix::SocketOptions;
