//! The directory of a store, by descriptor: what is done to its files is done in the same directory, whatever happens
//! to its path, and the sandbox can allow exactly this one.

use super::{
    error::StoreError,
    name::{self, SegmentName},
    retention::KeptSegment,
};
use rustix::{
    fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, fchmod, flock, fstat, fstatvfs, fsync, openat},
    io::Errno,
};
use std::{
    fs::{DirBuilder, File},
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::fs::DirBuilderExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Members of the group may read.
const DIRECTORY_MODE: u32 = 0o750;
const FILE_MODE: Mode = Mode::from_raw_mode(0o640);
/// Holds the store's id, and is locked by the daemon that writes.
const LOCK: &str = "lock";
/// Begins the names of files that are being written.
const TEMPORARY: &str = "tmp-";
/// Begins the names of files with bytes that could not be read as lines.
const DAMAGED: &str = "damaged-";
/// Digits of a store's id.
const ID_DIGITS: usize = 32;

/// An open directory of a store.
#[derive(Debug)]
pub(crate) struct StoreDirectory {
    path: PathBuf,
    fd: Arc<OwnedFd>,
}

/// Space of a file system in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DiskSpace {
    pub(super) total: u64,
    pub(super) available: u64,
}

/// The files of a directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The segments of both kinds, each in the order in which it was written.
    pub(super) segments: Vec<KeptSegment>,
    /// Files of which a complete form exists.
    pub(super) superseded: Vec<SegmentName>,
    /// Files that were being written when the daemon ended.
    pub(super) temporary: Vec<String>,
    /// Files with bytes that are no lines, with their sizes, the oldest first.
    pub(super) damaged: Vec<(String, u64)>,
}

/// The lock of a directory; released on drop.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
    /// Id of the store.
    pub(super) store: String,
}

impl StoreDirectory {
    /// Opens the directory of a store, and makes it if it is missing.
    pub(crate) fn open_or_make(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path).map_err(io_error("make", path))?;
        Self::open(path)
    }

    /// Opens an existing directory.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(errno("open", path))?;
        Ok(Self { path: path.to_owned(), fd: Arc::new(fd) })
    }

    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor, for the sandbox.
    #[must_use]
    pub(crate) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// The path of a file, for messages.
    pub(super) fn path_of(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// Whether the directory was removed since it was opened.
    pub(super) fn is_removed(&self) -> bool {
        fstat(&self.fd).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Takes the lock, and gives the store an id if it has none.
    pub(super) fn lock(&self) -> Result<DirectoryLock, StoreError> {
        let path = self.path_of(LOCK);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = openat(&self.fd, LOCK, flags, FILE_MODE).map_err(errno("open", &path))?;
        match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(StoreError::Locked { path: self.path.clone() }),
            result => result.map_err(errno("lock", &path))?,
        }
        fchmod(&fd, FILE_MODE).map_err(errno("set the mode of", &path))?;
        let mut file = File::from(fd);
        let mut store = String::new();
        (&mut file).take(4096).read_to_string(&mut store).map_err(io_error("read", &path))?;
        let mut store = store.trim().to_owned();
        if !is_id(&store) {
            store = new_id().map_err(io_error("find a random id for", &path))?;
            file.set_len(0)
                .and_then(|()| rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).map_err(Into::into))
                .and_then(|_| file.write_all(format!("{store}\n").as_bytes()))
                .and_then(|()| file.sync_data())
                .map_err(io_error("write to", &path))?;
        }
        Ok(DirectoryLock { _file: file, store })
    }

    /// Whether a process holds the lock.
    pub(crate) fn is_locked(&self) -> bool {
        openat(&self.fd, LOCK, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .is_ok_and(|fd| flock(&fd, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK))
    }

    pub(super) fn list(&self) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        let mut files = Vec::new();
        let entries = Dir::read_from(&self.fd).map_err(errno("list", &self.path))?;
        for entry in entries {
            let entry = entry.map_err(errno("list", &self.path))?;
            let Ok(text) = entry.file_name().to_str() else { continue };
            let size = || {
                let stat = rustix::fs::statat(&self.fd, text, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
                    .then(|| u64::try_from(stat.st_size).unwrap_or(0))
            };
            if let Some(name) = SegmentName::parse(text) {
                files.extend(size().map(|bytes| (name, bytes)));
            } else if text.starts_with(TEMPORARY) {
                listing.temporary.push(text.to_owned());
            } else if text.starts_with(DAMAGED) {
                listing.damaged.extend(size().map(|bytes| (text.to_owned(), bytes)));
            }
        }
        let (segments, superseded) = name::resolve(files);
        listing.segments = segments.into_iter().map(|(name, bytes)| KeptSegment { name, bytes }).collect();
        listing.superseded = superseded;
        listing.damaged.sort();
        Ok(listing)
    }

    /// Makes a file for appending, which must not exist.
    pub(super) fn create(&self, name: &str) -> Result<File, StoreError> {
        let path = self.path_of(name);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = openat(&self.fd, name, flags, FILE_MODE).map_err(errno("make", &path))?;
        // The mode does not depend on the process's umask, which may hide new files from the group.
        fchmod(&fd, FILE_MODE).map_err(errno("set the mode of", &path))?;
        Ok(fd.into())
    }

    pub(super) fn open_file(&self, name: &str) -> Result<File, StoreError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        Ok(openat(&self.fd, name, flags, Mode::empty()).map_err(errno("open", &self.path_of(name)))?.into())
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), StoreError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            result => result.map_err(errno("remove", &self.path_of(name))),
        }
    }

    /// The name of a temporary file that becomes `name`.
    pub(super) fn temporary(name: &str) -> String {
        format!("{TEMPORARY}{name}")
    }

    /// The name of a file for the bytes of `name` that are no lines.
    pub(super) fn damaged(name: &str) -> String {
        format!("{DAMAGED}{name}")
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        rustix::fs::renameat(&self.fd, from, &self.fd, to).map_err(errno("rename", &self.path_of(from)))
    }

    /// Makes new names and removed ones survive a power loss.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        fsync(&self.fd).map_err(errno("sync", &self.path))
    }

    /// The space of its file system; `None` where that has no size, as a file system in memory.
    pub(super) fn space(&self) -> Option<DiskSpace> {
        let space = fstatvfs(&self.fd).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        (space.f_blocks > 0).then(|| DiskSpace { total: bytes(space.f_blocks), available: bytes(space.f_bavail) })
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A random id.
fn new_id() -> io::Result<String> {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    Ok(uuid.trim().replace('-', ""))
}

pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}

fn errno(what: &'static str, path: &Path) -> impl FnOnce(Errno) -> StoreError {
    let path = path.to_owned();
    move |errno| StoreError::Io { what, path, source: errno.into() }
}
