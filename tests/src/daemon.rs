//! A `rstmon run` for one test: with its own port, socket and directory; ended on drop.

use crate::{
    child, http,
    metrics::Metrics,
    netns::NetworkPlace,
    scratch, sockets,
    wait::{self, SOON},
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    env,
    io::{self, BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};
use tempfile::TempDir;

/// Environment variable: path of the binary under test.
pub const BINARY: &str = "RSTMON_BIN";

/// The path at which a daemon answers whether it is ready.
pub const READY: &str = "/-/ready";

/// The path of the binary under test; `None` if it has not been built.
#[must_use]
pub fn binary() -> Option<PathBuf> {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/rstmon");
    let path = env::var_os(BINARY).map_or_else(built, PathBuf::from);
    path.is_file().then_some(path)
}

/// Whether test `name` can run, as root and with the binary. Records a skipped test if not.
#[must_use]
pub fn unless_ready(name: &str) -> bool {
    let built = binary().is_some();
    if !built {
        crate::skip::note(name, &format!("no rstmon: build it in release mode or set {BINARY}"));
    }
    built && crate::skip::unless_root(name)
}

/// Environment variable: the path of a program with the feature `test-switches`, which no package has.
pub const BINARY_WITH_SWITCHES: &str = "RSTMON_SWITCHES_BIN";

/// The program with test switches, if test `name` can run: as root and with both programs. Records a skipped test if
/// not.
#[must_use]
pub fn program_with_switches(name: &str) -> Option<PathBuf> {
    if !unless_ready(name) {
        return None;
    }
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/rstmon");
    let path = env::var_os(BINARY_WITH_SWITCHES).map_or_else(built, PathBuf::from);
    let has_switches =
        Command::new(&path).args(["top", "--panic", "--help"]).output().is_ok_and(|output| output.status.success());
    if !has_switches {
        let fix = "cargo build --package rstmon --features test-switches";
        crate::skip::note(name, &format!("no rstmon with test switches: {fix}, or set {BINARY_WITH_SWITCHES}"));
    }
    has_switches.then_some(path)
}

/// Environment variable: the directory that a service manager has made for the daemon's store.
pub(crate) const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// Name of the store's directory below that of a daemon.
pub(crate) const STATE: &str = "state";

/// Runs `rstmon` with these arguments until it exits.
///
/// # Errors
/// When it cannot be started.
pub fn rstmon(arguments: &[&str]) -> Result<Output> {
    let binary = binary().context("no rstmon binary")?;
    Command::new(&binary).args(arguments).output().with_context(|| format!("starting {}", binary.display()))
}

/// The standard error of a child process, collected by a thread.
#[derive(Clone, Debug, Default)]
pub struct StderrLog(Arc<Mutex<String>>);

impl StderrLog {
    /// Reads lines until the stream ends.
    pub fn collect(stream: impl std::io::Read + Send + 'static) -> Self {
        let said = Self::default();
        let keeper = said.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut text = crate::lock(&keeper.0);
                text.push_str(&line);
                text.push('\n');
            }
        });
        said
    }

    /// The text collected so far.
    #[must_use]
    pub fn text(&self) -> String {
        crate::lock(&self.0).clone()
    }
}

/// Whether the daemon at `address` answers that it is ready. Does not connect if nothing listens there: a refused
/// connection is a reset, which another daemon on this host would count.
fn answers_ready(address: SocketAddr) -> bool {
    sockets::is_listened_to(address.port()).unwrap_or(true)
        && http::get(address, READY).is_ok_and(|answer| answer.status == 200)
}

/// A running daemon.
#[derive(Debug)]
pub struct DaemonProcess {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
    said: StderrLog,
}

impl DaemonProcess {
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
    /// As [`DaemonProcess::start`].
    pub fn configured(toml: &str) -> Result<Self> {
        Self::reached(toml, answers_ready)
    }

    /// The same for a daemon whose pages need a password or TLS: `ready` checks whether it is ready.
    ///
    /// # Errors
    /// As [`DaemonProcess::start`].
    pub fn reached(toml: &str, ready: impl Fn(SocketAddr) -> bool) -> Result<Self> {
        let directory = scratch::directory()?;
        std::fs::write(directory.path().join("rstmon.toml"), toml)?;
        Self::spawn(directory, free_address()?, Stdio::piped(), || Ok(()), ready)
    }

    /// The same with another standard error than a pipe that is read at once; [`Self::said`] returns nothing.
    ///
    /// # Errors
    /// As [`DaemonProcess::start`].
    pub fn logging_to(toml: &str, log: impl Into<Stdio>) -> Result<Self> {
        let directory = scratch::directory()?;
        std::fs::write(directory.path().join("rstmon.toml"), toml)?;
        Self::spawn(directory, free_address()?, log.into(), || Ok(()), answers_ready)
    }

    /// Starts a daemon whose files, and `rstmon.toml` unless it is there, are in `directory`. `prepare` runs in the
    /// child before the program is executed, and must allocate nothing.
    ///
    /// # Errors
    /// As [`DaemonProcess::start`].
    pub fn prepared(
        directory: TempDir,
        prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let config = directory.path().join("rstmon.toml");
        if !config.exists() {
            std::fs::write(&config, "")?;
        }
        Self::spawn(directory, free_address()?, Stdio::piped(), prepare, answers_ready)
    }

    fn spawn(
        directory: TempDir,
        address: SocketAddr,
        log: Stdio,
        prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
        ready: impl Fn(SocketAddr) -> bool,
    ) -> Result<Self> {
        let config = directory.path().join("rstmon.toml");
        let binary = binary().context("no rstmon binary")?;
        let mut command = Command::new(&binary);
        command
            .arg("run")
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--socket={}", directory.path().join("rstmon.sock").display()))
            .arg(format!("--config={}", config.display()))
            // A store of its own: by default, all daemons of a host share one.
            .env(STATE_DIRECTORY, directory.path().join(STATE))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        // SAFETY: the callers' closures allocate nothing.
        unsafe { command.pre_exec(prepare) };
        let mut child = child::spawn(&NetworkPlace::Host, &mut command)
            .with_context(|| format!("starting {}", binary.display()))?;
        let said = child.stderr.take().map(StderrLog::collect).unwrap_or_default();
        let mut daemon = Self { child, address, directory, said };
        daemon.await_ready(ready)?;
        Ok(daemon)
    }

    /// Waits until a daemon started by [`KilledDaemon::launch`] is ready.
    ///
    /// # Errors
    /// As [`DaemonProcess::start`].
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

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address of its HTTP server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The path of its Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("rstmon.sock")
    }

    /// The directory of its store, unless the configuration names another.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.directory.path().join(STATE)
    }

    /// Its standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.text()
    }

    /// Gets a page over HTTP.
    ///
    /// # Errors
    /// When there is no valid answer.
    pub fn get(&self, path: &str) -> Result<http::Answer> {
        http::get(self.address, path)
    }

    /// Gets `/metrics` and parses it.
    ///
    /// # Errors
    /// When there is no valid answer, or the metrics are not in the Prometheus text format.
    pub fn scrape(&self) -> Result<Metrics> {
        let answer = self.get("/metrics")?;
        ensure!(answer.status == 200, "/metrics answered {}: {}", answer.status, answer.body);
        Metrics::parse(&answer.body)
    }

    /// Sends SIGTERM and waits until it has exited with status 0.
    ///
    /// # Errors
    /// When it does not exit in time, exits with another status, or leaves its socket behind.
    pub fn stop(self) -> Result<()> {
        self.stop_and(|| {})
    }

    /// The same, and looks at what it has left before its directory is removed.
    ///
    /// # Errors
    /// As [`DaemonProcess::stop`].
    pub fn stop_and(mut self, look: impl FnOnce()) -> Result<()> {
        let status = signal_and_wait(&mut self.child, rustix::process::Signal::TERM)
            .with_context(|| format!("stopping rstmon, whose stderr is:\n{}", self.said.text()))?;
        ensure!(status.code() == Some(0), "rstmon run ended with {status}; stderr:\n{}", self.said.text());
        ensure!(!self.socket().exists(), "rstmon left its socket {}", self.socket().display());
        look();
        Ok(())
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<KilledDaemon> {
        self.child.kill()?;
        self.child.wait()?;
        let directory = std::mem::replace(&mut self.directory, scratch::directory()?);
        Ok(KilledDaemon { directory, address: self.address })
    }

    /// Sends a signal and waits until the process has exited.
    ///
    /// # Errors
    /// When the process does not exit in time.
    pub fn end_by(mut self, signal: rustix::process::Signal) -> Result<ExitStatus> {
        signal_and_wait(&mut self.child, signal)
    }
}

/// What a killed daemon leaves: its addresses, socket and configuration, for a successor.
#[derive(Debug)]
pub struct KilledDaemon {
    directory: TempDir,
    address: SocketAddr,
}

impl KilledDaemon {
    /// Starts another daemon with the same addresses, socket and configuration.
    ///
    /// # Errors
    /// As [`DaemonProcess::start`].
    pub fn replace(self) -> Result<DaemonProcess> {
        DaemonProcess::spawn(self.directory, self.address, Stdio::piped(), || Ok(()), answers_ready)
    }

    /// The same without waiting until it is ready: see [`DaemonProcess::ready`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(self) -> Result<DaemonProcess> {
        DaemonProcess::spawn(self.directory, self.address, Stdio::piped(), || Ok(()), |_| true)
    }
}

impl Drop for DaemonProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a child and waits until it has exited.
pub(crate) fn signal_and_wait(child: &mut Child, signal: rustix::process::Signal) -> Result<ExitStatus> {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal)?;
    wait::until("a child to end", SOON, || Ok(child.try_wait()?))
}

/// An address on loopback whose port is free at the moment.
///
/// # Errors
/// When no socket can be bound.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
