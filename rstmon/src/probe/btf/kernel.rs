//! Reads the running kernel's BTF from sysfs.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// The kernel's own BTF (world-readable, since Linux 5.4).
const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// More than any kernel has by a factor of 20: a larger file is no kernel's BTF.
const MAX_KERNEL_BTF_BYTES: u64 = 256 << 20;

/// Why the kernel's BTF could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum KernelBtfError {
    /// sysfs is mounted, but has no BTF.
    #[error("{} does not exist: the kernel was built without CONFIG_DEBUG_INFO_BTF", path.display())]
    Missing {
        /// Path that was tried.
        path: PathBuf,
    },
    /// The directory `/sys/kernel` is missing, which says nothing about the kernel.
    #[error("{} does not exist: sysfs is not mounted on /sys here", path.display())]
    NoSysfs {
        /// Path that was tried.
        path: PathBuf,
    },
    /// It exists but cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// The error of opening or reading it.
        source: io::Error,
    },
    /// It is larger than 256 MiB.
    #[error("{} is larger than {limit} bytes: it cannot be a kernel's BTF", path.display())]
    TooLarge {
        /// Path of the file.
        path: PathBuf,
        /// The limit, in bytes.
        limit: u64,
    },
}

/// The bytes of the running kernel's BTF, for [`Btf::parse`](super::Btf::parse). Needs no privilege.
///
/// # Errors
/// When this kernel has none, or it cannot be read.
pub(crate) fn read_kernel_btf() -> Result<Vec<u8>, KernelBtfError> {
    read(Path::new(KERNEL_BTF), Path::new("/sys/kernel"), MAX_KERNEL_BTF_BYTES)
}

/// Read `path`, which a mounted `sysfs` may lack, up to `limit` bytes.
pub(super) fn read(path: &Path, sysfs: &Path, limit: u64) -> Result<Vec<u8>, KernelBtfError> {
    let unreadable = |source| KernelBtfError::Unreadable { path: path.into(), source };
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound if sysfs.is_dir() => KernelBtfError::Missing { path: path.into() },
        io::ErrorKind::NotFound => KernelBtfError::NoSysfs { path: path.into() },
        _ => unreadable(source),
    })?;
    let too_large = || KernelBtfError::TooLarge { path: path.into(), limit };
    let claimed = file.metadata().map_err(unreadable)?.len();
    if claimed > limit {
        return Err(too_large());
    }
    let mut data = Vec::with_capacity(usize::try_from(claimed).map_err(|_| too_large())?);
    // One byte past the limit reveals a file that is larger than its metadata says.
    file.take(limit.saturating_add(1)).read_to_end(&mut data).map_err(unreadable)?;
    if data.len() as u64 > limit { Err(too_large()) } else { Ok(data) }
}
