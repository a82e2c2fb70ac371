//! `rstmon run` under a fake service manager: receives the daemon's notifications and passes what systemd would pass.

use crate::{
    daemon::{self, StderrLog},
    wait::{SOON, patient},
};
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use std::{
    ffi::OsString,
    net::SocketAddr,
    os::{
        fd::{AsRawFd, OwnedFd},
        linux::net::SocketAddrExt as _,
        unix::{
            net::{SocketAddr as UnixAddress, UnixDatagram},
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The first descriptor that a service manager passes (`SD_LISTEN_FDS_START`).
const FIRST_PASSED: i32 = 3;

/// More than any test passes: nothing may be allocated between fork and exec.
const MOST_PASSED: usize = 8;

/// The settings of a service.
#[derive(Debug, Default)]
pub struct ServiceSetup {
    /// Text of the configuration file.
    pub toml: String,
    /// Further files by name; `web.yml` becomes the web configuration.
    pub files: Vec<(&'static str, String)>,
    /// The watchdog interval of the manager.
    pub watchdog: Option<Duration>,
    /// Whether the manager listens on an abstract socket.
    pub abstract_manager: bool,
    /// Listeners that the manager passes.
    pub passed: Vec<OwnedFd>,
}

/// A running service; killed on drop.
#[derive(Debug)]
pub struct ServiceProcess {
    child: Child,
    said: StderrLog,
    manager: UnixDatagram,
    address: SocketAddr,
    directory: TempDir,
}

impl ServiceProcess {
    /// Starts it and waits until it reports that it is ready.
    ///
    /// # Errors
    /// When it ends or does not report in time; its stderr is in the message.
    pub fn start(setup: ServiceSetup) -> Result<Self> {
        let service = Self::launch(setup)?;
        service.hear("READY=1").with_context(|| format!("rstmon said:\n{}", service.said()))?;
        Ok(service)
    }

    /// Starts it without waiting.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(setup: ServiceSetup) -> Result<Self> {
        let ServiceSetup { toml, files, watchdog, abstract_manager, passed } = setup;
        let directory = TempDir::with_prefix("rstmon-test-")?;
        let config = directory.path().join("rstmon.toml");
        std::fs::write(&config, toml)?;
        let (manager, name) = manager(directory.path(), abstract_manager)?;
        let address = daemon::free_address()?;
        let binary = daemon::binary().context("no rstmon binary")?;
        // LISTEN_PID is the daemon's pid, which only the shell that executes it knows.
        let mut command = Command::new("sh");
        command
            .args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"])
            .arg(&binary)
            .arg("run")
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--socket={}", directory.path().join("run/rstmon.sock").display()))
            .arg(format!("--config={}", config.display()))
            .env("NOTIFY_SOCKET", name)
            .env(daemon::STATE_DIRECTORY, directory.path().join(daemon::STATE))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text)?;
            if name == "web.yml" {
                command.arg(format!("--web.config.file={}", directory.path().join(name).display()));
            }
        }
        if let Some(watchdog) = watchdog {
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        if !passed.is_empty() {
            command.env("LISTEN_FDS", passed.len().to_string());
        }
        pass(&mut command, &passed);
        let mut child = command.spawn().with_context(|| format!("starting {}", binary.display()))?;
        let said = StderrLog::collect(child.stderr.take().context("no stderr")?);
        Ok(Self { child, said, manager, address, directory })
    }

    /// Waits for a notification that has this line; returns the whole notification.
    ///
    /// # Errors
    /// When none comes in time.
    pub fn hear(&self, line: &str) -> Result<String> {
        let started = Instant::now();
        let mut heard = Vec::new();
        while started.elapsed() < patient(SOON) {
            if let Some(message) = self.listen(Duration::from_millis(100))? {
                if message.lines().any(|found| found.starts_with(line)) {
                    return Ok(message);
                }
                heard.push(message);
            }
        }
        bail!("no notification {line}, only {heard:?}; stderr of rstmon:\n{}", self.said())
    }

    /// The next notification, if one comes in time.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn listen(&self, patience: Duration) -> Result<Option<String>> {
        self.manager.set_read_timeout(Some(patience))?;
        let mut buffer = [0; 4096];
        match self.manager.recv(&mut buffer) {
            Ok(length) => Ok(Some(String::from_utf8_lossy(&buffer[..length]).into_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Discards the notifications that have not been read.
    ///
    /// # Errors
    /// As [`ServiceProcess::listen`].
    pub fn forget(&self) -> Result<()> {
        while self.listen(Duration::from_millis(1))?.is_some() {}
        Ok(())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address of its HTTP server, unless listeners were passed.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The path of its Unix socket, unless one was passed. The daemon creates the socket's directory.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("run/rstmon.sock")
    }

    /// The path of a file of its configuration.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces a file of its configuration atomically.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(&self, name: &str, text: &str) -> Result<()> {
        let new = self.file(&format!("{name}.new"));
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, self.file(name))?)
    }

    /// Its standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.text()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)?)
    }

    /// Makes it reload its configuration and waits until it has; returns its notification.
    ///
    /// # Errors
    /// When it does not report in time.
    pub fn reload(&self) -> Result<String> {
        self.signal(Signal::HUP)?;
        let begin = self.hear("RELOADING=1")?;
        ensure!(begin.contains("\nMONOTONIC_USEC="), "{begin}");
        self.hear("READY=1")
    }

    /// Sends SIGTERM and waits until it has exited.
    ///
    /// # Errors
    /// When it does not exit in time.
    pub fn stop(mut self) -> Result<ExitStatus> {
        daemon::signal_and_wait(&mut self.child, Signal::TERM)
    }

    /// Waits until it has exited.
    ///
    /// # Errors
    /// When it does not exit in time.
    pub fn end(&mut self) -> Result<ExitStatus> {
        crate::wait::until("the service to end", SOON, || Ok(self.child.try_wait()?))
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The manager's socket, and its name for `NOTIFY_SOCKET`.
fn manager(directory: &Path, hidden: bool) -> Result<(UnixDatagram, OsString)> {
    if !hidden {
        let path = directory.join("notify");
        return Ok((UnixDatagram::bind(&path)?, path.into()));
    }
    let name = directory.file_name().context("no name")?;
    let address = UnixAddress::from_abstract_name(name.as_encoded_bytes())?;
    let mut text = OsString::from("@");
    text.push(name);
    Ok((UnixDatagram::bind_addr(&address)?, text))
}

/// Makes the child inherit these descriptors, numbered from [`FIRST_PASSED`].
fn pass(command: &mut Command, passed: &[OwnedFd]) {
    let numbers: Vec<i32> = passed.iter().map(AsRawFd::as_raw_fd).collect();
    let last = FIRST_PASSED + i32::try_from(numbers.len()).unwrap_or(0);
    // SAFETY: only fcntl, dup2 and errno, which may be used between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let checked = |result: i32| if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) };
            // All are duplicated to higher numbers first, so that none is overwritten before it has been copied.
            let mut copies = [0; MOST_PASSED];
            for (copy, &number) in copies.iter_mut().zip(&numbers) {
                *copy = checked(libc::fcntl(number, libc::F_DUPFD_CLOEXEC, last))?;
            }
            for (&copy, wanted) in copies.iter().zip(FIRST_PASSED..last) {
                checked(libc::dup2(copy, wanted))?;
            }
            Ok(())
        });
    }
}
