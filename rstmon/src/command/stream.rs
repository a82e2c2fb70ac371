//! What a command in the foreground needs: standard output with the colours and width of a terminal, readers that
//! leave early, notes to the user, and the runtime that its waiting runs on.

use super::Failure;
use std::io::{self, IsTerminal, Write as _};
use tokio::runtime::{Builder, Runtime};

/// Colours: only on a terminal, and not when `NO_COLOR` is set.
#[must_use]
pub fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Width of the terminal; 100 elsewhere.
#[must_use]
pub fn width() -> usize {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map_or(100, |size| usize::from(size.ws_col)).clamp(60, 140)
}

/// The runtime of a command that follows the daemon or waits: one thread.
pub fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(Failure::io("cannot start the runtime"))
}

/// Writes a text and a line end.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out
        .write_all(text.trim_end_matches('\n').as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
    {
        // `rstmon tail | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(Failure::io("cannot write to standard output")),
    }
}

/// For people: never on standard output, which may be read by a program.
#[expect(clippy::print_stderr, reason = "a note to the person at the terminal")]
pub fn note(text: &str) {
    eprintln!("rstmon: {text}");
}
