//! This process's standard streams: colours and width of a terminal, output to a pipe that may close early, notes to
//! the user.

use crate::model::text::safe;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use std::{
    env,
    io::{self, IsTerminal, Write as _},
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct OutputError(#[from] io::Error);

/// Whether to write colours: only to a terminal that has them, and not when `NO_COLOR` is set.
#[must_use]
pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && !is_dumb() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the terminal can only print lines: `TERM` is `dumb`, or not set, so that nothing is known of the terminal.
#[must_use]
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
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

/// Ends the process with success as soon as the reader of standard output is gone, also while there is nothing to
/// print: a closed pipe, a terminal that has hung up. For commands that wait for something; must be called after the
/// process has given up privileges, because it starts a thread.
pub(crate) fn end_with_reader() -> io::Result<()> {
    thread::Builder::new().name("rstmon-reader".into()).spawn(await_end_of_reader).map(drop)
}

fn await_end_of_reader() {
    let out = io::stdout();
    loop {
        // Only HUP, ERR and NVAL are reported; of a file, nothing.
        let mut polled = [PollFd::new(&out, PollFlags::empty())];
        match poll(&mut polled, None) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => process::exit(0),
            Err(_) => return,
        }
    }
}

/// Writes a note for the user to standard error: standard output may be read by a program. What a note quotes (a path,
/// an answer of the daemon) cannot steer the terminal. Nothing is left to do when standard error is gone.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "rstmon: {}", safe_lines(text));
}

/// How long the end of the process waits for the reader of its last words.
const LAST_NOTE_TIMEOUT: Duration = Duration::from_secs(1);

/// [`note`] at the end of the process. A reader of standard error that has stopped does not keep it from ending.
pub(crate) fn last_note(text: &str) {
    let (done, written) = mpsc::channel();
    let owned = text.to_owned();
    let writer = thread::Builder::new().spawn(move || {
        note(&owned);
        // The error means that the time is over.
        let _ = done.send(());
    });
    match writer {
        Ok(_) => drop(written.recv_timeout(LAST_NOTE_TIMEOUT)),
        Err(_) => note(text),
    }
}

/// The lines of a text, each made [safe].
pub(crate) fn safe_lines(text: &str) -> String {
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

/// Prints what a command line such as `--version` asks for instead of a command, in the terminal's colours.
pub(crate) fn print_help(help: &clap::Error) -> Result<(), OutputError> {
    ended(help.print().and_then(|()| io::stdout().flush()))
}
