//! Directories by descriptor: what is done through a descriptor is done to the same directory, whatever happens to its
//! path meanwhile.

use super::error::{SocketError, failed};
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, Stat, fchown, fstat, mkdirat, open, openat, statat, unlinkat},
    io::Errno,
    process::{Gid, geteuid},
};
use std::{
    ffi::{OsStr, OsString},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// Of a directory that is made for the socket: open to its owner and the group.
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o750);
/// Of a directory that only its owner can enter.
const PRIVATE_MODE: Mode = Mode::from_raw_mode(0o700);
const FOR_OTHERS: u32 = 0o077;

/// An open directory and the path by which it was found.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory; where it is missing, makes it and its parents, all owned by `group`.
    pub(super) fn open_or_make(path: &Path, group: Option<u32>) -> Result<Self, SocketError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => return Ok(Self { fd, path: path.to_owned() }),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed("open the directory", path)(errno)),
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(SocketError::NoFile { path: path.to_owned() });
        };
        let made = Self::open_or_make(parent, group)?.make(name, DIRECTORY_MODE)?;
        if group.is_some() {
            fchown(&made.fd, None, group.map(Gid::from_raw)).map_err(failed("chown", path))?;
        }
        Ok(made)
    }

    /// Makes a directory in this one, and opens it.
    fn make(&self, name: &OsStr, mode: Mode) -> Result<Self, SocketError> {
        let path = self.path.join(name);
        mkdirat(&self.fd, name, mode).map_err(failed("create the directory", &path))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            // ENOTDIR with O_DIRECTORY is a link, too (open(2)).
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(SocketError::Replaced { path }),
            Err(errno) => return Err(failed("open the directory", &path)(errno)),
        };
        let Stat { st_uid, st_mode, .. } = fstat(&fd).map_err(failed("stat", &path))?;
        // The umask can only take bits away.
        let is_wider = st_mode & FOR_OTHERS & !mode.as_raw_mode() != 0;
        if st_uid != geteuid().as_raw() || is_wider {
            return Err(SocketError::Replaced { path });
        }
        Ok(Self { fd, path })
    }

    /// The type, device and inode of a file in it, which is not followed if it is a link. `None` where there is none.
    pub(super) fn look(&self, name: &OsStr) -> Result<Option<(FileType, FileIdentity)>, Errno> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some((FileType::from_raw_mode(stat.st_mode), FileIdentity::of(&stat)))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Device and inode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// A directory that no other user can enter, in which the socket is made. Dropping it removes it.
#[derive(Debug)]
pub(super) struct PrivateDirectory<'a> {
    parent: &'a Directory,
    name: OsString,
    own: Directory,
}

impl<'a> PrivateDirectory<'a> {
    /// The name of the socket in it.
    pub(super) const SOCKET: &'static str = "rstmon.sock";

    /// Makes it. What a daemon that was killed left under the name is removed; the caller holds the lock of the socket,
    /// so that no other daemon uses it.
    pub(super) fn make(parent: &'a Directory, name: OsString) -> Result<Self, SocketError> {
        let path = parent.path.join(&name);
        match unlinkat(parent, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let stale = openat(parent, &name, flags, Mode::empty()).map_err(failed("open", &path))?;
                let _ = unlinkat(&stale, Self::SOCKET, AtFlags::empty());
                unlinkat(parent, &name, AtFlags::REMOVEDIR).map_err(failed("remove", &path))?;
            }
            Err(errno) => return Err(failed("remove", &path)(errno)),
        }
        let own = parent.make(&name, PRIVATE_MODE)?;
        Ok(Self { parent, name, own })
    }

    /// A path that leads to the socket whatever happens to the directory's own path, and that is short enough for
    /// bind(2).
    pub(super) fn socket_path(&self) -> PathBuf {
        Path::new("/proc/self/fd").join(self.own.fd.as_raw_fd().to_string()).join(Self::SOCKET)
    }

    /// Of the socket in it.
    pub(super) fn identity(&self) -> Result<FileIdentity, Errno> {
        let (_, identity) = self.own.look(OsStr::new(Self::SOCKET))?.ok_or(Errno::NOENT)?;
        Ok(identity)
    }
}

impl AsFd for PrivateDirectory<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.own.as_fd()
    }
}

impl Drop for PrivateDirectory<'_> {
    fn drop(&mut self) {
        // The socket is in it only if it was not published.
        let _ = unlinkat(&self.own, Self::SOCKET, AtFlags::empty());
        // Fails if the directory was replaced or removed, and then nothing of ours is left.
        let _ = unlinkat(self.parent, &self.name, AtFlags::REMOVEDIR);
    }
}
