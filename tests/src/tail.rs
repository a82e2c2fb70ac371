//! A `rstmon tail --json` of the test's own, whose events can be awaited.

use crate::{
    daemon::{self, Said},
    netns::Place,
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
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// What `tail` says on stderr once it is attached.
const ATTACHED: &str = "watching";

#[derive(Debug, Default)]
struct Seen {
    events: Vec<Value>,
    nonsense: Option<String>,
}

/// A running `tail`; killed on drop.
#[derive(Debug)]
pub struct Tail {
    child: Child,
    said: Said,
    seen: Arc<Mutex<Seen>>,
}

impl Tail {
    /// Watches through a daemon's socket, with filters.
    ///
    /// # Errors
    /// When it ends or does not attach in time.
    pub fn through(socket: &Path, filters: &[&str]) -> Result<Self> {
        Self::start(&[&["--socket", &socket.display().to_string()], filters].concat())
    }

    /// Watches alone, without a daemon.
    ///
    /// # Errors
    /// As [`Tail::through`].
    pub fn standalone(filters: &[&str]) -> Result<Self> {
        Self::start(&[&["--standalone"], filters].concat())
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(daemon::binary().context("no rstmon binary")?);
        command.args(["tail", "--json"]).args(arguments);
        Self::of(command)
    }

    /// Watches with a command that becomes `rstmon tail --json`.
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
        let said = Said::listen(child.stderr.take().context("no stderr")?);
        let output = BufReader::new(child.stdout.take().context("no stdout")?);
        let seen = Arc::<Mutex<Seen>>::default();
        let keeper = Arc::clone(&seen);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let mut seen = keeper.lock().unwrap_or_else(PoisonError::into_inner);
                match serde_json::from_str::<Value>(&line) {
                    // The daemon's word that this reader was too slow; the daemon counts them, too.
                    Ok(word) if word.get("lost").is_some() => {}
                    Ok(event) => seen.events.push(event),
                    Err(error) => seen.nonsense = Some(format!("{error}: {line}")),
                }
            }
        });
        let mut tail = Self { child, said, seen };
        wait::until_true("tail to attach", SOON, || tail.attached())
            .with_context(|| format!("rstmon tail said:\n{}", tail.said.text()))?;
        Ok(tail)
    }

    fn attached(&mut self) -> Result<bool> {
        if let Some(status) = self.child.try_wait()? {
            bail!("rstmon tail ended with {status}");
        }
        Ok(self.said.text().contains(ATTACHED))
    }

    /// Everything seen so far.
    ///
    /// # Errors
    /// When a line was no JSON.
    pub fn events(&self) -> Result<Vec<Value>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(seen.nonsense.is_none(), "tail wrote a line that is no JSON: {:?}", seen.nonsense);
        Ok(seen.events.clone())
    }

    /// How many events were seen so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).events.len()
    }

    /// Awaits an event, the first that fits, seen already or still to come.
    ///
    /// # Errors
    /// When none fits in time; the message holds all that were seen.
    pub fn wait_for(&self, what: &str, deadline: Duration, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = wait::until(what, deadline, || Ok(self.events()?.into_iter().find(|event| fits(event))));
        found.with_context(|| {
            let lines: Vec<String> = self.events().unwrap_or_default().iter().map(Value::to_string).collect();
            format!("events seen:\n{}\nrstmon tail said:\n{}", lines.join("\n"), self.said.text())
        })
    }

    /// Awaits the event of an expected reset.
    ///
    /// # Errors
    /// As [`Tail::wait_for`].
    pub fn expect(&self, reset: &Expected) -> Result<Value> {
        self.wait_for(&format!("the event of {reset:?}"), SOON, |event| crate::judge::is_of(reset, event))
    }

    /// Waits until everything that happened before this call has been seen: provokes a reset that nothing else does, a
    /// refused connection, and awaits its events (both ends'). Needs a tail without filters.
    ///
    /// # Errors
    /// When they do not come.
    pub fn barrier(&self, place: &Place) -> Result<()> {
        let port = place.run(|| -> Result<u16> {
            let address = daemon::free_address()?;
            ensure!(std::net::TcpStream::connect(address).is_err(), "{address} was taken over by somebody");
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
