//! Programs of the host that the tests need, with the libraries they are linked to. The guest gets the versions that
//! `cargo xtask setup` installed, in the same places.

use super::MatrixError;
use crate::{lookup, process, workspace::FileError};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Programs for namespaces, sockets and BPF objects, a real server, and programs that the tests of privileges start.
pub(super) const TOOLS: [&str; 10] =
    ["ip", "ss", "bpftool", "nginx", "sh", "timeout", "setpriv", "unshare", "mount", "umount"];

/// Copies the tools into `root`, each to the path that it has on the host.
pub(super) fn copy(root: &Path) -> Result<(), MatrixError> {
    let mut files = BTreeSet::new();
    for tool in TOOLS {
        let path = lookup::find(tool).ok_or(MatrixError::NoTool { tool })?;
        files.extend(libraries(&path)?);
        files.insert(path);
    }
    for file in files {
        put(&file, &root.join(file.strip_prefix("/").unwrap_or(&file)))?;
    }
    Ok(())
}

/// The libraries of a program, including its loader.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, MatrixError> {
    Ok(paths(&process::output(Command::new("ldd").arg(program))?))
}

/// The paths in the output of ldd: `name => /path (address)` and `/loader (address)`.
fn paths(answer: &str) -> Vec<PathBuf> {
    answer.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// Copies the file that the path `file` resolves to.
pub(super) fn put(file: &Path, to: &Path) -> Result<(), FileError> {
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).map_err(FileError::on("create", dir))?;
    }
    fs::copy(file, to).map(drop).map_err(FileError::on("copy", file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_is_a_library_as_well() {
        let answer = "\tlinux-vdso.so.1 (0x7f)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x7f)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        let expected = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(paths(answer), expected);
    }
}
