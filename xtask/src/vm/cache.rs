//! What virtual machines are made of is kept from run to run, outside of the repository, because it takes long to get.
//!
//! Contract: an entry is a directory that is complete or absent. It holds a stamp, the full text of what it was made
//! from; an entry whose stamp is another one is made anew. Deleting the cache, or a part, is always safe.

use crate::workspace::{self, FileError};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

const DIRECTORY: &str = "rstmon-vm";
const STAMP: &str = "stamp.json";

/// The cache of this user.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Below `XDG_CACHE_HOME`, or `~/.cache`.
    pub(super) fn of_user() -> Result<Self, FileError> {
        let base = env::var_os("XDG_CACHE_HOME").filter(|dir| Path::new(dir).is_absolute()).map_or_else(
            || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache"),
            PathBuf::from,
        );
        Self::at(base.join(DIRECTORY))
    }

    /// In `root`.
    pub(super) fn at(root: PathBuf) -> Result<Self, FileError> {
        fs::create_dir_all(&root).map_err(FileError::on("create", &root))?;
        Ok(Self { root })
    }

    /// The entry called `name`, whether or not it exists.
    pub(super) fn entry(&self, name: &str) -> Entry {
        Entry { path: self.root.join(name) }
    }
}

/// One entry of the cache.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    path: PathBuf,
}

impl Entry {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path of the entry's own beside it, for what is on the way into it.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }

    /// What it was made from, if it is there.
    pub(super) fn stamp(&self) -> Result<Option<String>, FileError> {
        match workspace::read_text(&self.path.join(STAMP)) {
            Ok(stamp) => Ok(Some(stamp)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How long ago it was made or confirmed; `None` if it is not there.
    pub(super) fn age(&self) -> Option<Duration> {
        let made = self.path.join(STAMP).metadata().ok()?.modified().ok()?;
        // A stamp from the future, after the clock was set back, is as good as new.
        Some(made.elapsed().unwrap_or_default())
    }

    /// Notes that the entry is still what would be made today.
    pub(super) fn confirm(&self, stamp: &str) -> Result<(), FileError> {
        workspace::write(&self.path.join(STAMP), stamp)
    }

    /// Has the entry made by `make`, in a directory that takes the place of the old one once it is complete.
    pub(super) fn replace<E: From<FileError>>(
        &self,
        stamp: &str,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let half = self.beside(".half");
        remove(&half)?;
        fs::create_dir_all(&half).map_err(FileError::on("create", &half))?;
        make(&half)?;
        workspace::write(&half.join(STAMP), stamp)?;
        remove(&self.path)?;
        fs::rename(&half, &self.path).map_err(FileError::on("put into place", &self.path))?;
        Ok(())
    }
}

/// Removes a directory with all that is in it, if there is one.
fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::on("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(entry: &Entry) -> Option<String> {
        fs::read_to_string(entry.path().join("file")).ok()
    }

    fn make(entry: &Entry, stamp: &str, content: &str) -> Result<(), FileError> {
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
