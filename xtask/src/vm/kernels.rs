//! Debian's kernels for clouds: small, with BTF, and with what a virtual machine needs built in (`NVMe`, ext4,
//! serial line). Fetched and unpacked into the cache, one a suite; never installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    archive::{Archive, ArchiveError},
    cache::{Cache, Entry},
};
use crate::{
    process::{self, ProcessError},
    say,
    workspace::FileError,
};

const METAPACKAGE: &str = "linux-image-cloud-amd64";
/// How long a kernel in the cache is taken for the newest without asking.
const FRESH: Duration = Duration::from_hours(7 * 24);
/// Beside the entry, which is replaced as a whole: the suite's package lists.
const LISTS: &str = ".apt";
/// Beside the entry: packages, and what was in them.
const SCRATCH: &str = ".fetched";
const TREE: &str = "tree";

/// Why there is no kernel to boot.
#[derive(Debug, thiserror::Error)]
pub(super) enum KernelError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot read the stamp of {}", .path.display())]
    Stamp { path: PathBuf, source: serde_json::Error },
    #[error("no boot/vmlinuz-* in the packages of {version}")]
    NoImage { version: String },
}

/// A kernel that is unpacked in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// As `uname -r` says it.
    pub(super) release: String,
    /// Version of Debian's package.
    pub(super) version: String,
    tree: PathBuf,
}

/// What the cache knows about its kernel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stamp {
    version: String,
    release: String,
}

impl Kernel {
    /// The image to boot.
    pub(super) fn image(&self) -> PathBuf {
        self.tree.join(format!("boot/vmlinuz-{}", self.release))
    }

    /// The directory of its modules.
    pub(super) fn modules(&self) -> PathBuf {
        let merged = self.tree.join("usr/lib/modules").join(&self.release);
        if merged.is_dir() { merged } else { self.tree.join("lib/modules").join(&self.release) }
    }
}

/// The newest kernel of a suite: out of the cache if it was fetched or confirmed in the last days, or if the archive
/// cannot be reached.
pub(super) fn newest(cache: &Cache, suite: &str) -> Result<Kernel, KernelError> {
    let entry = cache.entry(&format!("kernel-{suite}"));
    let cached = cached(&entry)?;
    match cached {
        Some(kernel) if entry.age().is_some_and(|age| age < FRESH) => Ok(kernel),
        None => fetch(&entry, suite, None),
        Some(old) => fetch(&entry, suite, Some(&old)).or_else(|error| {
            say::line(format_args!("vm: going on with Linux {} from the cache: {error}", old.release));
            Ok(old)
        }),
    }
}

fn cached(entry: &Entry) -> Result<Option<Kernel>, KernelError> {
    let Some(text) = entry.stamp()? else { return Ok(None) };
    let unreadable = |source| KernelError::Stamp { path: entry.path().to_owned(), source };
    let Stamp { version, release } = serde_json::from_str(&text).map_err(unreadable)?;
    Ok(Some(Kernel { release, version, tree: entry.path().join(TREE) }))
}

fn fetch(entry: &Entry, suite: &str, old: Option<&Kernel>) -> Result<Kernel, KernelError> {
    let archive = Archive::open(suite, &entry.beside(LISTS))?;
    let family = archive.family(METAPACKAGE)?;
    if let Some(old) = old
        && old.version == family.version
    {
        entry.confirm(&stamp(old))?;
        return Ok(old.clone());
    }
    say::line(format_args!("vm: fetching Debian's kernel {} ({suite})", family.version));
    let scratch = entry.beside(SCRATCH);
    let tree = scratch.join(TREE);
    let _ = fs::remove_dir_all(&scratch);
    archive.download(&family, &scratch)?;
    for package in files(&scratch)?.iter().filter(|file| file.extension().is_some_and(|end| end == "deb")) {
        process::run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&tree))?;
    }
    let release = release(&tree)?.ok_or_else(|| KernelError::NoImage { version: family.version.clone() })?;
    let kernel = Kernel { release, version: family.version, tree: entry.path().join(TREE) };
    entry.replace(&stamp(&kernel), |dir| {
        fs::rename(&tree, dir.join(TREE)).map_err(FileError::on("move", &tree)).map_err(KernelError::from)
    })?;
    fs::remove_dir_all(&scratch).map_err(FileError::on("remove", &scratch))?;
    Ok(kernel)
}

fn stamp(kernel: &Kernel) -> String {
    serde_json::json!({ "version": kernel.version, "release": kernel.release }).to_string()
}

/// The release of the kernel whose image is in `tree`.
fn release(tree: &Path) -> Result<Option<String>, FileError> {
    let release = |path: &PathBuf| Some(path.file_name()?.to_str()?.strip_prefix("vmlinuz-")?.to_owned());
    Ok(files(&tree.join("boot"))?.iter().find_map(release))
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = fs::read_dir(dir).map_err(FileError::on("list", dir))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(FileError::on("list", dir))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn the_release_is_in_the_name_of_the_image() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for file in ["boot/config-6.12.1+deb13-cloud-amd64", "boot/vmlinuz-6.12.1+deb13-cloud-amd64"] {
            workspace::write(&dir.path().join(file), "").expect("written");
        }
        assert_eq!(release(dir.path()).expect("readable").as_deref(), Some("6.12.1+deb13-cloud-amd64"));
    }

    #[test]
    fn a_fresh_kernel_in_the_cache_needs_no_archive() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let cache = Cache::at(dir.path().to_owned()).expect("cache");
        let entry = cache.entry("kernel-anything");
        let kernel = Kernel { release: "1.2-x".into(), version: "1.2-1".into(), tree: entry.path().join(TREE) };
        entry.confirm(&stamp(&kernel)).expect("written");
        assert_eq!(newest(&cache, "anything").expect("cached"), kernel);
    }
}
