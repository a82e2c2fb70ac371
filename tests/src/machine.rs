//! Who may disturb whom: a lock over all test processes of this machine.
//!
//! Most tests keep to a network namespace of their own and run side by side. A few need the whole machine: those that
//! add up every namespace's counters, and those that set a sysctl that exists once.

use std::{
    env,
    fs::{File, OpenOptions},
};

use anyhow::{Context as _, Result};

/// Held while a test runs; the kernel releases it when the process dies.
#[derive(Debug)]
pub struct Machine {
    _lock: File,
}

impl Machine {
    /// This test minds only its own namespaces.
    ///
    /// # Errors
    /// When the lock file cannot be opened or locked.
    pub fn shared() -> Result<Self> {
        let lock = open()?;
        lock.lock_shared().context("locking the machine (shared)")?;
        Ok(Self { _lock: lock })
    }

    /// Nobody else may provoke resets meanwhile.
    ///
    /// # Errors
    /// As [`Machine::shared`].
    pub fn exclusive() -> Result<Self> {
        let lock = open()?;
        lock.lock().context("locking the machine (exclusive)")?;
        Ok(Self { _lock: lock })
    }
}

fn open() -> Result<File> {
    let path = env::temp_dir().join("rstmon-tests.lock");
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))
}
