//! The initramfs of a guest, which is its whole system: the suite, rstmon, the init, and the programs that the tests
//! need. One part is the same for every kernel, the other contains the kernel's modules.

use super::{MatrixError, modules, suite, tools::put};
use crate::{
    process::{self, CommandError},
    vm::kernels::GuestKernel,
    workspace::{self, FileError},
};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const MOUNT_POINTS: [&str; 6] = ["dev", "proc", "sys", "run", "tmp", "var/tmp"];

/// Files that programs read.
const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// The programs of every guest.
pub(super) struct GuestPrograms<'a> {
    /// The files of tests, each with its compiled program.
    pub(super) tests: &'a [(String, PathBuf)],
    /// The directory of the init and the actor.
    pub(super) ours: &'a Path,
    /// The static rstmon program.
    pub(super) rstmon: &'a Path,
}

/// Makes the part that is the same for every kernel of an architecture, below `directory`; returns the archive. `tools`
/// adds programs from outside the workspace.
pub(super) fn common(
    directory: &Path,
    programs: &GuestPrograms<'_>,
    tools: impl FnOnce(&Path) -> Result<(), MatrixError>,
) -> Result<PathBuf, MatrixError> {
    let root = directory.join("root");
    workspace::empty_dir(&root)?;
    for point in MOUNT_POINTS {
        let path = root.join(point);
        fs::create_dir_all(&path).map_err(FileError::on("create", &path))?;
    }
    for (path, content) in FILES {
        workspace::write(&root.join(path), content)?;
    }
    tools(&root)?;
    put(&programs.ours.join("kernel-vm"), &root.join("init"))?;
    put(&programs.ours.join("actor"), &root.join("suite/actor"))?;
    put(programs.rstmon, &root.join("usr/bin/rstmon"))?;
    for (file, program) in programs.tests.iter().filter(|(file, _)| suite::includes(file)) {
        put(program, &root.join("suite/tests").join(file))?;
    }
    archive(&root, &directory.join("common.cpio"))
}

/// Makes the initramfs of a kernel: the common part, followed by its modules.
pub(super) fn of(kernel: &GuestKernel, common: &Path, directory: &Path) -> Result<PathBuf, MatrixError> {
    let root = directory.join("modules");
    workspace::empty_dir(&root)?;
    modules::copy(kernel, &root)?;
    let own = archive(&root, &directory.join("modules.cpio"))?;
    let whole = directory.join("initramfs.cpio");
    fs::copy(common, &whole).map_err(FileError::on("copy", common))?;
    // The kernel unpacks several archives in a row (Documentation/driver-api/early-userspace/buffer-format.rst).
    let mut file = File::options().append(true).open(&whole).map_err(FileError::on("open", &whole))?;
    let mut more = File::open(&own).map_err(FileError::on("open", &own))?;
    io::copy(&mut more, &mut file).map_err(FileError::on("write", &whole))?;
    Ok(whole)
}

/// Packs `root`, uncompressed: to decompress it would take the emulated processor longer than to read more.
fn archive(root: &Path, archive: &Path) -> Result<PathBuf, MatrixError> {
    let names = listing(root)?;
    let list = archive.with_extension("list");
    workspace::write(&list, names)?;
    let open = |path: &Path| File::open(path).map_err(FileError::on("open", path));
    let out = File::create(archive).map_err(FileError::on("create", archive))?;
    let mut command = Command::new("cpio");
    command.args(["--create", "--format=newc", "--quiet", "--owner=0:0"]).current_dir(root);
    command.stdin(open(&list)?).stdout(Stdio::from(out));
    let status =
        command.status().map_err(|source| CommandError::Start { command: process::describe(&command), source })?;
    process::succeeded(&command, status, "")?;
    Ok(archive.to_owned())
}

/// The paths of everything below `root`, one a line, each directory before its contents.
fn listing(root: &Path) -> Result<String, FileError> {
    let mut names = String::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).map_err(FileError::on("list", &directory))? {
            let path = entry.map_err(FileError::on("list", &directory))?.path();
            if let Ok(name) = path.strip_prefix(root) {
                // Writing to a String does not fail.
                let _ = writeln!(names, "{}", name.display());
            }
            if path.is_dir() {
                pending.push(path);
            }
        }
    }
    Ok(names)
}
