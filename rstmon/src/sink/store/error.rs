//! Why the store cannot read or write.

use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// The failed operation, as in "write to".
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is in use by another rstmon; give each its own store.directory", path.display())]
    Locked { path: PathBuf },
    #[error("{} is on a file system with {available} free bytes, less than store.min_free, and holds nothing to remove", path.display())]
    NoRoom { path: PathBuf, available: u64 },
    #[error("{} was removed; restart rstmon, which makes it anew", path.display())]
    Removed { path: PathBuf },
}
