//! Debian's cloud kernels: small, with BTF, and with the drivers of a virtual machine built in (`NVMe`, ext4, serial
//! line). Fetched and unpacked into the cache, one for each suite and architecture; never installed.

use super::{
    architecture::Architecture,
    archive::{Archive, ArchiveError},
    cache::{Cache, CacheEntry},
};
use crate::{
    say,
    workspace::{self, FileError},
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Followed by Debian's name of the architecture.
const METAPACKAGE: &str = "linux-image-cloud";
/// How long a cached kernel is used without asking the archive for a newer one.
const FRESH: Duration = Duration::from_hours(7 * 24);
/// Suffix of the directory beside the entry with the suite's package lists.
const LISTS: &str = ".apt";
/// Suffix of the directory beside the entry with the downloaded and unpacked packages.
const SCRATCH: &str = ".fetched";
const TREE: &str = "tree";
const MODULES: &str = "usr/lib/modules";

#[derive(Debug, thiserror::Error)]
pub(super) enum KernelError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot read the stamp of {}", .path.display())]
    Stamp { path: PathBuf, source: serde_json::Error },
    #[error("no vmlinuz in the packages of {version}")]
    NoImage { version: String },
    #[error("{} is no image of a Linux kernel for this architecture", .path.display())]
    Unknown { path: PathBuf },
}

/// A kernel: one of Debian's, unpacked in the cache, or an image given by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GuestKernel {
    /// As printed by `uname -r`.
    pub(super) release: String,
    /// Version of Debian's package; empty for an image given by path.
    pub(super) version: String,
    image: PathBuf,
    /// The directory that has its modules in `lib` or `usr/lib`.
    tree: PathBuf,
}

/// The stamp of a kernel's cache entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KernelStamp {
    version: String,
    release: String,
}

impl GuestKernel {
    /// The kernel of a package that is unpacked in `tree`.
    fn packaged(release: String, version: String, tree: PathBuf) -> Self {
        let [in_boot, in_modules] = images(&tree, &release);
        Self { image: if in_boot.is_file() { in_boot } else { in_modules }, release, version, tree }
    }

    /// The image at `path`. Its modules are those of the host, if it has any for this release.
    pub(super) fn given(path: &Path) -> Result<Self, KernelError> {
        let image = workspace::read(path)?;
        let release = release_in(&image).ok_or_else(|| KernelError::Unknown { path: path.to_owned() })?;
        Ok(Self { release, version: String::new(), image: path.to_owned(), tree: "/".into() })
    }

    /// A kernel without any files, for unit tests.
    #[cfg(test)]
    pub(super) fn of_test(release: &str) -> Self {
        Self::packaged(release.to_owned(), String::new(), "/nowhere".into())
    }

    pub(super) fn image(&self) -> PathBuf {
        self.image.clone()
    }

    pub(super) fn modules(&self) -> PathBuf {
        self.modules_root().join("lib/modules").join(&self.release)
    }

    /// The directory that has its modules in `lib`.
    pub(super) fn modules_root(&self) -> PathBuf {
        let merged = self.tree.join("usr");
        if merged.join("lib/modules").join(&self.release).is_dir() { merged } else { self.tree.clone() }
    }
}

/// Offset in a bzImage of the pointer to the release, which is relative to 0x200 (Documentation/arch/x86/boot.rst).
const VERSION_POINTER: usize = 0x20e;
const SETUP_START: usize = 0x200;
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");

/// The release in the header of a bzImage: "6.1.0-9-amd64 (builder@host) #1 ...".
fn release_in(image: &[u8]) -> Option<String> {
    let (at, magic) = MAGIC;
    let at = if image.get(at..)?.starts_with(magic) { VERSION_POINTER } else { return None };
    let pointer = u16::from_le_bytes([*image.get(at)?, *image.get(at + 1)?]);
    let text = image.get(SETUP_START + usize::from(pointer)..)?;
    let release = text.split(|byte| *byte == b' ' || *byte == 0).next()?;
    let release = std::str::from_utf8(release).ok()?;
    release.starts_with(|first: char| first.is_ascii_digit()).then(|| release.to_owned())
}

/// The newest kernel of a suite: from the cache if it was fetched or confirmed within [`FRESH`] or if the archive
/// cannot be reached.
pub(super) fn newest(cache: &Cache, suite: &str, architecture: Architecture) -> Result<GuestKernel, KernelError> {
    let entry = cache.entry(&format!("kernel-{suite}-{}", architecture.debian()));
    let cached = cached(&entry)?;
    match cached {
        Some(kernel) if entry.age().is_some_and(|age| age < FRESH) => Ok(kernel),
        None => fetch(&entry, suite, architecture, None),
        Some(old) => fetch(&entry, suite, architecture, Some(&old)).or_else(|error| {
            say::line(format_args!("vm: using Linux {} from the cache: {error}", old.release));
            Ok(old)
        }),
    }
}

fn cached(entry: &CacheEntry) -> Result<Option<GuestKernel>, KernelError> {
    let Some(text) = entry.stamp()? else { return Ok(None) };
    let unreadable = |source| KernelError::Stamp { path: entry.path().to_owned(), source };
    let KernelStamp { version, release } = serde_json::from_str(&text).map_err(unreadable)?;
    Ok(Some(GuestKernel::packaged(release, version, entry.path().join(TREE))))
}

fn fetch(
    entry: &CacheEntry,
    suite: &str,
    architecture: Architecture,
    old: Option<&GuestKernel>,
) -> Result<GuestKernel, KernelError> {
    let archive = Archive::open(suite, architecture, &entry.beside(LISTS))?;
    let family = archive.family(&format!("{METAPACKAGE}-{}", architecture.debian()))?;
    if let Some(old) = old
        && old.version == family.version
    {
        entry.confirm(&stamp(&old.release, &old.version))?;
        return Ok(old.clone());
    }
    say::line(format_args!("vm: fetching Debian's kernel {} ({suite}, {})", family.version, architecture.debian()));
    let scratch = entry.beside(SCRATCH);
    let tree = scratch.join(TREE);
    let _ = fs::remove_dir_all(&scratch);
    archive.unpack(&family.packages(), &scratch, &tree)?;
    let release = release(&tree)?.ok_or_else(|| KernelError::NoImage { version: family.version.clone() })?;
    entry.replace(&stamp(&release, &family.version), |dir| {
        fs::rename(&tree, dir.join(TREE)).map_err(FileError::on("move", &tree)).map_err(KernelError::from)
    })?;
    fs::remove_dir_all(&scratch).map_err(FileError::on("remove", &scratch))?;
    Ok(GuestKernel::packaged(release, family.version, entry.path().join(TREE)))
}

fn stamp(release: &str, version: &str) -> String {
    serde_json::json!({ "version": version, "release": release }).to_string()
}

/// The paths of the image in a package; since 7.x it is among the modules.
fn images(tree: &Path, release: &str) -> [PathBuf; 2] {
    [tree.join(format!("boot/vmlinuz-{release}")), tree.join(MODULES).join(release).join("vmlinuz")]
}

/// The release of the kernel in `tree`: every package with an image has modules as well.
fn release(tree: &Path) -> Result<Option<String>, FileError> {
    for directory in [MODULES, "lib/modules"].map(|place| tree.join(place)).iter().filter(|place| place.is_dir()) {
        let named = files(directory)?.into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        for release in named {
            if images(tree, &release).iter().any(|image| image.is_file()) {
                return Ok(Some(release));
            }
        }
    }
    Ok(None)
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = fs::read_dir(dir).map_err(FileError::on("list", dir))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(FileError::on("list", dir))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_found_wherever_a_package_has_it() {
        const RELEASE: &str = "6.12.1+deb13-cloud-amd64";
        for (modules, image) in [
            ("lib/modules", format!("boot/vmlinuz-{RELEASE}")),
            ("usr/lib/modules", format!("boot/vmlinuz-{RELEASE}")),
            ("usr/lib/modules", format!("usr/lib/modules/{RELEASE}/vmlinuz")),
        ] {
            let dir = tempfile::tempdir().expect("temporary directory");
            workspace::write(&dir.path().join(modules).join(RELEASE).join("kernel/x.ko"), "").expect("written");
            assert_eq!(release(dir.path()).expect("readable"), None);
            workspace::write(&dir.path().join(&image), "").expect("written");
            assert_eq!(release(dir.path()).expect("readable").as_deref(), Some(RELEASE));
            let kernel = GuestKernel::packaged(RELEASE.into(), String::new(), dir.path().to_owned());
            assert_eq!(kernel.image(), dir.path().join(image));
            assert_eq!(kernel.modules(), dir.path().join(modules).join(RELEASE));
        }
    }

    #[test]
    fn the_release_is_read_from_an_image() {
        let mut image = vec![0; 0x400];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x100u16.to_le_bytes());
        image[0x300..0x314].copy_from_slice(b"6.1.0-9-amd64 (x@y) ");
        assert_eq!(release_in(&image).as_deref(), Some("6.1.0-9-amd64"));
        assert_eq!(release_in(&image[..0x250]), None);
        image[0x202] = b'X';
        assert_eq!(release_in(&image), None);
    }

    #[test]
    fn a_fresh_kernel_in_the_cache_needs_no_archive() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let cache = Cache::at(dir.path().to_owned()).expect("cache");
        let entry = cache.entry("kernel-anything-arm64");
        let kernel = GuestKernel::packaged("1.2-x".into(), "1.2-1".into(), entry.path().join(TREE));
        entry.confirm(&stamp(&kernel.release, &kernel.version)).expect("written");
        assert_eq!(newest(&cache, "anything", Architecture::Arm64).expect("cached"), kernel);
    }
}
