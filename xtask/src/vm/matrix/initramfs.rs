//! A guest's whole system, which it has in memory: the suite, rstmon, a program that is the init, and what the tests
//! need besides. One half is the same for every kernel, the other are the kernel's modules.

use super::{MatrixError, modules, suite, tools::put};
use crate::{
    process::{self, ProcessError},
    vm::kernels::Kernel,
    workspace::{self, FileError},
};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Directories that file systems are mounted on.
const MOUNT_POINTS: [&str; 6] = ["dev", "proc", "sys", "run", "tmp", "var/tmp"];

/// Files that programs ask for.
const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];

/// What goes into every guest.
pub(super) struct Programs<'a> {
    /// Files of tests, with their programs.
    pub(super) tests: &'a [(String, PathBuf)],
    /// Where the init and the actors are.
    pub(super) ours: &'a Path,
    /// rstmon, static.
    pub(super) rstmon: &'a Path,
}

/// Makes the half that is the same for every kernel of an architecture, below `directory`; returns the archive. `tools`
/// puts the programs of others there.
pub(super) fn common(
    directory: &Path,
    programs: &Programs<'_>,
    tools: impl FnOnce(&Path) -> Result<(), MatrixError>,
) -> Result<PathBuf, MatrixError> {
    let root = empty(&directory.join("root"))?;
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

/// Makes the whole of a kernel's file system: the common half, and its modules.
pub(super) fn of(kernel: &Kernel, common: &Path, directory: &Path) -> Result<PathBuf, MatrixError> {
    let root = empty(&directory.join("modules"))?;
    modules::copy(kernel, &root)?;
    let own = archive(&root, &directory.join("modules.cpio"))?;
    let whole = directory.join("initramfs.cpio");
    fs::copy(common, &whole).map_err(FileError::on("copy", common))?;
    // Archives may follow one another (Documentation/driver-api/early-userspace/buffer-format.rst).
    let mut file = File::options().append(true).open(&whole).map_err(FileError::on("open", &whole))?;
    let mut more = File::open(&own).map_err(FileError::on("open", &own))?;
    io::copy(&mut more, &mut file).map_err(FileError::on("write", &whole))?;
    Ok(whole)
}

fn empty(directory: &Path) -> Result<PathBuf, FileError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::on("remove", directory)(error)),
        _ => fs::create_dir_all(directory).map_err(FileError::on("create", directory)),
    }?;
    Ok(directory.to_owned())
}

/// Packs `root`. Not compressed: the emulated processor would take longer than the disk.
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
        command.status().map_err(|source| ProcessError::Start { command: process::describe(&command), source })?;
    process::succeeded(&command, status, "")?;
    Ok(archive.to_owned())
}

/// Everything below `root`, directories before what is in them, one a line.
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
