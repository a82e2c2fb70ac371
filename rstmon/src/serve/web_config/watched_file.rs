//! Reads the files of a web configuration, and notices when one was written or replaced.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// A configuration is a page of text, a certificate chain a few: a larger file is not the one that was meant.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Device, inode, size and modification time (seconds, nanoseconds): at least one differs after the file was written or
/// replaced. `None` for a file that stat(2) does not find.
pub(super) type FileStamp = Option<(u64, u64, u64, i64, i64)>;

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

    pub(super) fn current_stamp(&self) -> FileStamp {
        stamp(&self.path)
    }

    pub(super) fn changed(&self) -> bool {
        self.current_stamp() != self.stamp
    }
}

fn stamp(path: &Path) -> FileStamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}

/// The whole file; an error for one of more than [`MAX_FILE_BYTES`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
