//! What must not stay behind when the program is interrupted.
//!
//! Children are killed by the kernel when this process ends ([`super::child`]), network namespaces have no name and end
//! with their last process and descriptor, the sysctl is put back by a guard ([`super::statistics`]). What is left is
//! directories, which are removed here.

use crate::say;
use anyhow::Context as _;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::{Mutex, PoisonError},
    thread,
};

static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// From now on, an interruption removes what is [`owed`] and ends the program.
pub(super) fn watch() -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            say::line("bench: interrupted");
            // Held until the end, so that no directory is made meanwhile.
            let directories = DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner);
            for directory in directories.iter() {
                let _ = fs::remove_dir_all(directory);
            }
            process::exit(128 + signal);
        }
    });
    Ok(())
}

/// `directory` is to be removed. Called before it is made.
pub(super) fn owed(directory: &Path) {
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner).push(directory.to_owned());
}

/// `directory` has been removed.
pub(super) fn done(directory: &Path) {
    DIRECTORIES.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| path != directory);
}
