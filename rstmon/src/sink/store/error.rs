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
    #[error(
        "no room in {}: {available} bytes are free, store.min_free has to stay free, and there is nothing older to remove",
        path.display()
    )]
    NoRoom { path: PathBuf, available: u64 },
    #[error("{} was removed; restart rstmon, which makes it anew", path.display())]
    Removed { path: PathBuf },
}
