//! The restrictions that the process puts on itself once the hooks are attached, so that it is as safe without a
//! service manager as with one: no new privileges, only the files it needs (Landlock), only the system calls it needs
//! (seccomp).
//!
//! Contract: [`enter`] never fails and takes away nothing that rstmon needs. The log and `rstmon doctor` show the state
//! of each [`Protection`], including those that the kernel does not support. The restrictions cannot be undone, and
//! threads that are started afterwards inherit them; call [`enter`] while the process has one thread, besides that of
//! the log, which has entered by itself.

mod calls;
mod checks;
pub(crate) mod confine;
mod files;
#[cfg(test)]
mod tests;

use std::{fmt, io, os::fd::OwnedFd, path::PathBuf, sync::Arc};

/// State of one protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// In force as requested.
    Applied,
    /// In force as far as this kernel supports it.
    Partial {
        /// The kernel's version of the interface.
        version: i32,
        /// The first version that supports everything requested.
        wanted: i32,
    },
    /// Not supported by this kernel, or not enabled.
    Unsupported,
    /// Supported by the kernel, but a system call failed.
    Refused { errno: Option<i32>, reason: String },
    /// Turned off by configuration.
    Off,
}

impl Protection {
    /// The state after a system call; `ENOSYS` and `EINVAL` mean that the kernel does not support it.
    fn of(result: io::Result<()>) -> Self {
        match result {
            Ok(()) => Self::Applied,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => Self::Unsupported,
            Err(error) => Self::Refused { errno: error.raw_os_error(), reason: error.to_string() },
        }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => f.write_str("applied"),
            Self::Partial { version, wanted } => {
                write!(f, "applied as far as this kernel has it (version {version}, complete from {wanted})")
            }
            Self::Unsupported => f.write_str("not supported by this kernel"),
            Self::Refused { errno: Some(errno), reason } => write!(f, "refused: {reason} (errno {errno})"),
            Self::Refused { errno: None, reason } => write!(f, "refused: {reason}"),
            Self::Off => f.write_str("off by configuration"),
        }
    }
}

/// State of all protections of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sandbox {
    /// Running a program cannot raise privileges (`PR_SET_NO_NEW_PRIVS`). The other two require it.
    pub(crate) no_new_privileges: Protection,
    /// Files, TCP ports, signals and abstract sockets (Landlock).
    pub(crate) files: Protection,
    /// System calls (seccomp).
    pub(crate) calls: Protection,
}

impl Sandbox {
    /// Each protection with its name.
    #[must_use]
    pub(crate) fn protections(&self) -> [(&'static str, &Protection); 3] {
        let Self { no_new_privileges, files, calls } = self;
        [("no new privileges", no_new_privileges), ("landlock", files), ("seccomp", calls)]
    }
}

/// Files that stay accessible, each with everything below it. Files that do not exist are ignored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    pub(crate) read: Vec<PathBuf>,
    /// Devices to read and write.
    pub(crate) write: Vec<PathBuf>,
    /// Directories to remove files from.
    pub(crate) remove: Vec<PathBuf>,
    /// Unix sockets to connect to.
    pub(crate) connect: Vec<PathBuf>,
    /// A directory in which files are made, written, renamed and removed, by descriptor: whatever its path leads to
    /// later, this one stays accessible and no other.
    pub(crate) keep: Option<Arc<OwnedFd>>,
}

/// Forbids new privileges only: the sandbox is turned off.
#[must_use]
pub(crate) fn enter_nothing() -> Sandbox {
    Sandbox { no_new_privileges: no_new_privileges(), files: Protection::Off, calls: Protection::Off }
}

/// For a thread that is started before [`enter`]: forbids new privileges and, unless it is turned off, all files.
fn enter_early(is_enabled: bool) {
    // The state is that of the whole process, which `enter` reports.
    let _ = no_new_privileges();
    if is_enabled {
        let _ = files::restrict(&Reach::default());
    }
}

fn no_new_privileges() -> Protection {
    Protection::of(rustix::thread::set_no_new_privs(true).map_err(Into::into))
}

/// Forbids new privileges, files other than `reach`, and system calls that rstmon does not need from here on.
#[must_use]
pub(crate) fn enter(reach: &Reach) -> Sandbox {
    let no_new_privileges = no_new_privileges();
    // Landlock first: seccomp does not allow its system calls.
    let files = files::restrict(reach);
    let calls = calls::restrict(calls::Threads::All);
    Sandbox { no_new_privileges, files, calls }
}
