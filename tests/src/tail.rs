//! A `rstmon tail --json` for one test, with functions that wait for events.

use crate::{
    daemon::{self, StderrLog},
    lock,
    netns::NetworkPlace,
    scene::Expected,
    sight::Sight,
    wait::{self, SOON},
};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// Part of the line that `tail` prints to stderr once it is attached.
const ATTACHED: &str = "watching";

#[derive(Debug, Default)]
struct TailOutput {
    events: Vec<Value>,
    nonsense: Option<String>,
}

/// A running `rstmon tail`; killed on drop.
#[derive(Debug)]
pub struct Tail {
    child: Child,
    said: StderrLog,
    seen: Arc<Mutex<TailOutput>>,
}

impl Tail {
    /// Starts it on a daemon's socket, with filters.
    ///
    /// # Errors
    /// When it ends or does not attach in time.
    pub fn through(socket: &Path, filters: &[&str]) -> Result<Self> {
        Self::start(&[&["--socket", &socket.display().to_string()], filters].concat())
    }

    /// Starts it with its own probe, without a daemon.
    ///
    /// # Errors
    /// As [`Tail::through`].
    pub fn standalone(filters: &[&str]) -> Result<Self> {
        Self::start(&[&["--standalone"], filters].concat())
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(daemon::binary().context("no rstmon binary")?);
        command.args(["tail", "--json"]).args(arguments);
        Self::of(command)
    }

    /// Starts a command that executes `rstmon tail --json`.
    ///
    /// # Errors
    /// As [`Tail::through`].
    pub fn of(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        let said = StderrLog::collect(child.stderr.take().context("no stderr")?);
        let output = BufReader::new(child.stdout.take().context("no stdout")?);
        let seen = Arc::<Mutex<TailOutput>>::default();
        let keeper = Arc::clone(&seen);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let mut seen = lock(&keeper);
                match serde_json::from_str::<Value>(&line) {
                    // The daemon's notice that this reader was too slow; the daemon counts the lost events as well.
                    Ok(notice) if notice.get("lost").is_some() => {}
                    Ok(event) => seen.events.push(event),
                    Err(error) => seen.nonsense = Some(format!("{error}: {line}")),
                }
            }
        });
        let mut tail = Self { child, said, seen };
        wait::until_true("tail to attach", SOON, || tail.attached())
            .with_context(|| format!("stderr of rstmon tail:\n{}", tail.said.text()))?;
        Ok(tail)
    }

    fn attached(&mut self) -> Result<bool> {
        if let Some(status) = self.child.try_wait()? {
            bail!("rstmon tail ended with {status}");
        }
        Ok(self.said.text().contains(ATTACHED))
    }

    /// All events read so far.
    ///
    /// # Errors
    /// When a line was not JSON.
    pub fn events(&self) -> Result<Vec<Value>> {
        let seen = lock(&self.seen);
        ensure!(seen.nonsense.is_none(), "tail wrote a line that is not JSON: {:?}", seen.nonsense);
        Ok(seen.events.clone())
    }

    /// The number of events read so far.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.seen).events.len()
    }

    /// Waits for the first event that fits, which may have been read already.
    ///
    /// # Errors
    /// When none fits in time; the message contains all events.
    pub fn wait_for(&self, what: &str, deadline: Duration, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = wait::until(what, deadline, || Ok(self.events()?.into_iter().find(|event| fits(event))));
        found.with_context(|| {
            let lines: Vec<String> = self.events().unwrap_or_default().iter().map(Value::to_string).collect();
            format!("events:\n{}\nstderr of rstmon tail:\n{}", lines.join("\n"), self.said.text())
        })
    }

    /// Waits for the event of an expected reset.
    ///
    /// # Errors
    /// As [`Tail::wait_for`].
    pub fn expect(&self, reset: &Expected) -> Result<Value> {
        self.wait_for(&format!("the event of {reset:?}"), SOON, |event| crate::judge::is_of(reset, event))
    }

    /// Waits for the event of an expected reset after `earlier` others of the same direction and connection.
    ///
    /// # Errors
    /// As [`Tail::wait_for`].
    pub fn expect_after(&self, earlier: usize, reset: &Expected) -> Result<Value> {
        let found = wait::until(&format!("event {earlier} of {reset:?}"), SOON, || {
            Ok(self.events()?.into_iter().filter(|event| crate::judge::is_of(reset, event)).nth(earlier))
        });
        found.with_context(|| {
            let along = self.events().unwrap_or_default().into_iter().filter(|event| crate::judge::is_of(reset, event));
            format!("along this connection:\n{}", along.map(|event| event.to_string()).collect::<Vec<_>>().join("\n"))
        })
    }

    /// Waits until the events of everything before this call have been read: provokes a distinct reset, a refused
    /// connection, and waits for its events of both ends. Requires a tail without filters.
    ///
    /// # Errors
    /// When they do not come.
    pub fn barrier(&self, place: &NetworkPlace) -> Result<()> {
        let port = place.run(|| -> Result<u16> {
            let address = daemon::free_address()?;
            ensure!(
                std::net::TcpStream::connect(address).is_err(),
                "{address} was opened by another process meanwhile"
            );
            Ok(address.port())
        })??;
        let hidden = Sight::of_kernel()?.of("sent_without_socket").0 == "unseen";
        for direction in ["sent", "received"].into_iter().filter(|direction| !(hidden && *direction == "sent")) {
            self.wait_for("the marker", SOON, |event| {
                event["direction"] == direction && event["service_port"] == port
            })?;
        }
        Ok(())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
