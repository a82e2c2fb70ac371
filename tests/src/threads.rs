//! The threads of another process: their names and status, and a way to stop one of them.

use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeMap, fs, io};

/// The threads of a process, by id, with their names.
///
/// # Errors
/// When the process is gone.
pub fn of(pid: u32) -> Result<BTreeMap<i32, String>> {
    let tasks = format!("/proc/{pid}/task");
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(&tasks).with_context(|| tasks.clone())? {
        let entry = entry?;
        let id = entry.file_name().to_string_lossy().parse().context("a thread's id")?;
        // A thread may have ended meanwhile.
        if let Ok(name) = fs::read_to_string(entry.path().join("comm")) {
            threads.insert(id, name.trim_end().to_owned());
        }
    }
    Ok(threads)
}

/// A field of each thread's `status`, by the thread's name and id.
///
/// # Errors
/// When the process is gone or has no such field.
pub fn status(pid: u32, field: &str) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (id, name) in of(pid)? {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/task/{id}/status")) else { continue };
        let value =
            status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).context("no such field")?;
        found.insert(format!("{name}[{id}]"), value.trim().to_owned());
    }
    Ok(found)
}

/// A stopped thread of a process whose other threads run; it continues on drop. Must be dropped by the thread that made
/// it.
#[derive(Debug)]
pub struct Stopped(i32);

impl Stopped {
    /// Stops a thread with ptrace.
    ///
    /// # Errors
    /// When the thread is gone or may not be traced.
    pub fn new(id: i32) -> Result<Self> {
        trace(libc::PTRACE_SEIZE, id)?;
        let stopped = Self(id);
        trace(libc::PTRACE_INTERRUPT, id)?;
        let mut status = 0;
        // SAFETY: waits for the thread that was just seized; `status` is a valid integer to write to.
        let waited = unsafe { libc::waitpid(id, &raw mut status, libc::__WALL) };
        ensure!(waited == id, "waiting for thread {id}: {}", io::Error::last_os_error());
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Fails only if the thread is gone.
        let _ = trace(libc::PTRACE_DETACH, self.0);
    }
}

fn trace(request: libc::c_uint, id: i32) -> Result<()> {
    // SAFETY: these requests take no pointers.
    let result = unsafe { libc::ptrace(request, id, 0, 0) };
    ensure!(result == 0, "ptrace({request}) of thread {id}: {}", io::Error::last_os_error());
    Ok(())
}
