//! Debian's kernels for clouds: small, with BTF, and with what a virtual machine needs built in (`NVMe`, ext4,
//! serial line). Fetched and unpacked into the cache, one a suite and architecture; never installed.

use super::{
    architecture::Architecture,
    archive::{Archive, ArchiveError},
    cache::{Cache, Entry},
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
/// How long a kernel in the cache is taken for the newest without asking.
const FRESH: Duration = Duration::from_hours(7 * 24);
/// Beside the entry, which is replaced as a whole: the suite's package lists.
const LISTS: &str = ".apt";
/// Beside the entry: packages, and what was in them.
const SCRATCH: &str = ".fetched";
const TREE: &str = "tree";
const MODULES: &str = "usr/lib/modules";

/// Why there is no kernel to boot.
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

/// A kernel: one of Debian's, unpacked in the cache, or somebody's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// As `uname -r` says it.
    pub(super) release: String,
    /// Version of Debian's package; empty for somebody's own.
    pub(super) version: String,
    image: PathBuf,
    /// The directory that has its modules in `lib` or `usr/lib`.
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
    /// The kernel of a package, unpacked in `tree`.
    fn packaged(release: String, version: String, tree: PathBuf) -> Self {
        let [in_boot, in_modules] = images(&tree, &release);
        Self { image: if in_boot.is_file() { in_boot } else { in_modules }, release, version, tree }
    }

    /// Somebody's own image; its modules are taken from this system, if it has them.
    pub(super) fn given(path: &Path) -> Result<Self, KernelError> {
        let image = workspace::read(path)?;
        let release = release_in(&image).ok_or_else(|| KernelError::Unknown { path: path.to_owned() })?;
        Ok(Self { release, version: String::new(), image: path.to_owned(), tree: "/".into() })
    }

    /// A kernel that is not there.
    #[cfg(test)]
    pub(super) fn of_test(release: &str) -> Self {
        Self::packaged(release.to_owned(), String::new(), "/nowhere".into())
    }

    /// The image to boot.
    pub(super) fn image(&self) -> PathBuf {
        self.image.clone()
    }

    /// The directory of its modules.
    pub(super) fn modules(&self) -> PathBuf {
        self.modules_root().join("lib/modules").join(&self.release)
    }

    /// The directory that has its modules in `lib`.
    pub(super) fn modules_root(&self) -> PathBuf {
        let merged = self.tree.join("usr");
        if merged.join("lib/modules").join(&self.release).is_dir() { merged } else { self.tree.clone() }
    }
}

/// Where the header of a bzImage keeps the offset of the release, less 0x200 (Documentation/arch/x86/boot.rst).
const VERSION_POINTER: usize = 0x20e;
const SETUP_START: usize = 0x200;
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");

/// The release in the header of a bzImage: "6.1.0-9-amd64 (somebody@somewhere) #1 ...".
fn release_in(image: &[u8]) -> Option<String> {
    let (at, magic) = MAGIC;
    let at = if image.get(at..)?.starts_with(magic) { VERSION_POINTER } else { return None };
    let pointer = u16::from_le_bytes([*image.get(at)?, *image.get(at + 1)?]);
    let text = image.get(SETUP_START + usize::from(pointer)..)?;
    let release = text.split(|byte| *byte == b' ' || *byte == 0).next()?;
    let release = std::str::from_utf8(release).ok()?;
    release.starts_with(|first: char| first.is_ascii_digit()).then(|| release.to_owned())
}

/// The newest kernel of a suite: out of the cache if it was fetched or confirmed in the last days, or if the archive
/// cannot be reached.
pub(super) fn newest(cache: &Cache, suite: &str, architecture: Architecture) -> Result<Kernel, KernelError> {
    let entry = cache.entry(&format!("kernel-{suite}-{}", architecture.debian()));
    let cached = cached(&entry)?;
    match cached {
        Some(kernel) if entry.age().is_some_and(|age| age < FRESH) => Ok(kernel),
        None => fetch(&entry, suite, architecture, None),
        Some(old) => fetch(&entry, suite, architecture, Some(&old)).or_else(|error| {
            say::line(format_args!("vm: going on with Linux {} from the cache: {error}", old.release));
            Ok(old)
        }),
    }
}

fn cached(entry: &Entry) -> Result<Option<Kernel>, KernelError> {
    let Some(text) = entry.stamp()? else { return Ok(None) };
    let unreadable = |source| KernelError::Stamp { path: entry.path().to_owned(), source };
    let Stamp { version, release } = serde_json::from_str(&text).map_err(unreadable)?;
    Ok(Some(Kernel::packaged(release, version, entry.path().join(TREE))))
}

fn fetch(entry: &Entry, suite: &str, architecture: Architecture, old: Option<&Kernel>) -> Result<Kernel, KernelError> {
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
    Ok(Kernel::packaged(release, family.version, entry.path().join(TREE)))
}

fn stamp(release: &str, version: &str) -> String {
    serde_json::json!({ "version": version, "release": release }).to_string()
}

/// Where a package has its image: since 7.x among the modules.
fn images(tree: &Path, release: &str) -> [PathBuf; 2] {
    [tree.join(format!("boot/vmlinuz-{release}")), tree.join(MODULES).join(release).join("vmlinuz")]
}

/// The release of the kernel whose image is in `tree`: every package with an image has modules, too.
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
            let kernel = Kernel::packaged(RELEASE.into(), String::new(), dir.path().to_owned());
            assert_eq!(kernel.image(), dir.path().join(image));
            assert_eq!(kernel.modules(), dir.path().join(modules).join(RELEASE));
        }
    }

    #[test]
    fn an_image_tells_its_release() {
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
        let kernel = Kernel::packaged("1.2-x".into(), "1.2-1".into(), entry.path().join(TREE));
        entry.confirm(&stamp(&kernel.release, &kernel.version)).expect("written");
        assert_eq!(newest(&cache, "anything", Architecture::Arm64).expect("cached"), kernel);
    }
}
