//! Who may disturb whom: a lock over all test processes of this machine.
//!
//! Most tests keep to a network namespace of their own and run side by side. A few need the whole machine: those that
//! add up every namespace's counters, and those that set a sysctl that exists once.

use anyhow::{Context as _, Result};
use std::{
    cell::Cell,
    env,
    fs::{File, OpenOptions},
};

thread_local! {
    /// Whether this thread holds the machine for itself: then it need not share it with itself.
    static MINE: Cell<bool> = const { Cell::new(false) };
}

/// Held while a test runs; the kernel releases it when the process dies. To be dropped by the thread that took it.
#[derive(Debug)]
pub struct Machine {
    _lock: Option<File>,
    exclusive: bool,
}

impl Machine {
    /// This test minds only its own namespaces.
    ///
    /// # Errors
    /// When the lock file cannot be opened or locked.
    pub fn shared() -> Result<Self> {
        if MINE.get() {
            return Ok(Self { _lock: None, exclusive: false });
        }
        let lock = open()?;
        lock.lock_shared().context("locking the machine (shared)")?;
        Ok(Self { _lock: Some(lock), exclusive: false })
    }

    /// Nobody else may provoke resets meanwhile; what this thread does with [`Machine::shared`] is covered.
    ///
    /// # Errors
    /// As [`Machine::shared`].
    pub fn exclusive() -> Result<Self> {
        if MINE.get() {
            return Self::shared();
        }
        let lock = open()?;
        lock.lock().context("locking the machine (exclusive)")?;
        MINE.set(true);
        Ok(Self { _lock: Some(lock), exclusive: true })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.exclusive {
            MINE.set(false);
        }
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
