//! Other programs as children: gone when dropped, and killed by the kernel when this process ends without dropping them.

use super::{proc::Used, scratch::Scratch};
use crate::{process, workspace};
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::{
    fs::File,
    io,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// No start or stop takes as long.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks: what a measured start may be too long by.
const POLL: Duration = Duration::from_millis(1);
/// A program that does not wait on purpose has settled once it has used no CPU for this long.
pub(super) const QUIET: Duration = Duration::from_millis(200);

/// A running program, what it writes, and a directory for its files.
#[derive(Debug)]
pub(super) struct Running {
    name: String,
    child: Child,
    // Last: its directory goes after it.
    pub(super) scratch: Scratch,
}

impl Running {
    /// Starts `command` with its output in files. It has to be called by the main thread: the kernel takes the end of the
    /// thread that started a program for the end of its parent.
    pub(super) fn start(command: &mut Command, scratch: Scratch) -> anyhow::Result<Self> {
        let create = |name| File::create(scratch.path().join(name)).with_context(|| format!("cannot create {name}"));
        command.stdin(Stdio::null()).stdout(create("out")?).stderr(create("err")?);
        // SAFETY: between fork and exec it makes one system call and allocates nothing. TERM, so that a program with
        // children of its own takes them along.
        unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?)) };
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start `{}`", process::describe(command)))?;
        Ok(Self { name, child, scratch })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// What it has written to standard output so far.
    pub(super) fn out(&self) -> String {
        workspace::read_text(&self.file("out")).unwrap_or_default()
    }

    /// What it has written to standard error so far.
    pub(super) fn err(&self) -> String {
        workspace::read_text(&self.file("err")).unwrap_or_default()
    }

    /// Waits until `condition` holds; an error if the program ends before.
    pub(super) fn until(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        while !condition(self)? {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} and said:\n{}{}", self.name, self.out(), self.err());
            }
            if started.elapsed() > DEADLINE {
                bail!("{} is not {what} after {DEADLINE:?} and said:\n{}{}", self.name, self.out(), self.err());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Waits until it has had nothing to do for as long as `quiet`: a tool still works through what it has gathered when
    /// the load is over.
    pub(super) fn settle(&mut self, quiet: Duration) -> anyhow::Result<()> {
        let pid = self.pid();
        let mut last = (Instant::now(), Used::by(pid)?.cpu_ns);
        self.until("at rest", |_| {
            let now = Used::by(pid)?.cpu_ns;
            // A wake-up or two to look at a clock is no work.
            if now > last.1 + 2_000_000 {
                last = (Instant::now(), now);
            }
            Ok(last.0.elapsed() >= quiet)
        })
    }

    /// Asks it to end, and waits for that.
    pub(super) fn end(&mut self, signal: Signal) -> anyhow::Result<ExitStatus> {
        match self.ended(signal).with_context(|| format!("cannot stop {}", self.name))? {
            Some(status) => Ok(status),
            None => bail!("{} does not stop; it said:\n{}", self.name, self.err()),
        }
    }

    fn ended(&mut self, signal: Signal) -> io::Result<Option<ExitStatus>> {
        // Of a child that nobody has waited for yet: the number is still its own.
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status));
        }
        kill_process(Pid::from_child(&self.child), signal)?;
        let asked = Instant::now();
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || asked.elapsed() > DEADLINE {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.ended(Signal::TERM);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start(&mut command, Scratch::new().expect("a directory")).expect("sh")
    }

    #[test]
    fn what_it_writes_is_seen_and_it_ends_when_asked() {
        let mut running = shell("echo ready; exec sleep 60");
        running.until("ready", |running| Ok(running.out() == "ready\n")).expect("ready");
        running.settle(QUIET).expect("asleep");
        assert!(!running.end(Signal::TERM).expect("an end").success());
    }

    #[test]
    fn an_early_end_is_an_error_with_its_last_words() {
        let error = shell("echo no luck >&2; exit 3").until("ready", |_| Ok(false)).expect_err("it ended").to_string();
        assert!(error.contains("exit status: 3") && error.contains("no luck"), "found {error}");
    }
}
