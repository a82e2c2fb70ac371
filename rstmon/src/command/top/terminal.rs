//! The terminal while the view has it. Whatever happens, it is given back as it was.

use crate::command::Failure;
use crossterm::{
    cursor::Show,
    event::{DisableMouseCapture, EnableMouseCapture},
    execute,
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    io::{self, Stdout},
    panic,
    sync::Once,
    time::Duration,
};

/// The terminal in raw mode, on its alternate screen, with the mouse; given back on drop and on a panic.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal.
    pub(crate) fn take() -> Result<Self, Failure> {
        give_back_on_panic();
        Self::enter().map_err(Failure::io("cannot take the terminal"))
    }

    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on there is something to give back, also when one of the next steps fails.
        let given_back = GiveBack;
        execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture)?;
        let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        terminal.clear()?;
        std::mem::forget(given_back);
        Ok(Self { terminal })
    }

    /// Draws a frame.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Failure> {
        let failed = Failure::io("cannot draw on the terminal");
        // Terminals that can, show the frame as a whole.
        execute!(io::stdout(), BeginSynchronizedUpdate).map_err(&failed)?;
        let drawn = self.terminal.draw(draw).map(drop);
        execute!(io::stdout(), EndSynchronizedUpdate).and(drawn).map_err(&failed)
    }

    /// Draws everything at the next frame, not only what changed.
    pub(crate) fn clear(&mut self) -> Result<(), Failure> {
        self.terminal.clear().map_err(Failure::io("cannot clear the terminal"))
    }

    /// Gives the terminal to the shell until it is told to go on.
    pub(crate) fn suspend(&mut self) -> Result<(), Failure> {
        give_back();
        let stopped = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
        let taken = stopped.and_then(|()| enable_raw_mode()).and_then(|()| {
            execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture)?;
            self.terminal.clear()
        });
        taken.map_err(Failure::io("cannot take the terminal again"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// What a wait for input ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// There may be some: keys, or another size of the terminal.
    Maybe,
    /// The terminal is gone, and no key will ever come.
    Gone,
}

/// Waits for input, no longer than `timeout`. crossterm would read the end of a terminal that is gone for ever.
pub(crate) fn wait_for_input(timeout: Duration) -> Result<Input, Failure> {
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
    let timeout = Timespec::try_from(timeout).unwrap_or_default();
    match poll(&mut polled, Some(&timeout)) {
        // A signal: the size of the terminal may have changed.
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(Failure::io("cannot wait for the terminal")(errno.into())),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(if polled[0].revents().intersects(gone) { Input::Gone } else { Input::Maybe })
}

/// Gives the terminal back when dropped.
struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        give_back();
    }
}

/// Nothing can be done about a terminal that is gone.
fn give_back() {
    let _ = execute!(io::stdout(), DisableMouseCapture, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// Before the message is printed, so that it can be read. A panic in another thread leaves the view alone.
fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let view = std::thread::current().id();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() == view {
                give_back();
            }
            before(info);
        }));
    });
}
