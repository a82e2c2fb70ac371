//! The daemon's Unix socket file: created without a race, open to its owner and group only, and removed when the daemon
//! stops.
//!
//! A lock file next to it (`<socket>.lock`, never removed, locked while the daemon runs) decides which daemon owns the
//! path: the kernel drops the lock however the daemon dies, so a socket file whose lock is free is stale. The new
//! socket gets its mode and group under a temporary name and is then renamed over the stale one.

use super::group::{GroupError, group_id};
use crate::{config::DEFAULT_SOCKET, host::regular_file};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

const DIRECTORY_MODE: u32 = 0o750;
const SOCKET_MODE: u32 = 0o660;
const LOCK_MODE: u32 = 0o600;
/// `sun_path` holds 108 bytes with the final NUL (`struct sockaddr_un`, uapi/linux/un.h).
const MAX_PATH_BYTES: usize = 107;
const TEMPORARY_SUFFIX: &str = ".new";

/// The socket to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketOptions {
    pub(crate) path: PathBuf,
    /// The group that may connect besides root, by name or number.
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
    #[error(
        "{}: a Unix socket's path has at most {} bytes; choose a shorter one",
        path.display(),
        MAX_PATH_BYTES - TEMPORARY_SUFFIX.len()
    )]
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

/// A listening Unix socket. Dropping it removes the file if [`Self::bind`] created it and it was not replaced since.
#[derive(Debug)]
pub(crate) struct DaemonSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Absent for a socket that the service manager created, whose file belongs to the service manager.
    owned: Option<OwnedFile>,
}

/// A socket file that this process created.
#[derive(Debug)]
struct OwnedFile {
    /// Device and inode.
    identity: (u64, u64),
    /// Released by the kernel when closed.
    _lock: File,
}

impl DaemonSocket {
    /// Creates the socket file, replacing a stale one. Needs a tokio runtime; blocks for a few file operations.
    pub(crate) fn bind(options: &SocketOptions) -> Result<Self, SocketError> {
        let SocketOptions { path, group } = options;
        let path = path.clone();
        let temporary = with_suffix(&path, TEMPORARY_SUFFIX);
        if temporary.as_os_str().len() > MAX_PATH_BYTES {
            return Err(SocketError::TooLong { path });
        }
        let group = group.as_deref().map(group_id).transpose()?;
        create_directory(&path, group)?;
        let lock = lock_path(&path)?;
        refuse_if_used(&path)?;

        remove(&temporary)?;
        let listener = UnixListener::bind(&temporary).map_err(failed("create", &temporary))?;
        match publish(&temporary, &path, group) {
            Ok(identity) => Ok(Self { listener, path, owned: Some(OwnedFile { identity, _lock: lock }) }),
            Err(error) => {
                let _ = fs::remove_file(&temporary);
                Err(error)
            }
        }
    }

    /// Takes over a socket that the service manager created.
    pub(crate) fn inherit(listener: UnixListener) -> Self {
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname()).unwrap_or(Path::new("")).to_owned();
        Self { listener, path, owned: None }
    }

    pub(crate) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DaemonSocket {
    fn drop(&mut self) {
        let Some(OwnedFile { identity, .. }) = self.owned else { return };
        let Ok(metadata) = fs::symlink_metadata(&self.path) else { return };
        if (metadata.dev(), metadata.ino()) == identity
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}

/// Sets the new socket's mode and group, then renames it; returns its device and inode.
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

/// Creates the socket's directory where it is missing, searchable by `group`.
fn create_directory(socket: &Path, group: Option<u32>) -> Result<(), SocketError> {
    let no_file = || SocketError::NoFile { path: socket.to_owned() };
    socket.file_name().ok_or_else(no_file)?;
    let directory = socket.parent().ok_or_else(no_file)?;
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    // With its parents, all with this mode: only the owner and the group can reach the socket.
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

fn lock_path(socket: &Path) -> Result<File, SocketError> {
    let path = with_suffix(socket, ".lock");
    let file = regular_file::open_or_create(&path, LOCK_MODE).map_err(failed("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(SocketError::Taken { path: socket.to_owned() }),
        Err(errno) => Err(failed("lock", &path)(errno.into())),
    }
}

/// The lock is held, so no other rstmon owns the path; but a process that listens there without the lock must not lose
/// its socket.
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
        // EAGAIN: a process listens, and its backlog is full (unix(7)).
        Ok(()) | Err(Errno::AGAIN) => Err(SocketError::Taken { path: path.to_owned() }),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed("probe", path)(errno.into())),
    }
}

/// Non-blocking: connect(2) to a listener whose backlog is full would otherwise wait until it accepts.
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
