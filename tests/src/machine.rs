//! A lock over all test processes of this machine.
//!
//! Most tests use their own network namespace and run side by side. A few need the whole machine: tests that add up the
//! counters of all namespaces, and tests that set a sysctl that is not per namespace.

use anyhow::{Context as _, Result};
use std::{
    cell::Cell,
    env,
    fs::{File, OpenOptions},
};

thread_local! {
    /// Whether this thread holds the exclusive lock: the thread must not take the shared one then.
    static MINE: Cell<bool> = const { Cell::new(false) };
}

/// The lock. The kernel releases it when the process dies. To be dropped by the thread that took it.
#[derive(Debug)]
pub struct MachineLock {
    _lock: Option<File>,
    exclusive: bool,
}

impl MachineLock {
    /// Takes the shared lock, for a test that only uses its own namespaces.
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

    /// Takes the exclusive lock, so that no other test provokes resets. While it is held, [`MachineLock::shared`]
    /// succeeds at once in this thread.
    ///
    /// # Errors
    /// As [`MachineLock::shared`].
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

impl Drop for MachineLock {
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
