//! A program of others that runs for a scenario.

use crate::{child, daemon::StderrLog, netns::NetworkPlace, scene::End, skip, wait::SOON};
use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
};

/// A running program; ended on drop.
#[derive(Debug)]
pub struct Program {
    child: Child,
    said: StderrLog,
    written: StderrLog,
    input: Option<ChildStdin>,
}

impl Program {
    /// Starts an installed program in a namespace. Its standard input stays open and empty.
    ///
    /// # Errors
    /// When it is not installed or cannot be started.
    pub fn start(place: &NetworkPlace, name: &str, arguments: &[&str]) -> Result<Self> {
        let path = skip::find(name).with_context(|| format!("{name} is not installed"))?;
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child::spawn(place, &mut command).with_context(|| format!("starting {name}"))?;
        let said = StderrLog::collect(child.stderr.take().context("no stderr")?);
        let written = StderrLog::collect(child.stdout.take().context("no stdout")?);
        let input = child.stdin.take();
        Ok(Self { child, said, written, input })
    }

    /// Its end of a connection, under the name that the process has now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn end(&self, local: SocketAddr, remote: SocketAddr) -> Result<End> {
        let pid = self.child.id();
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).context("reading a program's name")?;
        Ok(End { pid, comm: comm.trim_end().to_owned(), local, remote })
    }

    /// Writes to its standard input.
    ///
    /// # Errors
    /// When it does not read any more.
    pub fn write(&mut self, text: &str) -> Result<()> {
        let input = self.input.as_mut().context("no standard input")?;
        input.write_all(text.as_bytes())?;
        Ok(input.flush()?)
    }

    /// What it has written to its standard output so far.
    ///
    /// # Errors
    /// When it has ended; its standard error is in the message.
    pub fn written(&mut self) -> Result<String> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the program ended with {status}:\n{}", self.said.text());
        }
        Ok(self.written.text())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.signal(Signal::CONT);
        let _ = child::end(&mut self.child, Signal::TERM, SOON);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
