//! A directory of our own, gone when dropped.

use super::interrupt;
use crate::workspace::FileError;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

const PREFIX: &str = "rstmon-bench-";

/// Removes the directories of runs that were killed before they could.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let left = owner(&name.to_string_lossy()).is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists());
        if left {
            // As root it goes; if it does not, it is no reason not to measure.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The process that a directory of this name belongs to.
fn owner(name: &str) -> Option<u32> {
    let (pid, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

/// A new directory that only root may enter.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Self, FileError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Not in the target directory: the path of a Unix socket in it must not exceed 107 bytes.
        let path = std::env::temp_dir().join(format!("{PREFIX}{}-{number}", std::process::id()));
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        interrupt::owed(&path);
        builder.create(&path).map_err(FileError::on("create", &path))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        interrupt::done(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_swept() {
        assert_eq!(owner("rstmon-bench-123-0"), Some(123));
        for name in ["rstmon-bench-123", "rstmon-bench-x-0", "rstmon-bench-1-notes", "rstmon-123-0"] {
            assert_eq!(owner(name), None, "{name}");
        }
    }

    #[test]
    fn directories_are_distinct_and_do_not_stay() {
        let (one, other) = (Scratch::new().expect("a directory"), Scratch::new().expect("another"));
        assert_ne!(one.path(), other.path());
        fs::write(one.path().join("file"), "").expect("write");
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists() && other.path().is_dir());
    }
}
