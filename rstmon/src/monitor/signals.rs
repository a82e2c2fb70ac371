//! The signals that end a process that watches.

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
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
