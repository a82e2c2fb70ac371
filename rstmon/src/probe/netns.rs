//! Which network namespaces there are, and who is in them.
//!
//! `/proc/<pid>/ns/net`, which names a process's namespace, may be read of one's own processes only
//! (`PTRACE_MODE_READ` in `proc_ns_readlink()`, `fs/proc/namespaces.c`). The kernel half's iterator over tasks says it
//! for all with the two capabilities that rstmon has. A namespace without any process (held by a bind mount alone, as
//! `ip netns add` does) is in no task and hence not found.

use super::sys;
use rstmon_common::NetnsTask;
use std::{
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
};
use zerocopy::FromBytes as _;

/// Inode of the initial pid namespace (`PROC_PID_INIT_INO`, `include/linux/proc_ns.h`).
const INIT_PID_NAMESPACE: u64 = 0xefff_fffc;

/// Tells the tasks of every network namespace but rstmon's own.
#[derive(Debug, Default)]
pub struct NetnsTasks(Option<OwnedFd>);

impl NetnsTasks {
    pub(super) fn link(program: BorrowedFd<'_>) -> io::Result<Self> {
        // The kernel half knows tasks by their ids in the initial pid namespace: elsewhere /proc has others.
        if std::fs::metadata("/proc/self/ns/pid")?.ino() != INIT_PID_NAMESPACE {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "rstmon runs in a pid namespace: it cannot look at the host's processes",
            ));
        }
        sys::link_iterator(program).map(|link| Self(Some(link)))
    }

    /// Looks at every task: those in other network namespaces come, in the order of their ids. None where the iterator
    /// is not allowed.
    pub fn read(&self) -> io::Result<Vec<NetnsTask>> {
        let Some(link) = &self.0 else { return Ok(Vec::new()) };
        let rows = sys::run_iterator(link.as_fd())?;
        Ok(rows.chunks_exact(size_of::<NetnsTask>()).filter_map(|row| NetnsTask::read_from_bytes(row).ok()).collect())
    }
}

/// Cookie of the network namespace that the calling thread is in.
pub fn own_cookie() -> io::Result<u64> {
    sys::netns_cookie()
}
