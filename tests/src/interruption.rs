//! Interruption of a long run by a signal. Every wait of this crate checks for it and returns an error, so that
//! resources are cleaned up as after any other failure. Test processes do not opt in: signals end them at once.

use anyhow::{Context as _, Result, bail};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    low_level::signal_name,
};
use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

/// The number of the last signal; 0 before the first.
static CAME: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// From now on SIGINT, SIGTERM and SIGHUP are recorded here instead of ending the process.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn watch() -> Result<()> {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        let number = usize::try_from(signal)?;
        flag::register_usize(signal, Arc::clone(&CAME), number).context("handling signals")?;
    }
    Ok(())
}

/// The number of the signal that was received, if any.
#[must_use]
pub fn signal() -> Option<u8> {
    u8::try_from(CAME.load(Ordering::Relaxed)).ok().filter(|signal| *signal > 0)
}

/// Fails if a signal was received.
///
/// # Errors
/// The signal's name.
pub fn check() -> Result<()> {
    let Some(signal) = signal() else { return Ok(()) };
    bail!("interrupted by {}", signal_name(signal.into()).unwrap_or("a signal"))
}
