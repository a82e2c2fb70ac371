//! When `perf record` begins: it is started with its events off, told to switch them on, and says when it has.

use anyhow::Context as _;
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

/// Both ends of the conversation.
#[derive(Debug)]
pub(super) struct Control {
    commands: File,
    answers: File,
}

impl Control {
    /// Makes the pipes in `directory`, and adds the arguments that name them.
    pub(super) fn new(directory: &Path, command: &mut Command) -> anyhow::Result<Self> {
        let pipe = |name: &str| -> anyhow::Result<(String, File)> {
            let path = directory.join(name);
            mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).context("cannot make a named pipe")?;
            // For both directions, so that opening waits for nobody.
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

    /// Tells perf to begin.
    pub(super) fn enable(&mut self) -> anyhow::Result<()> {
        self.commands.write_all(b"enable\n").context("cannot speak to perf")
    }

    /// Whether it has begun.
    pub(super) fn acknowledged(&mut self) -> anyhow::Result<bool> {
        match self.answers.read(&mut [0; 16]) {
            Ok(bytes) => Ok(bytes > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("cannot hear perf"),
        }
    }
}
