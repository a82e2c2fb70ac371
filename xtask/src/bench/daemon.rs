//! A `rstmon run` of our own: own port, own socket, own directory; gone when dropped.

use super::{
    child::{QUIET, Running},
    http,
    scratch::Scratch,
};
use crate::workspace;
use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// How a daemon is started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Setup {
    /// Its configuration file; empty = the defaults.
    pub(super) toml: &'static str,
    /// Flags besides those that make it private.
    pub(super) flags: &'static [&'static str],
}

/// As installed.
pub(super) const DEFAULT: Setup = Setup { toml: "", flags: &[] };
/// Every reset becomes an event.
pub(super) const EVERY_EVENT: Setup = Setup { toml: "[events]\nrate_per_second = 0\n", flags: &[] };
/// Closed connections are forgotten.
pub(super) const NO_TOMBSTONES: Setup = Setup { toml: "[tombstones]\nentries = 0\n", flags: &[] };

/// A running daemon that is ready.
#[derive(Debug)]
pub(super) struct Daemon {
    running: Running,
    address: SocketAddr,
    /// From the start of its process to its first answer that it is ready.
    pub(super) start_time: Duration,
}

impl Daemon {
    /// Starts `binary` and waits until it is ready.
    pub(super) fn start(binary: &Path, setup: Setup) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let file = |name: &str| scratch.path().join(name);
        let address = free_address().context("cannot find a free port")?;
        workspace::write(&file("rstmon.toml"), setup.toml)?;
        let mut command = Command::new(binary);
        command
            .arg("run")
            .arg(format!("--config={}", file("rstmon.toml").display()))
            .arg(format!("--socket={}", file("rstmon.sock").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(setup.flags)
            // Nothing of the user's own settings.
            .env_clear();
        let started = Instant::now();
        let mut running = Running::start(&mut command, scratch)?;
        // Refused until it listens; from then on it answers once its hooks are attached.
        running.until("ready", |_| Ok(http::get(address, "/-/ready").is_ok_and(|(status, _)| status == 200)))?;
        Ok(Self { running, address, start_time: started.elapsed() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Its Unix socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.running.scratch.path().join("rstmon.sock")
    }

    /// Its metrics.
    pub(super) fn scrape(&self) -> anyhow::Result<String> {
        http::page(self.address, "/metrics")
    }

    /// Bytes of its metrics when they are compressed.
    pub(super) fn compressed_bytes(&self) -> anyhow::Result<u64> {
        http::compressed_length(self.address, "/metrics")
    }

    /// Waits until it has nothing to do.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        self.running.settle(QUIET)
    }

    /// Ends it in good order.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let status = self.running.end(Signal::TERM)?;
        ensure!(status.success(), "rstmon did not stop in good order ({status}) and said:\n{}", self.running.err());
        Ok(())
    }
}

/// An address on loopback that is free just now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
