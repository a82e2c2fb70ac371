//! Which network namespaces there are, and which tasks are in them.
//!
//! `/proc/<pid>/ns/net`, the namespace of a process, may be read only by a process of the same user (`PTRACE_MODE_READ`
//! in `proc_ns_readlink()`, `fs/proc/namespaces.c`). The kernel half's iterator over tasks lists the namespaces of all
//! with the two capabilities that rstmon has. A namespace without a process (held by a bind mount alone, as `ip netns
//! add` does) has no task and hence is not found.

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

/// Lists the tasks of every network namespace but rstmon's own.
#[derive(Debug, Default)]
pub(crate) struct NetnsTasks(Option<OwnedFd>);

impl NetnsTasks {
    pub(super) fn link(program: BorrowedFd<'_>) -> io::Result<Self> {
        // The kernel half identifies tasks by their ids in the initial pid namespace: in others /proc has other ids.
        if std::fs::metadata("/proc/self/ns/pid")?.ino() != INIT_PID_NAMESPACE {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "rstmon runs in a pid namespace: it cannot look at the host's processes",
            ));
        }
        sys::link_iterator(program).map(|link| Self(Some(link)))
    }

    /// The tasks in other network namespaces, in the order of their ids; none where the iterator is not allowed.
    pub(crate) fn read(&self) -> io::Result<Vec<NetnsTask>> {
        let Some(link) = &self.0 else { return Ok(Vec::new()) };
        let rows = sys::run_iterator(link.as_fd())?;
        Ok(rows.chunks_exact(size_of::<NetnsTask>()).filter_map(|row| NetnsTask::read_from_bytes(row).ok()).collect())
    }
}

/// Cookie of the network namespace that the calling thread is in.
pub(crate) fn own_cookie() -> io::Result<u64> {
    sys::netns_cookie()
}
