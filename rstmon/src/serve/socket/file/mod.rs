//! The daemon's Unix socket file: never open wider than to its owner and group, and removed when the daemon stops.
//!
//! A lock file next to it (`<socket>.lock`, never removed, locked while the daemon runs) decides which daemon owns the
//! path: the kernel drops the lock however the daemon dies, so a socket file whose lock is free is stale.
//!
//! The new socket is made in a directory of its own that no other user can enter, gets its group and mode there, begins
//! to listen, and is then renamed over the stale one. All of this goes through descriptors of the two directories, and
//! no name that another user could have replaced by a link is followed. It does not depend on the umask, which belongs
//! to all threads of the process.

mod directory;
mod error;

use super::group::group_id;
use crate::config::DEFAULT_SOCKET;
use directory::{Directory, FileIdentity, PrivateDirectory};
pub(crate) use error::SocketError;
use error::{MAX_PATH_BYTES, failed};
use rustix::{
    fs::{
        AtFlags, FileType, FlockOperation, Mode, OFlags, chmodat, chownat, fchmod, flock, fstat, openat, renameat,
        unlinkat,
    },
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with},
    process::Gid,
};
use std::{
    ffi::{OsStr, OsString},
    os::{fd::OwnedFd, unix::net::UnixListener as StdUnixListener},
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

const SOCKET_MODE: Mode = Mode::from_raw_mode(0o660);
/// Of the socket until it has its group.
const UNFINISHED_MODE: Mode = Mode::from_raw_mode(0o600);
const LOCK_MODE: Mode = Mode::from_raw_mode(0o600);
const LOCK_SUFFIX: &str = ".lock";
/// Of the directory in which the socket is made.
const NEW_SUFFIX: &str = ".new";
/// Connections that may wait to be accepted; `net.core.somaxconn` may lower it.
const BACKLOG: i32 = 1024;

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
    directory: Directory,
    name: OsString,
    identity: FileIdentity,
    /// Released by the kernel when closed.
    _lock: OwnedFd,
}

impl DaemonSocket {
    /// Creates the socket file, replacing a stale one. Needs a tokio runtime; blocks for a few file operations.
    pub(crate) fn bind(options: &SocketOptions) -> Result<Self, SocketError> {
        let SocketOptions { path, group } = options;
        let path = path.clone();
        if path.as_os_str().len() > MAX_PATH_BYTES {
            return Err(SocketError::TooLong { path });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().map(OsStr::to_owned)) else {
            return Err(SocketError::NoFile { path });
        };
        let group = group.as_deref().map(group_id).transpose()?;
        let directory = Directory::open_or_make(parent, group)?;
        let lock = lock(&directory, &name, &path)?;
        refuse_if_used(&directory, &name, &path)?;
        let (listener, identity) = publish(&directory, &name, group, &path)?;
        Ok(Self { listener, path, owned: Some(OwnedFile { directory, name, identity, _lock: lock }) })
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
        let Some(OwnedFile { directory, name, identity, .. }) = &self.owned else { return };
        let Ok(Some((_, found))) = directory.look(name) else { return };
        if found == *identity
            && let Err(error) = unlinkat(directory, name, AtFlags::empty())
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}

/// Makes the socket in a private directory, and renames it once it has its group and mode and listens.
fn publish(
    directory: &Directory,
    name: &OsStr,
    group: Option<u32>,
    path: &Path,
) -> Result<(UnixListener, FileIdentity), SocketError> {
    let inside = PrivateDirectory::make(directory, with_suffix(name, NEW_SUFFIX))?;
    let socket = new_socket().map_err(failed("create", path))?;
    // The socket's own mode is that of the file that bind(2) makes, less the umask (`unix_bind_bsd()`,
    // net/unix/af_unix.c).
    fchmod(&socket, UNFINISHED_MODE).map_err(failed("chmod", path))?;
    SocketAddrUnix::new(inside.socket_path())
        .and_then(|address| bind(&socket, &address))
        .map_err(failed("create", path))?;
    if group.is_some() {
        let group = group.map(Gid::from_raw);
        chownat(&inside, PrivateDirectory::SOCKET, None, group, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed("chown", path))?;
    }
    // Follows links, but no other user can put one here.
    chmodat(&inside, PrivateDirectory::SOCKET, SOCKET_MODE, AtFlags::empty()).map_err(failed("chmod", path))?;
    listen(&socket, BACKLOG).map_err(failed("listen on", path))?;
    let listener = UnixListener::from_std(StdUnixListener::from(socket)).map_err(|source| {
        let path = path.to_owned();
        SocketError::Io { action: "listen on", path, source }
    })?;
    let identity = inside.identity().map_err(failed("stat", path))?;
    renameat(&inside, PrivateDirectory::SOCKET, directory, name).map_err(failed("rename the new socket to", path))?;
    Ok((listener, identity))
}

fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    let mut name = name.to_owned();
    name.push(suffix);
    name
}

/// Locks the lock file, which is made if it is missing.
fn lock(directory: &Directory, socket: &OsStr, path: &Path) -> Result<OwnedFd, SocketError> {
    let name = with_suffix(socket, LOCK_SUFFIX);
    let lock = path.with_file_name(&name);
    // Non-blocking: opening a FIFO would wait for a reader.
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(directory, &name, flags, LOCK_MODE) {
        Ok(file) => file,
        Err(Errno::NXIO | Errno::ISDIR | Errno::LOOP | Errno::NODEV) => {
            return Err(SocketError::NotALock { path: lock });
        }
        Err(errno) => return Err(failed("open", &lock)(errno)),
    };
    let stat = fstat(&file).map_err(failed("stat", &lock))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(SocketError::NotALock { path: lock });
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(SocketError::Taken { path: path.to_owned() }),
        Err(errno) => Err(failed("lock", &lock)(errno)),
    }
}

/// The lock is held, so no other rstmon owns the path; but a process that listens there without the lock must not lose
/// its socket.
fn refuse_if_used(directory: &Directory, name: &OsStr, path: &Path) -> Result<(), SocketError> {
    match directory.look(name).map_err(failed("stat", path))? {
        None => return Ok(()),
        Some((FileType::Socket, _)) => {}
        Some(_) => return Err(SocketError::NotASocket { path: path.to_owned() }),
    }
    match try_connect(path) {
        // EAGAIN: a process listens, and its backlog is full (unix(7)).
        Ok(()) | Err(Errno::AGAIN) => Err(SocketError::Taken { path: path.to_owned() }),
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed("probe", path)(errno)),
    }
}

/// Non-blocking: connect(2) to a listener whose backlog is full would otherwise wait until it accepts.
fn try_connect(path: &Path) -> Result<(), Errno> {
    connect(&new_socket()?, &SocketAddrUnix::new(path)?)
}

fn new_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}
