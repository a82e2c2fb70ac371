//! What ends a long run before its end: a signal. It is looked at wherever this crate waits, so that whoever waits fails,
//! and what was made is put away as after any other failure. Test processes do not ask for it: signals end them at once.

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

/// The last signal that came; 0 before the first.
static CAME: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// From now on the signals that ask for an end only leave a note here.
///
/// # Errors
/// When the kernel refuses.
pub fn watch() -> Result<()> {
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        let number = usize::try_from(signal)?;
        flag::register_usize(signal, Arc::clone(&CAME), number).context("handling signals")?;
    }
    Ok(())
}

/// The number of the signal that came, if any did.
#[must_use]
pub fn signal() -> Option<u8> {
    u8::try_from(CAME.load(Ordering::Relaxed)).ok().filter(|signal| *signal > 0)
}

/// Goes on unless a signal came.
///
/// # Errors
/// Which one.
pub fn check() -> Result<()> {
    let Some(signal) = signal() else { return Ok(()) };
    bail!("interrupted by {}", signal_name(signal.into()).unwrap_or("a signal"))
}
