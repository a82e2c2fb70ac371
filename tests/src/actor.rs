//! The parent's side of an actor: a child process that operates sockets on command (`src/bin/actor`).

use crate::{
    child, interruption,
    netns::NetworkPlace,
    protocol::{Fields, Reply},
    wait::{self, LATER, SOON},
};
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// The time between two checks for an interruption of this process.
const GLANCE: Duration = Duration::from_millis(100);

/// A running actor; killed and reaped on drop.
#[derive(Debug)]
pub struct Actor {
    child: Child,
    commands: Option<ChildStdin>,
    replies: Receiver<String>,
    comm: String,
}

impl Actor {
    /// Starts an actor named `comm` (at most 15 bytes, no blanks) in a namespace.
    ///
    /// # Errors
    /// When the binary is missing or the actor does not report its process id.
    pub fn spawn(place: &NetworkPlace, comm: &str) -> Result<Self> {
        let program = binary()?;
        let mut child = place
            .run(|| {
                Command::new(&program)
                    .arg0(comm)
                    .args(["--comm", comm])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
            })?
            .with_context(|| format!("starting {}", program.display()))?;
        let commands = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no stdout")?);
        let (sender, replies) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut actor = Self { child, commands, replies, comm: comm.to_owned() };
        let pid: u32 = actor.finish()?.get("pid")?;
        ensure!(pid == actor.pid(), "actor reports pid {pid}, its parent knows {}", actor.pid());
        Ok(actor)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its name, which is the comm of the process.
    #[must_use]
    pub fn comm(&self) -> &str {
        &self.comm
    }

    /// Runs a command and waits for its result.
    ///
    /// # Errors
    /// When the command fails, with the system call and the error number.
    pub fn ask(&mut self, command: &str) -> Result<Fields> {
        self.begin(command)?;
        self.finish().with_context(|| format!("{}[{}]: {command}", self.comm, self.pid()))
    }

    /// Runs a command that must fail; returns the error number.
    ///
    /// # Errors
    /// When the command succeeds.
    pub fn refused(&mut self, command: &str) -> Result<i32> {
        self.begin(command)?;
        match self.hear(LATER)? {
            Reply::Failed { errno, .. } => Ok(errno),
            Reply::Done(fields) => bail!("{}[{}]: {command} worked: {fields:?}", self.comm, self.pid()),
        }
    }

    /// Starts a command whose result [`Actor::finish`] waits for, so that several actors can work at once.
    ///
    /// # Errors
    /// When the actor is gone.
    pub fn begin(&mut self, command: &str) -> Result<()> {
        let commands = self.commands.as_mut().context("actor was dismissed")?;
        writeln!(commands, "{command}").with_context(|| format!("sending {} the command {command}", self.comm))
    }

    /// Waits for the result of the command that was started.
    ///
    /// # Errors
    /// When the command fails.
    pub fn finish(&mut self) -> Result<Fields> {
        self.finish_within(LATER)
    }

    /// Waits for the result of a command that may take long.
    ///
    /// # Errors
    /// When the command fails or takes longer than `deadline`.
    pub fn finish_within(&mut self, deadline: Duration) -> Result<Fields> {
        match self.hear(deadline)? {
            Reply::Done(fields) => Ok(fields),
            Reply::Failed { call, errno } => {
                bail!("{call}: {}", std::io::Error::from_raw_os_error(errno))
            }
        }
    }

    /// Waits until the number of unread bytes in a slot's socket is `bytes`.
    ///
    /// # Errors
    /// When they do not arrive in time.
    pub fn await_unread(&mut self, slot: &str, bytes: u64) -> Result<()> {
        let look = format!("look {slot}");
        crate::wait::until_true(&format!("{bytes} unread bytes"), SOON, || {
            Ok(self.ask(&look)?.get::<u64>("unread")? == bytes)
        })
    }

    /// Waits until everything written to a slot's socket has been acknowledged.
    ///
    /// # Errors
    /// When it is not in time.
    pub fn await_acknowledged(&mut self, slot: &str) -> Result<()> {
        let look = format!("look {slot}");
        crate::wait::until_true("the acknowledgement", SOON, || Ok(self.ask(&look)?.get::<u64>("unacked")? == 0))
    }

    /// Waits until the connection in a slot has a state.
    ///
    /// # Errors
    /// When it does not in time.
    pub(crate) fn await_state(&mut self, slot: &str, state: TcpState) -> Result<()> {
        let look = format!("look {slot}");
        crate::wait::until_true(&format!("state {state:?}"), SOON, || {
            Ok(self.ask(&look)?.get::<u8>("state")? == state as u8)
        })
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing an actor")?;
        self.child.wait().context("reaping an actor")?;
        Ok(())
    }

    /// Ends the process by a signal and waits until it is gone.
    ///
    /// # Errors
    /// When the signal cannot be sent or the process does not end by it.
    pub fn end_by(&mut self, signal: Signal) -> Result<()> {
        let status = child::end(&mut self.child, signal, SOON)?;
        ensure!(status.signal() == Some(signal.as_raw()), "{} ended with {status}", self.comm);
        Ok(())
    }

    /// Lets a child go on in this process' place, named `comm`, and waits for this process to exit; returns the id of
    /// the child, which executes all further commands. It ends when this is dropped.
    ///
    /// # Errors
    /// When it cannot fork.
    pub fn daemonize(&mut self, comm: &str) -> Result<u32> {
        let pid = self.ask(&format!("daemonize {comm}"))?.get("pid")?;
        self.child.wait().context("reaping an actor")?;
        comm.clone_into(&mut self.comm);
        Ok(pid)
    }

    /// Makes the process exit with `code` and waits until it is gone.
    ///
    /// # Errors
    /// When it exits with another status.
    pub fn exit(&mut self, code: i32) -> Result<()> {
        self.begin(&format!("exit {code}"))?;
        let status = self.child.wait().context("reaping an actor")?;
        ensure!(status.code() == Some(code), "{} ended with {status}", self.comm);
        Ok(())
    }

    fn hear(&mut self, deadline: Duration) -> Result<Reply> {
        let end = Instant::now() + wait::patient(deadline);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let heard = self.replies.recv_timeout(left.min(GLANCE));
            interruption::check()?;
            match heard {
                Ok(line) => return line.parse(),
                Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
                Err(error) => bail!("{}[{}] does not answer: {error}; its stderr is above", self.comm, self.pid()),
            }
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Forked children exit at the end of their standard input, which is closed when the actor is gone.
        self.commands = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// States of `include/net/tcp_states.h` that tests wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TcpState {
    /// The connection is open.
    Established = 1,
    /// We closed or shut down our side; the FIN is not acknowledged.
    FinWait1 = 4,
    /// We closed or shut down our side; the peer did not.
    FinWait2 = 5,
    /// There is no connection.
    Close = 7,
    /// The peer closed or shut down its side; we did not.
    CloseWait = 8,
    /// The peer closed its side first, we second; our FIN is not acknowledged.
    LastAck = 9,
    /// The socket is a listener.
    Listen = 10,
    /// Both sides closed at the same time.
    Closing = 11,
}

/// Path of the actor's binary, which cargo puts beside the directory of the running test.
fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("RSTMON_ACTOR") {
        return Ok(path.into());
    }
    let test = env::current_exe().context("path of the running test")?;
    let path = test.ancestors().skip(1).take(2).map(|dir| dir.join("actor")).find(|path| path.is_file());
    path.with_context(|| {
        format!("no actor beside {}: build it with `cargo build -p rstmon-tests --bins`", test.display())
    })
}
