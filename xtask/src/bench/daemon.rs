//! A `rstmon run` of our own: own port, own socket, own directory; gone when dropped.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{http, scratch::Scratch};
use crate::workspace;

/// No start or stop takes as long.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks: what a measured start may be too long by.
const POLL: Duration = Duration::from_millis(1);

/// How a daemon is started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Setup {
    /// Its configuration file; empty = the defaults.
    pub(super) toml: &'static str,
    /// Flags besides those that make it private.
    pub(super) flags: &'static [&'static str],
}

/// A running daemon that is ready.
#[derive(Debug)]
pub(super) struct Daemon {
    child: Child,
    address: SocketAddr,
    /// From the start of its process to its first answer that it is ready.
    pub(super) start_time: Duration,
    // Last: its directory goes after it.
    scratch: Scratch,
}

impl Daemon {
    /// Starts `binary` and waits until it is ready.
    pub(super) fn start(binary: &Path, setup: Setup) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let file = |name: &str| scratch.path().join(name);
        let address = free_address().context("cannot find a free port")?;
        workspace::write(&file("rstmon.toml"), setup.toml)?;
        let log = File::create(file("log")).context("cannot create the log")?;
        let mut command = Command::new(binary);
        command
            .arg("run")
            .arg(format!("--config={}", file("rstmon.toml").display()))
            .arg(format!("--socket={}", file("rstmon.sock").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(setup.flags)
            // Nothing of the user's own settings.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let mut daemon = Self { child, address, start_time: Duration::ZERO, scratch };
        daemon.await_ready(started)?;
        daemon.start_time = started.elapsed();
        Ok(daemon)
    }

    fn await_ready(&mut self, started: Instant) -> anyhow::Result<()> {
        // Refused until it listens; from then on it answers once its hooks are attached.
        while !http::get(self.address, "/-/ready").is_ok_and(|(status, _)| status == 200) {
            if let Some(status) = self.child.try_wait()? {
                bail!("rstmon run ended with {status} and said:\n{}", self.said());
            }
            if started.elapsed() > DEADLINE {
                bail!("rstmon was not ready after {DEADLINE:?} and said:\n{}", self.said());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn said(&self) -> String {
        workspace::read_text(&self.scratch.path().join("log")).unwrap_or_default()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its metrics.
    pub(super) fn scrape(&self) -> anyhow::Result<String> {
        http::page(self.address, "/metrics")
    }

    /// Ends it in good order.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let status = end(&mut self.child, Signal::TERM).context("cannot stop rstmon")?;
        match status.filter(std::process::ExitStatus::success) {
            Some(_) => Ok(()),
            None => bail!("rstmon did not stop in good order ({status:?}) and said:\n{}", self.said()),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `signal` and waits for the end that it brings; `None` if it does not, in time.
pub(super) fn end(child: &mut Child, signal: Signal) -> io::Result<Option<std::process::ExitStatus>> {
    // Of a child that nobody has waited for yet: the number is still its own.
    kill_process(Pid::from_child(child), signal)?;
    let asked = Instant::now();
    loop {
        let status = child.try_wait()?;
        if status.is_some() || asked.elapsed() > DEADLINE {
            return Ok(status);
        }
        thread::sleep(POLL);
    }
}

/// An address on loopback that is free just now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
