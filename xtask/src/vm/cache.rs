//! A cache for the parts of virtual machines, outside of the repository and kept between runs: fetching them takes
//! long.
//!
//! Contract: an entry is a directory that is either complete or absent. It holds a stamp, the full text of the inputs
//! that it was made from; an entry with another stamp is made again. Deleting the cache, or a part, is always safe.

use crate::workspace::{self, FileError};
use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

const DIRECTORY: &str = "rstmon-vm";
const STAMP: &str = "stamp.json";

#[derive(Clone, Debug)]
pub(super) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache below `XDG_CACHE_HOME`, or `~/.cache`.
    pub(super) fn of_user() -> Result<Self, FileError> {
        let base = env::var_os("XDG_CACHE_HOME").filter(|dir| Path::new(dir).is_absolute()).map_or_else(
            || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache"),
            PathBuf::from,
        );
        Self::at(base.join(DIRECTORY))
    }

    pub(super) fn at(root: PathBuf) -> Result<Self, FileError> {
        fs::create_dir_all(&root).map_err(FileError::on("create", &root))?;
        Ok(Self { root })
    }

    pub(super) fn entry(&self, name: &str) -> CacheEntry {
        CacheEntry { path: self.root.join(name) }
    }
}

#[derive(Clone, Debug)]
pub(super) struct CacheEntry {
    path: PathBuf,
}

impl CacheEntry {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path beside the entry, for files that are not part of it yet.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    /// The stamp of the entry; `None` if the entry does not exist.
    pub(super) fn stamp(&self) -> Result<Option<String>, FileError> {
        match workspace::read_text(&self.path.join(STAMP)) {
            Ok(stamp) => Ok(Some(stamp)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The time since the entry was made or confirmed; `None` if it does not exist.
    pub(super) fn age(&self) -> Option<Duration> {
        let made = self.path.join(STAMP).metadata().ok()?.modified().ok()?;
        // After the clock was set back, a stamp may be from the future: its age is 0 then.
        Some(made.elapsed().unwrap_or_default())
    }

    /// Records that the entry would be made from the same inputs today.
    pub(super) fn confirm(&self, stamp: &str) -> Result<(), FileError> {
        workspace::write(&self.path.join(STAMP), stamp)
    }

    /// Fills a new directory by `make` and, once it is complete, puts it in the place of the old entry.
    pub(super) fn replace<E: From<FileError>>(
        &self,
        stamp: &str,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let half = self.beside(".half");
        workspace::remove_dir(&half)?;
        fs::create_dir_all(&half).map_err(FileError::on("create", &half))?;
        make(&half)?;
        workspace::write(&half.join(STAMP), stamp)?;
        workspace::remove_dir(&self.path)?;
        fs::rename(&half, &self.path).map_err(FileError::on("put into place", &self.path))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn file_of(entry: &CacheEntry) -> Option<String> {
        fs::read_to_string(entry.path().join("file")).ok()
    }

    fn make(entry: &CacheEntry, stamp: &str, content: &str) -> Result<(), FileError> {
        entry.replace(stamp, |dir| workspace::write(&dir.join("file"), content))
    }

    #[test]
    fn an_entry_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let entry = Cache::at(dir.path().join("cache")).expect("cache").entry("kernel-a.b");
        assert_eq!((entry.stamp().expect("readable"), entry.age()), (None, None));
        make(&entry, "1", "one").expect("made");
        make(&entry, "2", "two").expect("made again");
        assert_eq!(entry.stamp().expect("readable").as_deref(), Some("2"));
        assert_eq!(file_of(&entry).as_deref(), Some("two"));
        assert!(entry.age().is_some());
    }

    #[test]
    fn what_could_not_be_made_leaves_the_old_one() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let entry = Cache::at(dir.path().to_owned()).expect("cache").entry("kernel");
        make(&entry, "1", "one").expect("made");
        let failed: Result<(), FileError> = entry
            .replace("2", |_| Err(FileError::on("download", Path::new("x"))(io::ErrorKind::NetworkUnreachable.into())));
        assert!(failed.is_err());
        assert_eq!(entry.stamp().expect("readable").as_deref(), Some("1"));
        assert_eq!(file_of(&entry).as_deref(), Some("one"));
    }
}
