//! The signals that the view handles itself, so that the terminal is given back before any of them ends the process.

use signal_hook::{
    consts::{
        SIGABRT, SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2,
        SIGVTALRM, SIGXCPU, SIGXFSZ,
    },
    flag,
    low_level::pipe,
};
use std::{
    ffi::c_int,
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ViewSignal {
    /// End as the user does it with `q`.
    End,
    /// Give the terminal back, then do what the signal does by default: end the process, some with a core dump.
    Default(c_int),
    Suspend,
    /// The process goes on after it was stopped, also by SIGSTOP. The shell has changed the terminal meanwhile.
    Resume,
}

/// In the order in which signals that arrived together are handled.
const HANDLED: [(c_int, ViewSignal); 16] = [
    (SIGTERM, ViewSignal::End),
    (SIGINT, ViewSignal::End),
    (SIGHUP, ViewSignal::End),
    (SIGQUIT, ViewSignal::Default(SIGQUIT)),
    // Sent by another process; abort(3) ends the process before the view sees its signal.
    (SIGABRT, ViewSignal::Default(SIGABRT)),
    (SIGALRM, ViewSignal::Default(SIGALRM)),
    (SIGUSR1, ViewSignal::Default(SIGUSR1)),
    (SIGUSR2, ViewSignal::Default(SIGUSR2)),
    (SIGVTALRM, ViewSignal::Default(SIGVTALRM)),
    (SIGPROF, ViewSignal::Default(SIGPROF)),
    (SIGXCPU, ViewSignal::Default(SIGXCPU)),
    (SIGXFSZ, ViewSignal::Default(SIGXFSZ)),
    (SIGSYS, ViewSignal::Default(SIGSYS)),
    (SIGIO, ViewSignal::Default(SIGIO)),
    (SIGTSTP, ViewSignal::Suspend),
    (SIGCONT, ViewSignal::Resume),
];

pub(super) struct ViewSignals {
    caught: Vec<(Arc<AtomicBool>, ViewSignal)>,
    /// Readable after a signal.
    arrivals: UnixStream,
}

impl ViewSignals {
    pub(super) fn catch() -> io::Result<Self> {
        let (arrivals, wake) = UnixStream::pair()?;
        arrivals.set_nonblocking(true)?;
        let mut caught = Vec::with_capacity(HANDLED.len());
        for (signal, meaning) in HANDLED {
            let arrived = Arc::<AtomicBool>::default();
            // Actions run in this order, so the flag is set when the view is woken.
            flag::register(signal, Arc::clone(&arrived))?;
            pipe::register(signal, wake.try_clone()?)?;
            caught.push((arrived, meaning));
        }
        Ok(Self { caught, arrivals })
    }

    /// The next signal that has arrived.
    pub(super) fn take(&self) -> Option<ViewSignal> {
        while (&self.arrivals).read(&mut [0; 64]).is_ok_and(|bytes| bytes > 0) {}
        self.caught.iter().find(|(arrived, _)| arrived.swap(false, Ordering::Relaxed)).map(|&(_, meaning)| meaning)
    }
}

/// From now on the signals end the process again: what is left to do may block, such as an error message on a terminal
/// that takes no output.
impl Drop for ViewSignals {
    fn drop(&mut self) {
        for (signal, _) in HANDLED.iter().filter(|(_, meaning)| *meaning == ViewSignal::End) {
            // It fails only for signals that cannot be caught.
            let _ = flag::register_conditional_default(*signal, Arc::new(AtomicBool::new(true)));
        }
    }
}

impl AsFd for ViewSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.arrivals.as_fd()
    }
}
