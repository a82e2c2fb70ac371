//! `rstmon run` under a made-up service manager: what the daemon tells it is heard, what systemd would pass is passed.

use crate::{
    daemon::{self, Said},
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

/// More than any test passes: no memory may be had between fork and exec.
const MOST_PASSED: usize = 8;

/// How to start the service.
#[derive(Debug, Default)]
pub struct Setup {
    /// The configuration file's text.
    pub toml: String,
    /// Files besides, by name; `web.yml` becomes the web configuration.
    pub files: Vec<(&'static str, String)>,
    /// How often the manager wants a sign of life.
    pub watchdog: Option<Duration>,
    /// The manager listens on an abstract socket.
    pub abstract_manager: bool,
    /// Listeners that the manager opened.
    pub passed: Vec<OwnedFd>,
}

/// A running service; killed on drop.
#[derive(Debug)]
pub struct Service {
    child: Child,
    said: Said,
    manager: UnixDatagram,
    address: SocketAddr,
    directory: TempDir,
}

impl Service {
    /// Starts it and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends or does not say so in time; its stderr is in the message.
    pub fn start(setup: Setup) -> Result<Self> {
        let service = Self::launch(setup)?;
        service.hear("READY=1").with_context(|| format!("rstmon said:\n{}", service.said()))?;
        Ok(service)
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(setup: Setup) -> Result<Self> {
        let Setup { toml, files, watchdog, abstract_manager, passed } = setup;
        let directory = TempDir::with_prefix("rstmon-test-")?;
        let config = directory.path().join("rstmon.toml");
        std::fs::write(&config, toml)?;
        let (manager, name) = manager(directory.path(), abstract_manager)?;
        let address = daemon::free_address()?;
        let binary = daemon::binary().context("no rstmon binary")?;
        // LISTEN_PID is the daemon's own pid, which only its shell before the exec knows.
        let mut command = Command::new("sh");
        command
            .args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"])
            .arg(&binary)
            .arg("run")
            .arg(format!("--web.listen-address={address}"))
            .arg(format!("--socket={}", directory.path().join("run/rstmon.sock").display()))
            .arg(format!("--config={}", config.display()))
            .env("NOTIFY_SOCKET", name)
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
        let said = Said::listen(child.stderr.take().context("no stderr")?);
        Ok(Self { child, said, manager, address, directory })
    }

    /// Waits for a message to the manager with this line; returns the whole message.
    ///
    /// # Errors
    /// When it does not come in time.
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
        bail!("{line} was not heard, only {heard:?}; rstmon said:\n{}", self.said())
    }

    /// The next message to the manager, if one comes in time.
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

    /// Forgets the messages that nobody has waited for.
    ///
    /// # Errors
    /// As [`Service::listen`].
    pub fn forget(&self) -> Result<()> {
        while self.listen(Duration::from_millis(1))?.is_some() {}
        Ok(())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves HTTP unless listeners were passed.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its Unix socket, unless one was passed. Its directory is the daemon's to make.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("run/rstmon.sock")
    }

    /// A file of its configuration.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts another file in the place of one, as a careful administrator does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(&self, name: &str, text: &str) -> Result<()> {
        let new = self.file(&format!("{name}.new"));
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, self.file(name))?)
    }

    /// Its stderr so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.text()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)?)
    }

    /// Has it read its configuration again and waits until it has; returns what it then tells the manager.
    ///
    /// # Errors
    /// When it does not say so in time.
    pub fn reload(&self) -> Result<String> {
        self.signal(Signal::HUP)?;
        let begin = self.hear("RELOADING=1")?;
        ensure!(begin.contains("\nMONOTONIC_USEC="), "{begin}");
        self.hear("READY=1")
    }

    /// Asks it to end and waits for it.
    ///
    /// # Errors
    /// When it outlives SIGTERM.
    pub fn stop(mut self) -> Result<ExitStatus> {
        daemon::signal_and_wait(&mut self.child, Signal::TERM)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn end(&mut self) -> Result<ExitStatus> {
        crate::wait::until("the service to end", SOON, || Ok(self.child.try_wait()?))
    }
}

impl Drop for Service {
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

/// Has the child get these descriptors, numbered from [`FIRST_PASSED`].
fn pass(command: &mut Command, passed: &[OwnedFd]) {
    let numbers: Vec<i32> = passed.iter().map(AsRawFd::as_raw_fd).collect();
    let last = FIRST_PASSED + i32::try_from(numbers.len()).unwrap_or(0);
    // SAFETY: only fcntl, dup2 and errno, which may be called between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let checked = |result: i32| if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) };
            // All out of the way first, so that none is overwritten before it has been copied.
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
