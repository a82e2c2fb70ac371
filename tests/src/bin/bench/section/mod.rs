//! The sections of the report, one file each: how they are measured, their figures and text.

pub(crate) mod cpus;
pub(crate) mod flood;
pub(crate) mod hooks;
pub(crate) mod keepalive;
pub(crate) mod pace;
pub(crate) mod processes;
pub(crate) mod scrape;
pub(crate) mod sockets;
pub(crate) mod start;
pub(crate) mod subscribers;
pub(crate) mod throughput;
pub(crate) mod view;
