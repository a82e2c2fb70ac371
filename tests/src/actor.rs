//! The test's end of an actor: a child process that does with sockets what it is told (`src/bin/actor`).

use crate::{
    interruption,
    netns::Place,
    protocol::{Fields, Reply},
    wait::{self, LATER, SOON},
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// Between two looks at whether this process was interrupted.
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
    /// Starts an actor of the name `comm` (at most 15 bytes, no blanks) in a namespace.
    ///
    /// # Errors
    /// When the binary is missing or does not report for duty.
    pub fn spawn(place: &Place, comm: &str) -> Result<Self> {
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

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process' name.
    #[must_use]
    pub fn comm(&self) -> &str {
        &self.comm
    }

    /// Has a command carried out.
    ///
    /// # Errors
    /// When it fails, with the call and the error number.
    pub fn ask(&mut self, command: &str) -> Result<Fields> {
        self.begin(command)?;
        self.finish().with_context(|| format!("{}[{}]: {command}", self.comm, self.pid()))
    }

    /// Has a command carried out that must fail, and returns the error number.
    ///
    /// # Errors
    /// When it succeeds.
    pub fn refused(&mut self, command: &str) -> Result<i32> {
        self.begin(command)?;
        match self.hear(LATER)? {
            Reply::Failed { errno, .. } => Ok(errno),
            Reply::Done(fields) => bail!("{}[{}]: {command} worked: {fields:?}", self.comm, self.pid()),
        }
    }

    /// Has a command started whose end [`Actor::finish`] awaits: for several actors at work at once.
    ///
    /// # Errors
    /// When the actor is gone.
    pub fn begin(&mut self, command: &str) -> Result<()> {
        let commands = self.commands.as_mut().context("actor was dismissed")?;
        writeln!(commands, "{command}").with_context(|| format!("telling {}: {command}", self.comm))
    }

    /// Awaits the end of what was begun.
    ///
    /// # Errors
    /// When it fails.
    pub fn finish(&mut self) -> Result<Fields> {
        self.finish_within(LATER)
    }

    /// Awaits the end of what was begun, if it may take long.
    ///
    /// # Errors
    /// When it fails or takes longer.
    pub fn finish_within(&mut self, deadline: Duration) -> Result<Fields> {
        match self.hear(deadline)? {
            Reply::Done(fields) => Ok(fields),
            Reply::Failed { call, errno } => {
                bail!("{call}: {}", std::io::Error::from_raw_os_error(errno))
            }
        }
    }

    /// The number of bytes that wait to be read in a slot's socket reaches `bytes`.
    ///
    /// # Errors
    /// When they do not arrive in time.
    pub fn await_unread(&mut self, slot: &str, bytes: u64) -> Result<()> {
        let look = format!("look {slot}");
        crate::wait::until_true(&format!("{bytes} unread bytes"), SOON, || {
            Ok(self.ask(&look)?.get::<u64>("unread")? == bytes)
        })
    }

    /// Everything written to a slot's socket has been acknowledged.
    ///
    /// # Errors
    /// When it is not in time.
    pub fn await_acknowledged(&mut self, slot: &str) -> Result<()> {
        let look = format!("look {slot}");
        crate::wait::until_true("the acknowledgement", SOON, || Ok(self.ask(&look)?.get::<u64>("unacked")? == 0))
    }

    /// A slot's connection reaches a state, named as in the kernel's enum.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn await_state(&mut self, slot: &str, state: TcpState) -> Result<()> {
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

    /// Has the process end itself and waits until it is gone.
    ///
    /// # Errors
    /// When it ends with another status.
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
        // Forked children see the end of their input once this process is gone, and end by themselves.
        self.commands = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// States of `include/net/tcp_states.h` that tests wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TcpState {
    /// Connected.
    Established = 1,
    /// We closed or shut down, the FIN is not acknowledged.
    FinWait1 = 4,
    /// We closed or shut down, the peer did not.
    FinWait2 = 5,
    /// Nothing left.
    Close = 7,
    /// The peer closed or shut down, we did not.
    CloseWait = 8,
    /// Both did, we are the last.
    LastAck = 9,
    /// A listener.
    Listen = 10,
    /// Both did at once.
    Closing = 11,
}

/// The actor's binary: beside the directory of the running test, where cargo puts it.
fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("RSTMON_ACTOR") {
        return Ok(path.into());
    }
    let test = env::current_exe().context("who am I")?;
    let path = test.ancestors().skip(1).take(2).map(|dir| dir.join("actor")).find(|path| path.is_file());
    path.with_context(|| {
        format!("no actor near {}: build it with `cargo build -p rstmon-tests --bins`", test.display())
    })
}
