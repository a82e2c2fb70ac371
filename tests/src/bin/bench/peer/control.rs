//! When `perf record` begins: it starts with its events off, enables them on command and acknowledges that.

use anyhow::{Context as _, Result};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::Command,
};

/// The file that perf records into.
pub(super) const DATA: &str = "perf.data";

/// The two named pipes of `perf record --control`.
#[derive(Debug)]
pub(super) struct PerfControl {
    commands: File,
    answers: File,
}

impl PerfControl {
    /// Makes the pipes in `directory`, and adds the arguments that name them.
    pub(super) fn new(directory: &Path, command: &mut Command) -> Result<Self> {
        let pipe = |name: &str| -> Result<(String, File)> {
            let path = directory.join(name);
            mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).context("cannot make a named pipe")?;
            // Opened for both directions, so that opening does not wait for perf to open the other end.
            let flags = i32::try_from(OFlags::NONBLOCK.bits()).context("a flag")?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).custom_flags(flags);
            let file = options.open(&path).context("cannot open a named pipe")?;
            Ok((path.display().to_string(), file))
        };
        let ((ask, commands), (answer, answers)) = (pipe("ask")?, pipe("answer")?);
        command.arg("-o").arg(directory.join(DATA)).arg(format!("--control=fifo:{ask},{answer}"));
        Ok(Self { commands, answers })
    }

    /// Has perf enable its events.
    pub(super) fn enable(&mut self) -> Result<()> {
        self.commands.write_all(b"enable\n").context("cannot write to perf")
    }

    /// Whether perf has acknowledged that.
    pub(super) fn acknowledged(&mut self) -> Result<bool> {
        match self.answers.read(&mut [0; 16]) {
            Ok(bytes) => Ok(bytes > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("cannot read from perf"),
        }
    }
}
