//! This process's standard streams: colours and width of a terminal, output to a pipe that may close early, notes to
//! the user.

use std::{
    env,
    io::{self, IsTerminal, Write as _},
    process,
};

#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct OutputError(#[from] io::Error);

/// Whether to write colours: only to a terminal, and not when `NO_COLOR` is set.
#[must_use]
pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Width of the terminal in columns, clamped to 60..=140; 100 if standard output is no terminal.
#[must_use]
pub(crate) fn width() -> usize {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map_or(100, |size| usize::from(size.ws_col)).clamp(60, 140)
}

/// Writes a text and a line end to standard output. Exits with success when the reader has closed the pipe.
pub(crate) fn print(text: &str) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(text.trim_end_matches('\n').as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    ended(written)
}

/// Many lines on standard output, buffered. Exits with success when the reader has closed the pipe.
pub(crate) struct OutputLines {
    out: io::BufWriter<io::Stdout>,
}

impl OutputLines {
    #[must_use]
    pub(crate) fn new() -> Self {
        Self { out: io::BufWriter::new(io::stdout()) }
    }

    /// Writes a line, given without its line end.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), OutputError> {
        ended(self.out.write_all(line).and_then(|()| self.out.write_all(b"\n")))
    }

    /// Writes what is in the buffer.
    pub(crate) fn finish(mut self) -> Result<(), OutputError> {
        ended(self.out.flush())
    }
}

/// `rstmon tail | head` is no failure.
fn ended(result: io::Result<()>) -> Result<(), OutputError> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        result => Ok(result?),
    }
}

/// Writes a note for the user to standard error: standard output may be read by a program.
#[expect(clippy::print_stderr, reason = "a note to the user at the terminal")]
pub(crate) fn note(text: &str) {
    eprintln!("rstmon: {text}");
}
