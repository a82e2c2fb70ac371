//! What procfs says about a process that the kernel half recorded.
//!
//! Contract: a process is a pid AND its start time; a process that reuses the pid is never read. The directory
//! `/proc/<pid>` is opened once: the kernel binds the handle to that process, so that later reads fail (`ESRCH`)
//! instead of reading a process that reuses the pid.
//!
//! Rounding: the kernel records `task_struct.start_boottime` in nanoseconds and prints it in field 22 of `stat` through
//! `nsec_to_clock_t` (`fs/proc/array.c`, `kernel/time/time.c`), rounded down to ticks of 10 ms. The comparison rounds
//! the recorded time in the same way, so that equal times always match. A wrong match needs a pid that is reused within
//! the 10 ms tick of its start. A reader in a time namespace sees values that are shifted by its offset.

use crate::host::boot_clock::TimeNamespace;
use rustix::fs::{Mode, OFlags};
use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// Nanoseconds in one tick of `USER_HZ`: 100 a second on every architecture that rstmon runs on.
const TICK_NS: u64 = 10_000_000;

/// At most this many bytes are read from a file: `stat` is below 1 KiB, `cgroup` has a line of at most `PATH_MAX` for
/// each of about fourteen hierarchies.
const READ_LIMIT: u64 = 64 * 1024;

/// A process as the kernel half records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProcessRef {
    /// The thread group's id in the initial pid namespace.
    pub(crate) pid: u32,
    /// When its leader started, in nanoseconds since boot, suspend included (`start_boottime`).
    pub(crate) start_ns: u64,
}

/// A mounted procfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Procfs {
    root: PathBuf,
    /// How far the start times there are ahead of the host's boot clock.
    ahead_ns: i64,
}

impl Default for Procfs {
    fn default() -> Self {
        Self { ahead_ns: TimeNamespace::own().ahead_ns(), ..Self::new("/proc") }
    }
}

impl Procfs {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), ahead_ns: 0 }
    }

    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a process if it is still the one that was recorded.
    pub(crate) fn open(&self, process: ProcessRef) -> Result<ProcessDir, ProcfsError> {
        let pid = process.pid;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(self.root.join(pid.to_string()), flags, Mode::empty())
            .map_err(|errno| ProcfsError::from_io(pid, "", errno.into()))?;
        let opened = ProcessDir { pid, directory };
        let found_ticks = parse_start_ticks(&opened.read("stat")?).ok_or(ProcfsError::Malformed { pid })?;
        if found_ticks != process.start_ns.saturating_add_signed(self.ahead_ns) / TICK_NS {
            return Err(ProcfsError::Recycled { pid, found_ticks });
        }
        Ok(opened)
    }
}

/// An open `/proc/<pid>` of a process whose start time was verified; bound to that process.
#[derive(Debug)]
pub(crate) struct ProcessDir {
    pid: u32,
    directory: OwnedFd,
}

impl ProcessDir {
    /// The contents of `/proc/<pid>/cgroup`.
    pub(crate) fn cgroups(&self) -> Result<Vec<u8>, ProcfsError> {
        self.read("cgroup")
    }

    fn read(&self, file: &'static str) -> Result<Vec<u8>, ProcfsError> {
        let opened = rustix::fs::openat(&self.directory, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let read = opened.map_err(io::Error::from).and_then(|descriptor| {
            let mut content = Vec::new();
            File::from(descriptor).take(READ_LIMIT).read_to_end(&mut content)?;
            Ok(content)
        });
        read.map_err(|error| ProcfsError::from_io(self.pid, file, error))
    }
}

/// Why a process cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcfsError {
    #[error("process {pid} has gone")]
    Gone { pid: u32 },
    #[error("pid {pid} belongs to another process that started at tick {found_ticks}")]
    Recycled {
        pid: u32,
        /// Start time of the process that has the pid now, in ticks of 10 ms since boot.
        found_ticks: u64,
    },
    /// `stat` does not have the format of `do_task_stat`.
    #[error("cannot make sense of stat of process {pid}")]
    Malformed { pid: u32 },
    /// A system call failed, for example because of `hidepid`.
    #[error("cannot read {file:?} of process {pid}")]
    Read {
        pid: u32,
        /// File name below `/proc/<pid>`, empty for the directory itself.
        file: &'static str,
        source: io::Error,
    },
}

impl ProcfsError {
    fn from_io(pid: u32, file: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => Self::Gone { pid },
            _ => Self::Read { pid, file, source },
        }
    }
}

/// The start time in a `stat`: `pid (comm) state ppid ...` (`do_task_stat`). comm is printed as it is and may hold
/// spaces, parentheses and newlines. Only a letter and numbers follow its closing parenthesis, so the last parenthesis
/// is that one.
fn parse_start_ticks(stat: &[u8]) -> Option<u64> {
    /// `starttime` is field 22, `state`, the first one after comm, field 3.
    const START_AFTER_COMM: usize = 22 - 3;
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')').filter(|&close| close > open)?;
    let after = str::from_utf8(stat.get(close + 1..)?).ok()?;
    after.split_ascii_whitespace().nth(START_AFTER_COMM)?.parse().ok()
}

/// The start time in a `stat`, in nanoseconds since boot rounded down to a tick.
#[cfg(test)]
pub(super) fn parse_start_ns(stat: &[u8]) -> Option<u64> {
    Some(parse_start_ticks(stat)? * TICK_NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const TAIL: &str = "S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 2000 18446744073709551615 1 1";

    fn fake(stat: &str) -> (tempfile::TempDir, Procfs) {
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(root.path().join("7")).expect("a directory");
        fs::write(root.path().join("7/stat"), stat).expect("a file");
        let procfs = Procfs::new(root.path());
        (root, procfs)
    }

    #[test]
    fn comm_may_hold_anything() {
        for comm in ["nginx", "", "a) (b", ") S 1 1 1", "x\n7 (y", "((", "))"] {
            let stat = format!("7 ({comm}) {TAIL}\n");
            assert_eq!(parse_start_ticks(stat.as_bytes()), Some(123_456), "{comm:?}");
        }
        let raw = [b"7 (\xff\xfe) ", TAIL.as_bytes()].concat();
        assert_eq!(parse_start_ticks(&raw), Some(123_456), "comm need not be UTF-8");
    }

    #[test]
    fn what_is_no_stat_is_refused() {
        for stat in ["", "7", "7 (a", "7 a)", ")(", "7 (a) S 1 2 3", &format!("7 (a) {}", TAIL.replace("123456", "x"))]
        {
            assert_eq!(parse_start_ticks(stat.as_bytes()), None, "{stat:?}");
        }
    }

    #[test]
    fn the_start_time_is_compared_in_ticks() {
        let (_root, procfs) = fake(&format!("7 (a\nb) {TAIL}\n"));
        for start_ns in [1_234_560_000_000, 1_234_569_999_999] {
            procfs.open(ProcessRef { pid: 7, start_ns }).expect("the same tick");
        }
        for start_ns in [0, 1_234_559_999_999, 1_234_570_000_000, u64::MAX] {
            let refused = procfs.open(ProcessRef { pid: 7, start_ns }).expect_err("another tick");
            assert!(matches!(refused, ProcfsError::Recycled { pid: 7, found_ticks: 123_456 }), "{refused:?}");
        }
    }

    #[test]
    fn absence_and_nonsense_are_distinguished() {
        let (root, procfs) = fake("nonsense");
        let process = |pid| ProcessRef { pid, start_ns: 0 };
        assert!(matches!(procfs.open(process(8)), Err(ProcfsError::Gone { pid: 8 })));
        assert!(matches!(procfs.open(process(7)), Err(ProcfsError::Malformed { pid: 7 })));
        fs::remove_file(root.path().join("7/stat")).expect("removable");
        assert!(matches!(procfs.open(process(7)), Err(ProcfsError::Gone { pid: 7 })));
        fs::create_dir(root.path().join("7/stat")).expect("a directory");
        assert!(matches!(procfs.open(process(7)), Err(ProcfsError::Read { pid: 7, file: "stat", .. })));
    }

    /// The layout of the running kernel's stat, and that its start time is what this reads.
    #[test]
    fn this_very_process_is_found() {
        let stat = fs::read("/proc/self/stat").expect("a procfs");
        let start_ticks = parse_start_ticks(&stat).expect("a stat");
        let pid = std::process::id();
        let process = Procfs::default().open(ProcessRef { pid, start_ns: start_ticks * TICK_NS + 1 }).expect("myself");
        assert!(!process.cgroups().expect("a cgroup file").is_empty());

        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec;
        assert!(i64::try_from(start_ticks / 100).expect("small") <= since_boot);
    }
}
