//! Temporary directories of this crate, named by the process that made them.

use anyhow::{Context as _, Result};
use std::{env, fs, process, sync::Once};
use tempfile::TempDir;

/// Followed by the process id.
const PREFIX: &str = "rstmon-test-";

/// A new directory that only this user may enter; removed on drop. The first call removes the directories of processes
/// that were killed before they could.
///
/// # Errors
/// When it cannot be made.
pub fn directory() -> Result<TempDir> {
    static SWEEP: Once = Once::new();
    SWEEP.call_once(remove_stale);
    // Not in the target directory: the path of a Unix socket in it must not exceed 107 bytes.
    TempDir::with_prefix(format!("{PREFIX}{}-", process::id())).context("making a temporary directory")
}

fn remove_stale() {
    let Ok(entries) = fs::read_dir(env::temp_dir()) else { return };
    for entry in entries.flatten() {
        if crate::stale(&entry.file_name().to_string_lossy(), PREFIX) {
            // A directory of another user stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_distinct_and_do_not_stay() {
        let (one, other) = (directory().expect("a directory"), directory().expect("another"));
        assert_ne!(one.path(), other.path());
        fs::write(one.path().join("file"), "").expect("write");
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists() && other.path().is_dir());
    }
}
