//! A tool at work, with what it writes in files: some write a line for each reset.

use anyhow::{Context as _, Result, bail};
use rstmon_tests::{
    child,
    netns::NetworkPlace,
    vitals,
    wait::{self, LATER},
};
use rustix::process::Signal;
use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// A running program and the directory of its files; ended when dropped.
#[derive(Debug)]
pub(super) struct RunningTool {
    name: String,
    child: Child,
    directory: TempDir,
}

impl RunningTool {
    pub(super) fn start(place: &NetworkPlace, command: &mut Command, directory: TempDir) -> Result<Self> {
        let create = |name| File::create(directory.path().join(name)).with_context(|| format!("cannot create {name}"));
        command.stdin(Stdio::null()).stdout(create("out")?).stderr(create("err")?);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = child::spawn(place, command).with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, directory })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Standard output so far.
    pub(super) fn out(&self) -> String {
        self.text("out")
    }

    /// Standard error so far.
    pub(super) fn err(&self) -> String {
        self.text("err")
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    /// Waits until `condition` holds; an error if the program ends before.
    pub(super) fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        let waited = wait::until_true(what, LATER, || {
            if condition(self)? {
                return Ok(true);
            }
            match self.child.try_wait()? {
                Some(status) => bail!("{} ended with {status}", self.name),
                None => Ok(false),
            }
        });
        waited.with_context(|| format!("{} wrote:\n{}{}", self.name, self.out(), self.err()))
    }

    /// Waits until it has used no CPU time for as long as `quiet`.
    pub(super) fn settle(&self, quiet: Duration) -> Result<()> {
        vitals::await_rest(self.pid(), quiet).with_context(|| self.name.clone())
    }

    /// Sends a signal and waits for the end.
    pub(super) fn end(&mut self, signal: Signal) -> Result<()> {
        let ended = child::end(&mut self.child, signal, LATER);
        ended.map(drop).with_context(|| format!("{} wrote:\n{}", self.name, self.err()))
    }
}

impl Drop for RunningTool {
    fn drop(&mut self) {
        let _ = child::end(&mut self.child, Signal::TERM, LATER);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::QUIET;
    use rstmon_tests::scratch;

    fn shell(script: &str) -> RunningTool {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        RunningTool::start(&NetworkPlace::Host, &mut command, scratch::directory().expect("a directory")).expect("sh")
    }

    #[test]
    fn output_is_in_files_and_a_signal_ends_it() {
        let mut tool = shell("echo ready; exec sleep 60");
        tool.until("sh to be ready", |tool| Ok(tool.out() == "ready\n")).expect("ready");
        tool.settle(QUIET).expect("asleep");
        tool.end(Signal::TERM).expect("an end");
    }

    #[test]
    fn an_early_end_is_an_error_with_its_output() {
        let error = shell("echo no luck >&2; exit 3").until("sh to be ready", |_| Ok(false)).expect_err("it ended");
        let text = format!("{error:#}");
        assert!(text.contains("exit status: 3") && text.contains("no luck"), "found {text}");
    }
}
