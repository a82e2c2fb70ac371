//! A `rstmon run` of the test's own: own port, own socket, own directory; gone when dropped.

use crate::{
    child, http,
    metrics::Metrics,
    netns::Place,
    scratch, sockets,
    wait::{self, SOON},
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    env,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use tempfile::TempDir;

/// Environment variable: the binary under test.
pub const BINARY: &str = "RSTMON_BIN";

/// Where a daemon says whether it is ready.
pub const READY: &str = "/-/ready";

/// The binary under test, `None` when there is none yet.
#[must_use]
pub fn binary() -> Option<PathBuf> {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/rstmon");
    let path = env::var_os(BINARY).map_or_else(built, PathBuf::from);
    path.is_file().then_some(path)
}

/// Whether test `name` can run: as root, with the binary. Notes the skip if not.
#[must_use]
pub fn unless_ready(name: &str) -> bool {
    let built = binary().is_some();
    if !built {
        crate::skip::note(name, &format!("no rstmon: build it in release mode or set {BINARY}"));
    }
    built && crate::skip::unless_root(name)
}

/// Runs `rstmon` to its end.
///
/// # Errors
/// When it cannot be started.
pub fn rstmon(arguments: &[&str]) -> Result<Output> {
    let binary = binary().context("no rstmon binary")?;
    Command::new(&binary).args(arguments).output().with_context(|| format!("starting {}", binary.display()))
}

/// What another thread reads from a child's stderr, for messages.
#[derive(Clone, Debug, Default)]
pub struct Said(Arc<Mutex<String>>);

impl Said {
    /// Reads lines until the stream ends.
    pub fn listen(stream: impl std::io::Read + Send + 'static) -> Self {
        let said = Self::default();
        let keeper = said.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut text = keeper.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
            }
        });
        said
    }

    /// All of it so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the daemon there says that it is ready. Not asked while nobody listens: to be refused is a reset, which another
/// daemon that watches this host would count.
fn answers_ready(address: SocketAddr) -> bool {
    sockets::is_listened_to(address.port()).unwrap_or(true)
        && http::get(address, READY).is_ok_and(|answer| answer.status == 200)
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
    said: Said,
}

impl Daemon {
    /// Starts a daemon with the default configuration and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or does not get ready in time; its stderr is in the message.
    pub fn start() -> Result<Self> {
        Self::configured("")
    }

    /// Starts a daemon with a configuration file of this text.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn configured(toml: &str) -> Result<Self> {
        Self::reached(toml, answers_ready)
    }

    /// The same for a daemon that does not answer to everybody: `ready` knows how to ask it.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn reached(toml: &str, ready: impl Fn(SocketAddr) -> bool) -> Result<Self> {
        let directory = scratch::directory()?;
        std::fs::write(directory.path().join("rstmon.toml"), toml)?;
        Self::spawn(directory, free_address()?, ready)
    }

    fn spawn(directory: TempDir, address: SocketAddr, ready: impl Fn(SocketAddr) -> bool) -> Result<Self> {
        let config = directory.path().join("rstmon.toml");
        let binary = binary().context("no rstmon binary")?;
        let mut command = Command::new(&binary);
        command
            .arg("run")
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--socket={}", directory.path().join("rstmon.sock").display()))
            .arg(format!("--config={}", config.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child =
            child::spawn(&Place::Host, &mut command).with_context(|| format!("starting {}", binary.display()))?;
        let said = Said::listen(child.stderr.take().context("no stderr")?);
        let mut daemon = Self { child, address, directory, said };
        daemon.await_ready(ready)?;
        Ok(daemon)
    }

    /// Waits until a daemon that was only launched is ready.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn ready(&mut self) -> Result<()> {
        self.await_ready(answers_ready)
    }

    fn await_ready(&mut self, is_ready: impl Fn(SocketAddr) -> bool) -> Result<()> {
        let ready = wait::until_true("rstmon to be ready", SOON, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("rstmon run ended with {status}");
            }
            Ok(is_ready(self.address))
        });
        ready.with_context(|| format!("rstmon said:\n{}", self.said.text()))
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves HTTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("rstmon.sock")
    }

    /// Its stderr so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.text()
    }

    /// Gets a page.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn get(&self, path: &str) -> Result<http::Answer> {
        http::get(self.address, path)
    }

    /// Scrapes the metrics.
    ///
    /// # Errors
    /// When they cannot be had or are not in the format.
    pub fn scrape(&self) -> Result<Metrics> {
        let answer = self.get("/metrics")?;
        ensure!(answer.status == 200, "/metrics answered {}: {}", answer.status, answer.body);
        Metrics::parse(&answer.body)
    }

    /// Asks it to end (SIGTERM) and waits until it has, in good order.
    ///
    /// # Errors
    /// When it does not in time or with another status than 0.
    pub fn stop(mut self) -> Result<()> {
        let status = signal_and_wait(&mut self.child, rustix::process::Signal::TERM)
            .with_context(|| format!("stopping rstmon, which said:\n{}", self.said.text()))?;
        ensure!(status.code() == Some(0), "rstmon run ended with {status} and said:\n{}", self.said.text());
        ensure!(!self.socket().exists(), "rstmon left its socket {}", self.socket().display());
        Ok(())
    }

    /// Kills it without a warning.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<Dead> {
        self.child.kill()?;
        self.child.wait()?;
        let directory = std::mem::replace(&mut self.directory, scratch::directory()?);
        Ok(Dead { directory, address: self.address })
    }

    /// Sends a signal and waits for the end it brings.
    ///
    /// # Errors
    /// When the process outlives it.
    pub fn end_by(mut self, signal: rustix::process::Signal) -> Result<ExitStatus> {
        signal_and_wait(&mut self.child, signal)
    }
}

/// What a killed daemon left: another can take its place.
#[derive(Debug)]
pub struct Dead {
    directory: TempDir,
    address: SocketAddr,
}

impl Dead {
    /// Starts another daemon: same addresses, same socket, same configuration.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn replace(self) -> Result<Daemon> {
        Daemon::spawn(self.directory, self.address, answers_ready)
    }

    /// The same without waiting until it is ready: see [`Daemon::ready`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(self) -> Result<Daemon> {
        Daemon::spawn(self.directory, self.address, |_| true)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a child and waits, with a deadline, for its end.
pub(crate) fn signal_and_wait(child: &mut Child, signal: rustix::process::Signal) -> Result<ExitStatus> {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal)?;
    wait::until("a child to end", SOON, || Ok(child.try_wait()?))
}

/// An address on loopback that is free just now.
///
/// # Errors
/// When no socket can be bound.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
