//! Reads the files of a web configuration, and notices when one was written or replaced.

use crate::host::regular_file;
use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// A configuration is a page of text, a certificate chain a few: a larger file is not the one that was meant.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// At least one of these differs after the file was written, was replaced or got another mode or owner. `None` for a
/// file that stat(2) does not find.
pub(super) type FileStamp = Option<StampedFile>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StampedFile {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Of the contents or of the inode, which includes its mode.
    changed: (i64, i64),
}

/// A file and its stamp from before it was read, so that a change during the read is noticed.
#[derive(Clone, Debug)]
pub(super) struct WatchedFile {
    path: PathBuf,
    stamp: FileStamp,
}

impl WatchedFile {
    /// To be called before the file is read.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), stamp: stamp(path) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn stamp(&self) -> FileStamp {
        self.stamp
    }

    pub(super) fn changed(&self) -> bool {
        stamp(&self.path) != self.stamp
    }
}

fn stamp(path: &Path) -> FileStamp {
    let metadata = fs::metadata(path).ok()?;
    Some(StampedFile {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// The whole file; an error for one that is not a regular file or has more than [`MAX_FILE_BYTES`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    regular_file::read(path, MAX_FILE_BYTES)
}
