//! The daemon under measurement: its configurations, and the time that its start takes.

use anyhow::{Result, ensure};
use rstmon_tests::{
    daemon::{DaemonProcess, READY},
    http, vitals,
};
use std::time::{Duration, Instant};

/// All defaults, as after an installation.
pub(crate) const DEFAULT: &str = "";
/// Every reset becomes an event.
pub(crate) const EVERY_EVENT: &str = "[events]\nrate_per_second = 0\n";
/// Closed connections are forgotten.
pub(crate) const NO_TOMBSTONES: &str = "[tombstones]\nentries = 0\n";

/// A program that does not wait on purpose is at rest once it has used no CPU for this long.
pub(crate) const QUIET: Duration = Duration::from_millis(200);

/// Starts a daemon; returns also the time from its start to its first answer that it is ready.
pub(crate) fn start(toml: &str) -> Result<(DaemonProcess, Duration)> {
    let started = Instant::now();
    // Refused until the daemon listens; from then on it answers once its hooks are attached.
    let is_ready = |address| http::get(address, READY).is_ok_and(|answer| answer.status == 200);
    let daemon = DaemonProcess::reached(toml, is_ready)?;
    Ok((daemon, started.elapsed()))
}

/// The text of its metrics, as a scraper gets it.
pub(crate) fn scrape_text(daemon: &DaemonProcess) -> Result<String> {
    let answer = daemon.get("/metrics")?;
    ensure!(answer.status == 200, "/metrics answered {}: {}", answer.status, answer.body);
    Ok(answer.body)
}

/// Waits until it has nothing to do.
pub(crate) fn settle(daemon: &DaemonProcess) -> Result<()> {
    vitals::await_rest(daemon.pid(), QUIET)
}
