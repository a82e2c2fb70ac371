//! What procfs knows of a process that the kernel half recorded.
//!
//! Contract: a process is a pid AND its start time; nothing is said about a process that has taken over the pid. The
//! directory `/proc/<pid>` is opened once: the kernel binds the handle to that very process, so that what is read later
//! fails (`ESRCH`) instead of telling about a successor.
//!
//! Rounding: the kernel records `task_struct.start_boottime` in nanoseconds and prints it in field 22 of `stat` through
//! `nsec_to_clock_t` (`fs/proc/array.c`, `kernel/time/time.c`), rounded down to ticks of 10 ms. The comparison rounds the
//! recorded time in the same way, so that equal times always match; to be fooled, a pid would have to be reused within the
//! 10 ms of its start. A reader in a time namespace with a boot-time offset sees shifted values and matches nothing.

use super::text::printable;
use rustix::fs::{Mode, OFlags};
use std::{
    fs::File,
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

/// Nanoseconds of one tick of `USER_HZ`: 100 a second on every architecture that rstmon runs on.
const TICK_NS: u64 = 10_000_000;

/// The most that is read of a file: `stat` is below 1 KiB, `cgroup` has a line of at most `PATH_MAX` for each of some
/// fourteen hierarchies.
const READ_LIMIT: u64 = 64 * 1024;

/// A process as the kernel half knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProcessRef {
    /// The thread group's id in the initial pid namespace.
    pub(crate) pid: u32,
    /// When its leader started, in nanoseconds since boot, suspend included (`start_boottime`).
    pub(crate) start_ns: u64,
}

/// A procfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Procfs {
    root: PathBuf,
}

impl Default for Procfs {
    fn default() -> Self {
        Self::new("/proc")
    }
}

impl Procfs {
    /// The procfs mounted at `root`.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where it is mounted.
    #[must_use]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a process if it is still the one that was recorded.
    pub(crate) fn open(&self, process: ProcessRef) -> Result<ProcessDir, ProcessError> {
        let pid = process.pid;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(self.root.join(pid.to_string()), flags, Mode::empty())
            .map_err(|errno| ProcessError::from_io(pid, "", errno.into()))?;
        let mut opened = ProcessDir { pid, directory, comm: String::new() };
        let stat = opened.read("stat")?;
        let Stat { comm, start_ticks } = parse_stat(&stat).ok_or(ProcessError::Malformed { pid })?;
        if start_ticks != process.start_ns / TICK_NS {
            return Err(ProcessError::Recycled { pid, found_ticks: start_ticks });
        }
        opened.comm = printable(comm);
        Ok(opened)
    }
}

/// The directory of a process whose start time was verified. Stays with that process.
#[derive(Debug)]
pub(crate) struct ProcessDir {
    pid: u32,
    directory: OwnedFd,
    comm: String,
}

impl ProcessDir {
    /// The thread-group leader's comm when the process was opened, made printable.
    #[must_use]
    pub(crate) fn comm(&self) -> &str {
        &self.comm
    }

    /// The file name of the executable, made printable. None for kernel threads and zombies, and without the right to
    /// know (`PTRACE_MODE_READ`).
    #[must_use]
    pub(crate) fn exe_name(&self) -> Option<String> {
        let target = rustix::fs::readlinkat(&self.directory, "exe", Vec::new()).ok()?;
        let target = target.to_bytes();
        let target = target.strip_suffix(b" (deleted)").unwrap_or(target);
        let name = Path::new(std::ffi::OsStr::from_bytes(target)).file_name()?;
        Some(printable(name.as_bytes()))
    }

    /// The contents of `/proc/<pid>/cgroup`.
    pub(crate) fn cgroups(&self) -> Result<Vec<u8>, ProcessError> {
        self.read("cgroup")
    }

    fn read(&self, file: &'static str) -> Result<Vec<u8>, ProcessError> {
        let opened = rustix::fs::openat(&self.directory, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let read = opened.map_err(io::Error::from).and_then(|descriptor| {
            let mut content = Vec::new();
            File::from(descriptor).take(READ_LIMIT).read_to_end(&mut content)?;
            Ok(content)
        });
        read.map_err(|error| ProcessError::from_io(self.pid, file, error))
    }
}

/// Why nothing can be said about a process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It does not exist any more.
    #[error("process {pid} has gone")]
    Gone {
        /// The pid that was asked for.
        pid: u32,
    },
    /// Its pid belongs to another process now.
    #[error("pid {pid} belongs to another process that started at tick {found_ticks}")]
    Recycled {
        /// The pid that was asked for.
        pid: u32,
        /// When the present owner of the pid started, in 10 ms since boot.
        found_ticks: u64,
    },
    /// `stat` does not have the form that every kernel gives it.
    #[error("cannot make sense of stat of process {pid}")]
    Malformed {
        /// The pid that was asked for.
        pid: u32,
    },
    /// procfs refused (`hidepid`, say).
    #[error("cannot read {file:?} of process {pid}")]
    Read {
        /// The pid that was asked for.
        pid: u32,
        /// The file below the process' directory, empty for the directory itself.
        file: &'static str,
        /// What the system call said.
        source: io::Error,
    },
}

impl ProcessError {
    fn from_io(pid: u32, file: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => Self::Gone { pid },
            _ => Self::Read { pid, file, source },
        }
    }
}

struct Stat<'a> {
    comm: &'a [u8],
    start_ticks: u64,
}

/// `pid (comm) state ppid ...` (`do_task_stat`). comm is printed as it is and may hold spaces, parentheses and newlines;
/// after its closing parenthesis there are only a letter and numbers, so that the last parenthesis is that one.
fn parse_stat(stat: &[u8]) -> Option<Stat<'_>> {
    /// `starttime` is field 22, `state`, the first one after comm, field 3.
    const START_AFTER_COMM: usize = 22 - 3;
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let comm = stat.get(open + 1..close)?;
    let after = str::from_utf8(stat.get(close + 1..)?).ok()?;
    let start_ticks = after.split_ascii_whitespace().nth(START_AFTER_COMM)?.parse().ok()?;
    Some(Stat { comm, start_ticks })
}

/// When the process of a `stat` started, as precisely as it tells.
#[cfg(test)]
pub(super) fn parse_start_ns(stat: &[u8]) -> Option<u64> {
    Some(parse_stat(stat)?.start_ticks * TICK_NS)
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
            let parsed = parse_stat(stat.as_bytes()).expect(comm);
            assert_eq!((parsed.comm, parsed.start_ticks), (comm.as_bytes(), 123_456), "{comm:?}");
        }
        let raw = [b"7 (\xff\xfe) ", TAIL.as_bytes()].concat();
        assert_eq!(parse_stat(&raw).expect("comm need not be UTF-8").comm, b"\xff\xfe");
    }

    #[test]
    fn what_is_no_stat_is_refused() {
        for stat in ["", "7", "7 (a", "7 a)", ")(", "7 (a) S 1 2 3", &format!("7 (a) {}", TAIL.replace("123456", "x"))]
        {
            assert!(parse_stat(stat.as_bytes()).is_none(), "{stat:?}");
        }
    }

    #[test]
    fn the_start_time_is_compared_in_ticks() {
        let (_root, procfs) = fake(&format!("7 (a\nb) {TAIL}\n"));
        for start_ns in [1_234_560_000_000, 1_234_569_999_999] {
            let process = procfs.open(ProcessRef { pid: 7, start_ns }).expect("the same tick");
            assert_eq!(process.comm(), "a\u{fffd}b");
        }
        for start_ns in [0, 1_234_559_999_999, 1_234_570_000_000, u64::MAX] {
            let refused = procfs.open(ProcessRef { pid: 7, start_ns }).expect_err("another tick");
            assert!(matches!(refused, ProcessError::Recycled { pid: 7, found_ticks: 123_456 }), "{refused:?}");
        }
    }

    #[test]
    fn absence_and_nonsense_are_told_apart() {
        let (root, procfs) = fake("nonsense");
        let process = |pid| ProcessRef { pid, start_ns: 0 };
        assert!(matches!(procfs.open(process(8)), Err(ProcessError::Gone { pid: 8 })));
        assert!(matches!(procfs.open(process(7)), Err(ProcessError::Malformed { pid: 7 })));
        fs::remove_file(root.path().join("7/stat")).expect("removable");
        assert!(matches!(procfs.open(process(7)), Err(ProcessError::Gone { pid: 7 })));
        fs::create_dir(root.path().join("7/stat")).expect("a directory");
        assert!(matches!(procfs.open(process(7)), Err(ProcessError::Read { pid: 7, file: "stat", .. })));
    }

    #[test]
    fn the_executable_is_known_by_its_file_name() {
        let (root, procfs) = fake(&format!("7 (a) {TAIL}\n"));
        let process = procfs.open(ProcessRef { pid: 7, start_ns: 1_234_560_000_000 }).expect("the process");
        assert_eq!(process.exe_name(), None);
        for (target, expected) in [("/usr/bin/java", "java"), ("/opt/a\nb (deleted)", "a\u{fffd}b")] {
            let link = root.path().join("7/exe");
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(target, &link).expect("a link");
            assert_eq!(process.exe_name().as_deref(), Some(expected));
        }
    }

    /// The layout of the running kernel's stat, and that its start time is what this reads.
    #[test]
    fn this_very_process_is_found() {
        let stat = fs::read("/proc/self/stat").expect("a procfs");
        let start_ticks = parse_stat(&stat).expect("a stat").start_ticks;
        let pid = std::process::id();
        let process = Procfs::default().open(ProcessRef { pid, start_ns: start_ticks * TICK_NS + 1 }).expect("myself");
        let exe = std::env::current_exe().expect("an executable");
        assert_eq!(process.exe_name().as_deref(), exe.file_name().and_then(|name| name.to_str()));
        assert!(!process.cgroups().expect("a cgroup file").is_empty());

        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec;
        assert!(i64::try_from(start_ticks / 100).expect("small") <= since_boot);
    }
}
