//! A program of others that runs for a scenario.

use crate::{
    child,
    daemon::StderrLog,
    netns::NetworkPlace,
    scene::End,
    skip,
    wait::{self, LATER, SOON},
};
use anyhow::{Context as _, Result};
use rustix::process::Signal;
use std::{
    fs,
    net::SocketAddr,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
};

/// A running program; ended on drop.
#[derive(Debug)]
pub struct Program {
    child: Child,
    said: StderrLog,
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
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = child::spawn(place, &mut command).with_context(|| format!("starting {name}"))?;
        let said = StderrLog::collect(child.stderr.take().context("no stderr")?);
        let input = child.stdin.take();
        Ok(Self { child, said, input })
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

    /// Waits until it has exited by itself.
    ///
    /// # Errors
    /// When it runs on.
    pub fn exited(&mut self) -> Result<ExitStatus> {
        wait::until("the program to exit", LATER, || Ok(self.child.try_wait()?))
            .with_context(|| format!("it said:\n{}", self.said.text()))
    }

    /// What it has written to its standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.text()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.input = None;
        let _ = child::end(&mut self.child, Signal::TERM, SOON);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
