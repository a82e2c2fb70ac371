//! The terminal while the view has it. Whatever happens, it is given back as it was.

use crate::command::Failure;
use crossterm::{
    cursor::Show,
    event::{DisableMouseCapture, EnableMouseCapture},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};
use std::{
    io::{self, Stdout},
    panic,
    sync::Once,
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
        self.terminal.draw(draw).map(drop).map_err(Failure::io("cannot draw on the terminal"))
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
