//! The terminal while the view uses it. It is restored on every way out of the view, including a panic.

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

/// Whether the view uses the terminal. Restoring it twice would move the shell's cursor.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal in raw mode, on its alternate screen, with mouse events. Restored on drop and on a panic.
pub(crate) struct TerminalScreen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl TerminalScreen {
    pub(crate) fn take() -> Result<Self, Failure> {
        restore_on_panic();
        Self::enter().map_err(Failure::io("cannot take the terminal"))
    }

    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::Relaxed);
        // Restores the terminal if one of the next steps fails.
        let restore_on_error = RestoreOnDrop;
        execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture)?;
        let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        terminal.clear()?;
        std::mem::forget(restore_on_error);
        Ok(Self { terminal })
    }

    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Failure> {
        let failed = Failure::io("cannot draw on the terminal");
        // Terminals that support synchronized updates show the frame as a whole.
        execute!(io::stdout(), BeginSynchronizedUpdate).map_err(&failed)?;
        let drawn = self.terminal.draw(draw).map(drop);
        execute!(io::stdout(), EndSynchronizedUpdate).and(drawn).map_err(&failed)
    }

    /// Clears the screen, so that the next frame draws every cell and not only those that changed.
    pub(crate) fn clear(&mut self) -> Result<(), Failure> {
        self.terminal.clear().map_err(Failure::io("cannot clear the terminal"))
    }

    /// Restores the terminal and stops the process, as Ctrl-Z does. Takes the terminal again when the process is
    /// continued.
    pub(crate) fn suspend(&mut self) -> Result<(), Failure> {
        restore();
        let stopped = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
        let taken = stopped.and_then(|()| enable_raw_mode()).and_then(|()| {
            TAKEN.store(true, Ordering::Relaxed);
            execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture)?;
            self.terminal.clear()
        });
        taken.map_err(Failure::io("cannot take the terminal again"))
    }
}

impl Drop for TerminalScreen {
    fn drop(&mut self) {
        restore();
    }
}

/// Reads the terminal's events on a thread of their own, because crossterm never returns from reading a terminal that
/// is gone. The thread ends with the process.
pub(crate) fn events() -> Result<Receiver<Event>, Failure> {
    let (sender, events) = sync_channel(1024);
    std::thread::Builder::new()
        .name("rstmon-input".into())
        .spawn(move || while event::read().is_ok_and(|event| sender.send(event).is_ok()) {})
        .map_err(Failure::io("cannot start a thread"))?;
    Ok(events)
}

/// Whether the terminal is gone, so that no key can arrive any more.
pub(crate) fn is_gone() -> bool {
    let stdin = io::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::empty())];
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|_| polled[0].revents().intersects(gone))
}

/// Restores the terminal on drop.
struct RestoreOnDrop;

impl Drop for RestoreOnDrop {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    if !TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    // Errors mean that the terminal is gone.
    let _ = execute!(io::stdout(), DisableMouseCapture, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// Makes a panic of the view's thread restore the terminal before its message is printed. A panic of another thread
/// does not touch the terminal.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let view = std::thread::current().id();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if std::thread::current().id() == view {
                restore();
            }
            before(info);
        }));
    });
}
