//! The terminal while the view uses it. It is restored on every way out of the view, including a panic.

mod backend;
mod output;

use super::wake::ViewWaker;
use crate::{command::Failure, sync::lock};
use backend::{FrameBackend, FrameBytes};
use crossterm::{
    cursor::Show,
    event::{self, DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event},
    queue,
    style::ResetColor,
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
        enable_raw_mode,
    },
};
use output::TerminalOutput;
use ratatui::{Frame, Terminal};
use rustix::io::Errno;
use std::{
    io, panic,
    sync::{
        Arc, Mutex, Once,
        mpsc::{Receiver, sync_channel},
    },
    time::Duration,
};

/// How long the last frame may take to reach the terminal before it is discarded.
const LAST_FRAME_LIMIT: Duration = Duration::from_millis(500);
/// How long the sequences that restore the terminal may take.
const RESTORE_LIMIT: Duration = Duration::from_millis(250);
/// Events of the terminal that may wait for the view.
const EVENTS: usize = 1024;

/// The output of the terminal while the view uses it. Restoring it twice would move the shell's cursor.
static TAKEN: Mutex<Option<TerminalOutput>> = Mutex::new(None);

/// The terminal in raw mode, on its alternate screen, with mouse events and bracketed paste. Restored on drop and on a
/// panic.
pub(crate) struct TerminalScreen {
    terminal: Terminal<FrameBackend>,
    frame: FrameBytes,
    output: TerminalOutput,
}

impl TerminalScreen {
    /// `waker` is woken when a frame has reached the terminal.
    pub(crate) fn take(waker: Arc<ViewWaker>) -> Result<Self, Failure> {
        restore_on_panic();
        Self::new(waker).map_err(Failure::io("cannot take the terminal"))
    }

    fn new(waker: Arc<ViewWaker>) -> io::Result<Self> {
        let frame = FrameBytes::default();
        let terminal = Terminal::new(FrameBackend::new(frame.clone()))?;
        let mut screen = Self { terminal, frame, output: TerminalOutput::start(waker)? };
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&mut self) -> io::Result<()> {
        // crossterm remembers the settings of the shell until raw mode is disabled; after a stop they may be others.
        disable_raw_mode()?;
        enable_raw_mode()?;
        *lock(&TAKEN) = Some(self.output.clone());
        queue!(self.frame, EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste)?;
        self.terminal.clear()?;
        self.output.send(&self.frame.take());
        Ok(())
    }

    /// Whether a frame can be drawn: the one before has reached the terminal, which the view uses.
    pub(crate) fn is_ready(&self) -> bool {
        self.output.is_idle() && lock(&TAKEN).is_some()
    }

    /// Whether the terminal can still be written to. `false` means that it is gone.
    pub(crate) fn is_there(&self) -> Result<bool, Failure> {
        match self.output.failed() {
            None => Ok(true),
            Some(Errno::IO | Errno::PIPE | Errno::NXIO) => Ok(false),
            Some(error) => Err(Failure::io("cannot draw on the terminal")(error.into())),
        }
    }

    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Failure> {
        let failed = Failure::io("cannot draw on the terminal");
        // Terminals that support synchronized updates show the frame as a whole.
        queue!(self.frame, BeginSynchronizedUpdate).map_err(&failed)?;
        self.terminal.draw(draw).map_err(&failed)?;
        queue!(self.frame, EndSynchronizedUpdate).map_err(&failed)?;
        self.output.send(&self.frame.take());
        Ok(())
    }

    /// Clears the screen, so that the next frame draws every cell and not only those that changed.
    pub(crate) fn clear(&mut self) -> Result<(), Failure> {
        self.terminal.clear().map_err(Failure::io("cannot clear the terminal"))
    }

    /// Restores the terminal and stops the process, as Ctrl-Z does. When it is continued, SIGCONT makes the view call
    /// [`resume`](Self::resume).
    pub(crate) fn suspend() -> Result<(), Failure> {
        restore();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)
            .map_err(Failure::io("cannot stop the process"))
    }

    /// Takes the terminal again.
    pub(crate) fn resume(&mut self) -> Result<(), Failure> {
        self.enter().map_err(Failure::io("cannot take the terminal again"))
    }
}

impl Drop for TerminalScreen {
    fn drop(&mut self) {
        restore();
    }
}

/// Reads the terminal's events on a thread of their own, because crossterm never returns from reading a terminal that
/// is gone. The thread ends with the process. `waker` is woken after each event.
pub(crate) fn events(waker: Arc<ViewWaker>) -> Result<Receiver<Event>, Failure> {
    let (sender, events) = sync_channel(EVENTS);
    let read = move || {
        while event::read().is_ok_and(|event| sender.send(event).is_ok()) {
            waker.wake();
        }
        drop(sender);
        waker.wake();
    };
    std::thread::Builder::new()
        .name("rstmon-input".into())
        .spawn(read)
        .map_err(Failure::io("cannot start a thread"))?;
    Ok(events)
}

/// Gives the terminal back, in less than a second, also when it takes no output.
fn restore() {
    let Some(output) = lock(&TAKEN).take() else { return };
    if !output.wait(LAST_FRAME_LIMIT) {
        output.discard();
        output.wait(RESTORE_LIMIT);
    }
    let mut bytes = Vec::new();
    // The frame may have been cut off. Writing to memory does not fail.
    let _ = queue!(
        bytes,
        EndSynchronizedUpdate,
        ResetColor,
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        Show
    );
    output.send(&bytes);
    output.wait(RESTORE_LIMIT);
    // An error means that the terminal is gone.
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
