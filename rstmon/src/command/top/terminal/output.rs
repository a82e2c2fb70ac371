//! Writes to the terminal on a thread of its own: a terminal that takes nothing (output stopped, a dead connection)
//! blocks that thread, and not the view.

use crate::{command::top::wake::ViewWaker, sync::lock};
use rustix::{
    io::{Errno, write},
    termios::{Action, QueueSelector, tcflow, tcflush},
};
use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Bytes of one write. The rest of a frame is discarded between two writes.
const CHUNK_BYTES: usize = 1024;

/// The end of the view's output. Clones write to the same terminal.
#[derive(Clone)]
pub(super) struct TerminalOutput(Arc<Shared>);

struct Shared {
    state: Mutex<OutputState>,
    /// Signalled at each change of `state`.
    changed: Condvar,
    /// Woken when the output has become idle or has failed.
    waker: Arc<ViewWaker>,
}

#[derive(Debug, Default)]
struct OutputState {
    /// To be written next.
    waiting: Vec<u8>,
    /// Whether the thread is writing.
    is_writing: bool,
    /// Whether the thread has to leave out the rest of what it is writing.
    discards: bool,
    failed: Option<Errno>,
}

impl OutputState {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.is_writing
    }
}

impl TerminalOutput {
    /// Starts the thread, which ends with the process.
    pub(super) fn start(waker: Arc<ViewWaker>) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), waker });
        let output = Self(Arc::clone(&shared));
        std::thread::Builder::new().name("rstmon-output".into()).spawn(move || shared.write_all())?;
        Ok(output)
    }

    /// Leaves `bytes` to the thread. Never waits.
    pub(super) fn send(&self, bytes: &[u8]) {
        lock(&self.0.state).waiting.extend_from_slice(bytes);
        self.0.changed.notify_all();
    }

    /// Whether everything has been written.
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.0.state).is_idle()
    }

    /// The error of the first write that failed.
    pub(super) fn failed(&self) -> Option<Errno> {
        lock(&self.0.state).failed
    }

    /// Waits until everything has been written. Returns whether it has.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let state = lock(&self.0.state);
        let waited = self.0.changed.wait_timeout_while(state, limit, |state| !state.is_idle());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_idle()
    }

    /// Discards what has not reached the terminal, and restarts its output. Afterwards there is room for some bytes.
    pub(super) fn discard(&self) {
        let mut state = lock(&self.0.state);
        state.waiting.clear();
        state.discards = state.is_writing;
        drop(state);
        let out = io::stdout();
        // Errors mean that the terminal is gone.
        let _ = tcflush(&out, QueueSelector::OFlush);
        // The kernel lets TCOON undo only TCOOFF (`n_tty_ioctl_helper`, drivers/tty/tty_ioctl.c), so that both together
        // undo Ctrl-S, too. They also wake a write that waits for room.
        let _ = tcflow(&out, Action::OOff);
        let _ = tcflow(&out, Action::OOn);
    }
}

impl Shared {
    fn write_all(&self) {
        let mut state = lock(&self.state);
        loop {
            state = self
                .changed
                .wait_while(state, |state| state.waiting.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let bytes = std::mem::take(&mut state.waiting);
            state.is_writing = true;
            let mut rest = &bytes[..];
            while !rest.is_empty() && !state.discards {
                drop(state);
                let written = write(io::stdout(), &rest[..rest.len().min(CHUNK_BYTES)]);
                state = lock(&self.state);
                match written {
                    Ok(written) => rest = &rest[written..],
                    Err(Errno::INTR) => {}
                    Err(error) => {
                        state.failed.get_or_insert(error);
                        break;
                    }
                }
            }
            state.is_writing = false;
            state.discards = false;
            self.changed.notify_all();
            if state.is_idle() {
                self.waker.wake();
            }
        }
    }
}
