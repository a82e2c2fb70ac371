//! What the process forbids itself once the hooks are attached, so that it is as safe without a service manager as
//! with one: no way to gain privileges, only the files it needs (Landlock), only the system calls it needs (seccomp).
//!
//! Contract: [`enter`] never fails and never makes rstmon less able to do its work; what a kernel does not have is a
//! [`Protection`] that the log and `rstmon doctor` show. It is for good: nothing here can be undone, and threads that
//! are started afterwards inherit it. Call it while there is one thread.

mod calls;
mod checks;
pub(crate) mod confine;
mod files;
#[cfg(test)]
mod tests;

use std::{fmt, io, path::PathBuf};

/// What became of one protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// In force, as asked for.
    Applied,
    /// In force as far as this kernel has it.
    Partial {
        /// The kernel's version of the interface.
        version: i32,
        /// The version that has everything that was asked for.
        wanted: i32,
    },
    /// This kernel does not have it, or it is not enabled.
    Unsupported,
    /// The kernel has it and said no.
    Refused {
        /// Error number, where the kernel gave one.
        errno: Option<i32>,
        /// The refusal in words.
        reason: String,
    },
    /// Turned off by configuration.
    Off,
}

impl Protection {
    /// From an operation that either works or is refused; `ENOSYS` and `EINVAL` are a kernel without it.
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

/// What the process has forbidden itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sandbox {
    /// Programs it might run cannot have more privileges (`PR_SET_NO_NEW_PRIVS`); the other two need it.
    pub(crate) no_new_privileges: Protection,
    /// Files, TCP ports, signals and abstract sockets (Landlock).
    pub(crate) files: Protection,
    /// System calls (seccomp).
    pub(crate) calls: Protection,
}

impl Sandbox {
    /// Each with its name.
    #[must_use]
    pub(crate) fn protections(&self) -> [(&'static str, &Protection); 3] {
        let Self { no_new_privileges, files, calls } = self;
        [("no new privileges", no_new_privileges), ("landlock", files), ("seccomp", calls)]
    }
}

/// Files that stay within reach, each with everything below it. What does not exist is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// To read.
    pub(crate) read: Vec<PathBuf>,
    /// To read and write: devices.
    pub(crate) write: Vec<PathBuf>,
    /// To remove files from.
    pub(crate) remove: Vec<PathBuf>,
    /// Unix sockets to connect to.
    pub(crate) connect: Vec<PathBuf>,
}

/// Forbids only more privileges: for those who turned the rest off.
#[must_use]
pub(crate) fn enter_nothing() -> Sandbox {
    Sandbox { no_new_privileges: no_new_privileges(), files: Protection::Off, calls: Protection::Off }
}

fn no_new_privileges() -> Protection {
    Protection::of(rustix::thread::set_no_new_privs(true).map_err(Into::into))
}

/// Forbids everything but what is needed from here on.
#[must_use]
pub(crate) fn enter(reach: &Reach) -> Sandbox {
    let no_new_privileges = no_new_privileges();
    // Landlock first: its calls are not among those that are needed from here on.
    let files = files::restrict(reach);
    let calls = calls::restrict(calls::Threads::All);
    Sandbox { no_new_privileges, files, calls }
}
