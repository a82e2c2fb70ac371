//! A disk with a small Debian system: systemd as init, a kernel's modules, and files of ours. Made by mmdebstrap, which
//! needs root, and kept in the cache until one of its ingredients changes.

use super::{
    archive::{self, ArchiveError},
    cache::Cache,
    kernels::Kernel,
};
use crate::{
    elevate::{NoPrivilege, Privilege},
    process::{self, ProcessError},
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
/// Room for the system, and for what a test installs on it. The file is sparse.
const SIZE: &str = "512M";
/// Whoever changes how the image is made, and not what goes into it, counts this up.
const REVISION: u32 = 1;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImageError {
    #[error(transparent)]
    Privilege(#[from] NoPrivilege),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// What the system is made of.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Recipe {
    /// Debian's name for the release.
    pub(super) suite: &'static str,
    /// Packages besides the essential ones.
    pub(super) packages: &'static [&'static str],
    /// Files, by absolute path, with their content.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Commands that are run in the finished system.
    pub(super) commands: &'static [&'static str],
}

/// Everything that an image depends on; its text is the stamp.
#[derive(Serialize)]
struct Stamp<'a> {
    revision: u32,
    kernel: &'a str,
    recipe: &'a Recipe,
}

/// The image of `recipe` with the modules of `kernel`, made now or earlier.
pub(super) fn image(cache: &Cache, name: &str, recipe: &Recipe, kernel: &Kernel) -> Result<PathBuf, ImageError> {
    let entry = cache.entry(&format!("image-{name}"));
    let stamp = Stamp { revision: REVISION, kernel: &kernel.version, recipe };
    // A struct of strings and numbers cannot fail to serialize; were it to, no stamp would ever match.
    let stamp = serde_json::to_string_pretty(&stamp).unwrap_or_default();
    let image = entry.path().join(IMAGE);
    if entry.stamp()?.is_some_and(|made| made == stamp) && image.is_file() {
        return Ok(image);
    }
    let Recipe { suite, packages, .. } = recipe;
    say::line(format_args!("vm: making a Debian system ({suite} with {})", packages.join(", ")));
    let privilege = Privilege::detect()?;
    let root = entry.beside(".root");
    let files = entry.beside(".files");
    // What an interrupted run left belongs to root.
    process::run(privilege.command("rm").arg("-rf").args([&root, &files]))?;
    for (path, content) in recipe.files {
        workspace::write(&files.join(path.trim_start_matches('/')), content)?;
    }
    process::run(&mut bootstrap(&privilege, recipe, kernel, &files, &root)?)?;
    entry.replace(&stamp, |dir| -> Result<(), ImageError> {
        let made = dir.join(IMAGE);
        // Made by this user and filled by root, so that nothing in the cache is root's.
        fs::write(&made, []).map_err(FileError::on("write", &made))?;
        let mut command = privilege.command("mke2fs");
        command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-d"]).arg(&root).arg(&made).arg(SIZE);
        Ok(process::run(&mut command)?)
    })?;
    process::run(privilege.command("rm").arg("-rf").args([&root, &files]))?;
    Ok(image)
}

/// mmdebstrap, which makes the directory `root`.
fn bootstrap(
    privilege: &Privilege,
    recipe: &Recipe,
    kernel: &Kernel,
    files: &Path,
    root: &Path,
) -> Result<Command, ImageError> {
    let Recipe { suite, packages, files: _, commands } = recipe;
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
    // The system that a package is tested on has dpkg's and apt's usual settings.
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

/// A disk with the files of `dir`, of `size`, for one run.
pub(super) fn disk_of(dir: &Path, image: &Path, size: &str) -> Result<(), ImageError> {
    fs::write(image, []).map_err(FileError::on("write", image))?;
    let mut command = Command::new(crate::lookup::find("mke2fs").unwrap_or_else(|| "mke2fs".into()));
    command.args(["-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-E", "root_owner=0:0", "-d"]);
    Ok(process::run(command.arg(dir).arg(image).arg(size))?)
}
