//! What is measured, a file each: how, the figures, and their text.

pub(super) mod cpus;
pub(super) mod flood;
pub(super) mod hooks;
pub(super) mod keepalive;
pub(super) mod pace;
pub(super) mod processes;
pub(super) mod scrape;
pub(super) mod sockets;
pub(super) mod start;
pub(super) mod subscribers;
pub(super) mod throughput;
