//! The signals of a process that watches.

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use std::{
    future::poll_fn,
    io,
    sync::{Arc, atomic::AtomicBool},
    task::{Context, Poll},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, caught instead of ending the process at once.
pub(crate) struct Termination {
    terminate: Signal,
    interrupt: Signal,
}

impl Termination {
    /// Catches both signals from now on. Must be called within an async runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Lets the signals end the process again, from now on: without this they stay caught, and a command whose terminal
    /// takes no output could not be ended by Ctrl-C.
    pub(crate) fn release(self) -> io::Result<()> {
        let Self { terminate: _, interrupt: _ } = self;
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_default(signal, Arc::new(AtomicBool::new(true)))?;
        }
        Ok(())
    }

    /// Waits for either signal, and returns its name. Cancel safe.
    pub(crate) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Signals that mean nothing to rstmon, and that would end the process without a word (signal(7), "Term" and "Core").
/// With SIGXFSZ caught, a write beyond `RLIMIT_FSIZE` fails as on a full disk, and is counted as such.
const MEANINGLESS: [(libc::c_int, &str); 10] = [
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGVTALRM, "SIGVTALRM"),
    (libc::SIGPROF, "SIGPROF"),
    (libc::SIGIO, "SIGIO"),
    (libc::SIGPWR, "SIGPWR"),
    (libc::SIGSTKFLT, "SIGSTKFLT"),
    (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGXFSZ, "SIGXFSZ"),
];

/// The signals that a daemon ignores, with a line in the log for the first of each kind.
pub(crate) struct IgnoredSignals(Vec<IgnoredSignal>);

struct IgnoredSignal {
    name: String,
    signal: Signal,
    reported: bool,
}

impl IgnoredSignals {
    /// Catches them from now on, real-time signals included. Must be called within an async runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        let named = MEANINGLESS.map(|(number, name)| (number, name.to_owned()));
        let real_time = (libc::SIGRTMIN()..=libc::SIGRTMAX()).map(|number| (number, format!("signal {number}")));
        let caught =
            |(number, name)| Ok(IgnoredSignal { name, signal: signal(SignalKind::from_raw(number))?, reported: false });
        Ok(Self(named.into_iter().chain(real_time).map(caught).collect::<io::Result<_>>()?))
    }

    /// Reports each kind once, so that a flood of signals is not a flood of lines. Never returns. Cancel safe.
    pub(crate) async fn report(&mut self) {
        poll_fn(|context| self.poll_report(context)).await;
    }

    fn poll_report(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for IgnoredSignal { name, signal, reported } in &mut self.0 {
            while let Poll::Ready(Some(())) = signal.poll_recv(context) {
                if !std::mem::replace(reported, true) {
                    tracing::info!(signal = name, "ignored: SIGTERM ends the daemon, SIGHUP reloads its configuration");
                }
            }
        }
        Poll::Pending
    }
}
