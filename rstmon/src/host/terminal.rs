//! This process's standard streams: colours and width of a terminal, output to a pipe that may close early, notes to
//! the user.

use crate::model::text::safe;
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
    match out
        .write_all(text.trim_end_matches('\n').as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
    {
        // `rstmon tail | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        result => Ok(result?),
    }
}

/// Writes a note for the user to standard error: standard output may be read by a program. What a note quotes (a path,
/// an answer of the daemon) cannot steer the terminal.
#[expect(clippy::print_stderr, reason = "a note to the user at the terminal")]
pub(crate) fn note(text: &str) {
    eprintln!("rstmon: {}", safe_lines(text));
}

/// The lines of a text, each made [safe].
pub(crate) fn safe_lines(text: &str) -> String {
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

/// Prints what a command line such as `--version` asks for instead of a command, in the terminal's colours.
pub(crate) fn print_help(help: &clap::Error) -> Result<(), OutputError> {
    match help.print().and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        result => Ok(result?),
    }
}
