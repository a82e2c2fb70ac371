//! Structured logs on standard error.

use super::config::Log;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG`, when set, refines the level per module.
pub fn start(log: &Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // A second start (in tests) keeps the first.
    let _ = if log.format == "json" {
        builder.json().try_init()
    } else {
        builder.with_ansi(io::stderr().is_terminal()).try_init()
    };
}
