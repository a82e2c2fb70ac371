//! Notices that a file was written or replaced.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// What is different after a file was written or replaced; nothing for a file that cannot be seen.
pub(super) type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// A file as it was just before it was read, so that a change while it is read counts as one.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    path: PathBuf,
    stamp: Stamp,
}

impl Watched {
    /// Call it before reading the file.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), stamp: stamp(path) }
    }

    /// Which file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's stamp as of now.
    pub(super) fn now(&self) -> Stamp {
        stamp(&self.path)
    }

    /// Whether that differs from the one it was read with.
    pub(super) fn changed(&self) -> bool {
        self.now() != self.stamp
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}
