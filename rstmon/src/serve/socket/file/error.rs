//! Why there is no socket file.

use super::super::group::GroupError;
use crate::config::DEFAULT_SOCKET;
use rustix::io::Errno;
use std::{
    io,
    path::{Path, PathBuf},
};

/// `sun_path` holds 108 bytes with the final NUL (`struct sockaddr_un`, uapi/linux/un.h).
pub(super) const MAX_PATH_BYTES: usize = 107;

/// Why there is no socket. Each message is one line and ends with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("{}: a Unix socket's path has at most {MAX_PATH_BYTES} bytes; choose a shorter one", path.display())]
    TooLong { path: PathBuf },
    /// The path does not end in a file name, as `/`.
    #[error("{}: not a path of a file; give one such as {DEFAULT_SOCKET}", path.display())]
    NoFile { path: PathBuf },
    /// Another daemon holds the lock or answers on the socket.
    #[error("another rstmon daemon serves {}; stop it or choose another socket", path.display())]
    Taken { path: PathBuf },
    /// A file that is no socket has the path; it is not replaced.
    #[error("{} exists and is no socket; remove it or choose another path", path.display())]
    NotASocket { path: PathBuf },
    /// The lock file's path is that of a FIFO, a device or a directory.
    #[error("{} exists and is no regular file; remove it or choose another socket path", path.display())]
    NotALock { path: PathBuf },
    /// A directory that was just made is another one now.
    #[error("{} was replaced by another user; choose a directory that only trusted users may write to", path.display())]
    Replaced { path: PathBuf },
    #[error(transparent)]
    Group(#[from] GroupError),
    /// EACCES, EPERM or EROFS.
    #[error(
        "not allowed to {action} {}; run as root or choose a directory that this user may write to",
        path.display()
    )]
    Denied { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {action} {}: {source}; choose another socket path", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// The error of a system call on `path`, for `map_err`.
pub(super) fn failed(action: &'static str, path: &Path) -> impl Fn(Errno) -> SocketError {
    move |errno| {
        let (path, source) = (path.to_owned(), errno.into());
        match errno {
            Errno::ACCESS | Errno::PERM | Errno::ROFS => SocketError::Denied { action, path, source },
            _ => SocketError::Io { action, path, source },
        }
    }
}
