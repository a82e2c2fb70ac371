//! A disk image with a small Debian system: systemd as init, a kernel's modules, and files of the tests. Made by
//! mmdebstrap, which needs root, and kept in the cache until one of its inputs changes.

use super::{
    archive::{self, ArchiveError},
    cache::Cache,
    kernels::GuestKernel,
};
use crate::{
    elevate::{NoPrivilege, Privilege},
    process::{self, CommandError},
    say,
    workspace::{self, FileError},
};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const IMAGE: &str = "root.img";
/// Size of the image: the system, and room for what a test installs. The file is sparse.
const SIZE: &str = "512M";
/// To be incremented when the image is made in another way from the same inputs.
const REVISION: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub(super) enum ImageError {
    #[error(transparent)]
    Privilege(#[from] NoPrivilege),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Process(#[from] CommandError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// The inputs of an image besides the kernel.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ImageRecipe {
    /// Debian's code name of the release.
    pub(super) suite: &'static str,
    /// Packages besides the essential ones.
    pub(super) packages: &'static [&'static str],
    /// Files by absolute path, with their content.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Shell commands to run in the finished system.
    pub(super) commands: &'static [&'static str],
}

/// Everything that an image depends on; its JSON is the stamp.
#[derive(Serialize)]
struct ImageStamp<'a> {
    revision: u32,
    kernel: &'a str,
    recipe: &'a ImageRecipe,
}

/// The image of `recipe` with the modules of `kernel`, from the cache if it is there.
pub(super) fn image(
    cache: &Cache,
    name: &str,
    recipe: &ImageRecipe,
    kernel: &GuestKernel,
) -> Result<PathBuf, ImageError> {
    let entry = cache.entry(&format!("image-{name}"));
    let stamp = ImageStamp { revision: REVISION, kernel: &kernel.version, recipe };
    // A struct of strings and numbers always serializes. If it did not, no stamp would match and the image be made
    // again.
    let stamp = serde_json::to_string_pretty(&stamp).unwrap_or_default();
    let image = entry.path().join(IMAGE);
    if entry.stamp()?.is_some_and(|made| made == stamp) && image.is_file() {
        return Ok(image);
    }
    let ImageRecipe { suite, packages, .. } = recipe;
    say::line(format_args!("vm: making a Debian system ({suite} with {})", packages.join(", ")));
    let privilege = Privilege::detect()?;
    let root = entry.beside(".root");
    let files = entry.beside(".files");
    // An interrupted run leaves files of root behind.
    process::run(privilege.command("rm").arg("-rf").args([&root, &files]))?;
    for (path, content) in recipe.files {
        workspace::write(&files.join(path.trim_start_matches('/')), content)?;
    }
    process::run(&mut bootstrap(&privilege, recipe, kernel, &files, &root)?)?;
    entry.replace(&stamp, |dir| -> Result<(), ImageError> {
        let made = dir.join(IMAGE);
        // The file is created by this user and filled by root, so that nothing in the cache belongs to root.
        fs::write(&made, []).map_err(FileError::on("write", &made))?;
        let mut command = privilege.command("mke2fs");
        command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-d"]).arg(&root).arg(&made).arg(SIZE);
        Ok(process::run(&mut command)?)
    })?;
    process::run(privilege.command("rm").arg("-rf").args([&root, &files]))?;
    Ok(image)
}

/// The command of mmdebstrap that makes the directory `root`.
fn bootstrap(
    privilege: &Privilege,
    recipe: &ImageRecipe,
    kernel: &GuestKernel,
    files: &Path,
    root: &Path,
) -> Result<Command, ImageError> {
    let ImageRecipe { suite, packages, files: _, commands } = recipe;
    let mut command = privilege.command("mmdebstrap");
    command.args(["--quiet", "--mode=root", "--variant=minbase"]);
    command.arg(format!("--include={}", packages.join(",")));
    command.args(["--aptopt=Acquire::Languages \"none\"", "--dpkgopt=force-unsafe-io"]);
    for unread in ["man", "doc", "locale", "info"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{unread}/*"));
    }
    let mut hook = |text: String| {
        command.arg(format!("--customize-hook={text}"));
    };
    // Packages are tested with the usual settings of dpkg and apt, which mmdebstrap overrides.
    hook("rm -f \"$1\"/etc/apt/apt.conf.d/99mmdebstrap \"$1\"/etc/dpkg/dpkg.cfg.d/99mmdebstrap".to_owned());
    hook("rm -f \"$1\"/etc/apt/sources.list".to_owned());
    hook("mkdir -p \"$1\"/usr/lib/modules".to_owned());
    hook(format!("cp -a '{}' \"$1\"/usr/lib/modules/", kernel.modules().display()));
    hook(format!("chroot \"$1\" depmod '{}'", kernel.release));
    if files.is_dir() {
        hook(format!("cp -r --no-preserve=ownership '{}'/. \"$1\"/", files.display()));
    }
    for one in *commands {
        hook(format!("chroot \"$1\" {one}"));
    }
    command.arg(suite).arg(root).arg(archive::sources(&archive::mirror()?, suite));
    Ok(command)
}

/// Makes a disk image of `size` with the files of `dir`, for one run.
pub(super) fn disk_of(dir: &Path, image: &Path, size: &str) -> Result<(), ImageError> {
    fs::write(image, []).map_err(FileError::on("write", image))?;
    let mut command = Command::new(crate::lookup::find("mke2fs").unwrap_or_else(|| "mke2fs".into()));
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-E", "root_owner=0:0", "-d"]);
    Ok(process::run(command.arg(dir).arg(image).arg(size))?)
}
