//! The terminal while the view has it. Whatever happens, it is given back as it was.

use crate::command::Failure;
use crossterm::{
    cursor::Show,
    event::{self, DisableMouseCapture, EnableMouseCapture, Event},
    execute,
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io::{self, Stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
};

/// Whether the view has the terminal: giving it back twice would move the shell's cursor.
static TAKEN: AtomicBool = AtomicBool::new(false);

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
        TAKEN.store(true, Ordering::Relaxed);
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
            TAKEN.store(true, Ordering::Relaxed);
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

/// Reads the terminal's events on a thread of its own: crossterm never returns from a terminal that is gone, so it must
/// not be what the view waits in. The thread ends with the process.
pub(crate) fn events() -> Result<Receiver<Event>, Failure> {
    let (sender, events) = sync_channel(1024);
    std::thread::Builder::new()
        .name("rstmon-input".into())
        .spawn(move || while event::read().is_ok_and(|event| sender.send(event).is_ok()) {})
        .map_err(Failure::io("cannot start a thread"))?;
    Ok(events)
}

/// Whether the terminal is gone, so that no key will ever come.
pub(crate) fn is_gone() -> bool {
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::empty())];
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|_| polled[0].revents().intersects(gone))
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
    if !TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
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
