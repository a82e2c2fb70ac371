//! A pipe whose reader does not read: what a stopped terminal, a hanging log shipper or a forgotten `| less` is to the
//! process that writes.

use crate::daemon::StderrLog;
use anyhow::{Context as _, Result};
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::{Errno, write},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};
use std::{fs::File, os::fd::OwnedFd, process::Stdio};

/// The filler of the pipe, a line of dots.
const FILLER: &[u8] = b"...............\n";

/// The read end of a pipe that was full when it was made.
#[derive(Debug)]
pub struct StoppedReader(File);

impl StoppedReader {
    /// A full pipe: any write to the returned end waits until this reader goes on.
    ///
    /// # Errors
    /// When no pipe can be made.
    pub fn full_pipe() -> Result<(Self, Stdio)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).context("a pipe")?;
        fcntl_setpipe_size(&writer, 4096).context("the size of a pipe")?;
        fill(&writer).context("filling a pipe")?;
        Ok((Self(reader.into()), writer.into()))
    }

    /// Reads everything from now on.
    #[must_use]
    pub fn go_on(self) -> StderrLog {
        StderrLog::collect(self.0)
    }
}

fn fill(pipe: &OwnedFd) -> Result<()> {
    let flags = fcntl_getfl(pipe)?;
    fcntl_setfl(pipe, flags | OFlags::NONBLOCK)?;
    loop {
        match write(pipe, FILLER) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    // Shared with the process that gets this end, which expects to wait.
    fcntl_setfl(pipe, flags)?;
    Ok(())
}
