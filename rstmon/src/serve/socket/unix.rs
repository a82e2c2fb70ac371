//! The daemon's Unix socket file: made without a race, open to its owner and group only, and gone when the daemon is.
//!
//! A lock file next to it (`<socket>.lock`, kept for ever, locked for the daemon's life) decides which daemon owns the
//! path: the kernel drops the lock however the daemon dies, so a socket file without a lock holder is stale. The new
//! socket gets its mode and group under a temporary name and is then renamed over the stale one.

use super::group::{GroupError, group_id};
use crate::config::DEFAULT_SOCKET;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

const DIRECTORY_MODE: u32 = 0o750;
const SOCKET_MODE: u32 = 0o660;
const LOCK_MODE: u32 = 0o600;
/// `sun_path` holds 108 bytes with the final NUL (`struct sockaddr_un`, uapi/linux/un.h).
const MAX_PATH_BYTES: usize = 107;
const TEMPORARY_SUFFIX: &str = ".new";

/// Which socket to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketOptions {
    /// The socket file.
    pub(crate) path: PathBuf,
    /// Who may connect besides root: a group's name or number.
    pub(crate) group: Option<String>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { path: DEFAULT_SOCKET.into(), group: None }
    }
}

/// Why there is no socket. Each message is one line and ends with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// The kernel cannot hold the path.
    #[error("{}: a Unix socket's path has at most {} bytes; choose a shorter one", path.display(), MAX_PATH_BYTES - TEMPORARY_SUFFIX.len())]
    TooLong {
        /// As given.
        path: PathBuf,
    },
    /// The path has no directory part.
    #[error("{}: not a path of a file; give one such as {DEFAULT_SOCKET}", path.display())]
    NoFile {
        /// As given.
        path: PathBuf,
    },
    /// Another daemon holds the lock or answers on the socket.
    #[error("another rstmon daemon serves {}; stop it or choose another socket", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is not a socket is in the way; it is left alone.
    #[error("{} exists and is no socket; remove it or choose another path", path.display())]
    NotASocket {
        /// What is in the way.
        path: PathBuf,
    },
    /// The group cannot be given the socket.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// The operating system refused for lack of permission.
    #[error("not allowed to {action} {}; run as root or choose a directory that this user may write to", path.display())]
    Denied {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// Any other failure.
    #[error("cannot {action} {}: {source}; choose another socket path", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

/// A bound socket file. Dropping it removes the file, if it is its own and still this one.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Of a socket that the service manager made there is none: it belongs to the manager.
    made: Option<Made>,
}

/// What makes a socket file this process's own.
#[derive(Debug)]
struct Made {
    /// Device and inode of the file.
    identity: (u64, u64),
    /// Released by the kernel when closed.
    _lock: File,
}

impl Socket {
    /// Makes the socket file, replacing a stale one. Needs a tokio runtime; blocks for a few file operations.
    pub(crate) fn bind(options: &SocketOptions) -> Result<Self, SocketError> {
        let SocketOptions { path, group } = options;
        let path = path.clone();
        let temporary = with_suffix(&path, TEMPORARY_SUFFIX);
        if temporary.as_os_str().len() > MAX_PATH_BYTES {
            return Err(SocketError::TooLong { path });
        }
        let group = group.as_deref().map(group_id).transpose()?;
        create_directory(&path, group)?;
        let lock = lock(&path)?;
        refuse_if_used(&path)?;

        remove(&temporary)?;
        let listener = UnixListener::bind(&temporary).map_err(failed("create", &temporary))?;
        match publish(&temporary, &path, group) {
            Ok(identity) => Ok(Self { listener, path, made: Some(Made { identity, _lock: lock }) }),
            Err(error) => {
                let _ = fs::remove_file(&temporary);
                Err(error)
            }
        }
    }

    /// A socket that the service manager made.
    pub(crate) fn inherit(listener: UnixListener) -> Self {
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname()).unwrap_or(Path::new("")).to_owned();
        Self { listener, path, made: None }
    }

    /// The listening side.
    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// The socket file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let Some(Made { identity, .. }) = self.made else { return };
        let Ok(metadata) = fs::symlink_metadata(&self.path) else { return };
        if (metadata.dev(), metadata.ino()) == identity
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}

/// Gives the new socket its mode and group and then its name; returns what identifies the file.
fn publish(temporary: &Path, path: &Path, group: Option<u32>) -> Result<(u64, u64), SocketError> {
    fs::set_permissions(temporary, Permissions::from_mode(SOCKET_MODE)).map_err(failed("chmod", temporary))?;
    if group.is_some() {
        chown(temporary, None, group).map_err(failed("chown", temporary))?;
    }
    let metadata = fs::symlink_metadata(temporary).map_err(failed("stat", temporary))?;
    fs::rename(temporary, path).map_err(failed("rename the new socket to", path))?;
    Ok((metadata.dev(), metadata.ino()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> SocketError {
    move |source| {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                SocketError::Denied { action, path, source }
            }
            _ => SocketError::Io { action, path, source },
        }
    }
}

/// Makes the directory where it is missing, passable for `group`.
fn create_directory(socket: &Path, group: Option<u32>) -> Result<(), SocketError> {
    let no_file = || SocketError::NoFile { path: socket.to_owned() };
    socket.file_name().ok_or_else(no_file)?;
    let directory = socket.parent().ok_or_else(no_file)?;
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    // Parents included, all with this mode: nobody but the owner and the group passes through.
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)
        .map_err(failed("create the directory", directory))?;
    if group.is_some() {
        chown(directory, None, group).map_err(failed("chown", directory))?;
    }
    Ok(())
}

fn lock(socket: &Path) -> Result<File, SocketError> {
    let path = with_suffix(socket, ".lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(LOCK_MODE)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(failed("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(SocketError::Taken { path: socket.to_owned() }),
        Err(errno) => Err(failed("lock", &path)(errno.into())),
    }
}

/// The lock is held, so no other rstmon is alive here; but whatever answers on the path is not ours to replace.
fn refuse_if_used(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("stat", path)(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match try_connect(path) {
        // EAGAIN: somebody listens and is too busy to accept (unix(7)).
        Ok(()) | Err(Errno::AGAIN) => Err(SocketError::Taken { path: path.to_owned() }),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed("probe", path)(errno.into())),
    }
}

/// Without waiting: a blocking connect(2) to a listener that never accepts would never return.
fn try_connect(path: &Path) -> Result<(), Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&probe, &SocketAddrUnix::new(path)?)
}

fn remove(path: &Path) -> Result<(), SocketError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}
