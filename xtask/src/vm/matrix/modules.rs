//! Kernel modules that the tests need, with their dependencies, in the order in which they can be loaded.

use super::MatrixError;
use crate::{
    process::{self, CommandError},
    vm::kernels::GuestKernel,
    workspace::{self, FileError},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// `veth`: pairs of devices between namespaces. The others: the socket tables of `ss`, and `ss -K`.
const WANTED: [&str; 3] = ["veth", "inet_diag", "tcp_diag"];

/// The list of modules for the guest to load, one path a line.
const LIST: &str = "etc/modules.list";

/// Puts the unpacked modules and their list into `root`. The list omits modules that are built into the kernel or do
/// not exist: in the latter case the tests fail.
pub(super) fn copy(kernel: &GuestKernel, root: &Path) -> Result<(), MatrixError> {
    let directory = kernel.modules();
    let mut list = String::new();
    if directory.is_dir() {
        let table = directory.join("modules.dep");
        if !table.is_file() {
            // Packages run depmod at their installation.
            process::run(Command::new("depmod").arg("-b").arg(kernel.modules_root()).arg(&kernel.release))?;
        }
        for path in closure(&workspace::read_text(&table)?, &WANTED) {
            let module = unpacked(&directory.join(&path))?;
            let name = format!("modules/{}.ko", name_of(&path));
            workspace::write(&root.join(&name), module)?;
            list.push('/');
            list.push_str(&name);
            list.push('\n');
        }
    }
    Ok(workspace::write(&root.join(LIST), list)?)
}

/// The paths of the wanted modules and all their dependencies, dependencies first.
fn closure(table: &str, wanted: &[&str]) -> Vec<String> {
    let mut ordered = Vec::new();
    for name in wanted {
        let line = table.lines().find(|line| line.split(':').next().is_some_and(|path| name_of(path) == *name));
        // Each line names all dependencies, the nearest first.
        let paths = line.into_iter().flat_map(|line| line.split([':', ' ']).filter(|path| !path.is_empty()).rev());
        for path in paths {
            if !ordered.iter().any(|known| known == path) {
                ordered.push(path.to_owned());
            }
        }
    }
    ordered
}

/// The kernel's name of the module in the file `path`.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// The content of a module file, decompressed if need be.
fn unpacked(path: &PathBuf) -> Result<Vec<u8>, MatrixError> {
    let program = match path.extension().and_then(|end| end.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return Ok(fs::read(path).map_err(FileError::on("read", path))?),
    };
    let mut command = Command::new(program);
    command.args(["--decompress", "--stdout"]).arg(path).stdin(Stdio::null());
    let output =
        command.output().map_err(|source| CommandError::Start { command: process::describe(&command), source })?;
    process::succeeded(&command, output.status, &String::from_utf8_lossy(&output.stderr))?;
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "kernel/drivers/net/veth.ko.xz: kernel/net/core/page_pool.ko\n\
                         kernel/net/ipv4/inet_diag.ko:\nkernel/net/ipv4/tcp_diag.ko: kernel/net/ipv4/inet_diag.ko\n\
                         kernel/net/a-b.ko: kernel/y.ko kernel/x.ko\n";

    #[test]
    fn dependencies_come_first_and_once() {
        let found = closure(TABLE, &["veth", "inet_diag", "tcp_diag", "not_there", "a_b"]);
        let expected = [
            "kernel/net/core/page_pool.ko",
            "kernel/drivers/net/veth.ko.xz",
            "kernel/net/ipv4/inet_diag.ko",
            "kernel/net/ipv4/tcp_diag.ko",
            "kernel/x.ko",
            "kernel/y.ko",
            "kernel/net/a-b.ko",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_module_is_called_after_its_file() {
        assert_eq!(name_of("kernel/net/a-b.ko.zst"), "a_b");
        assert_eq!(name_of("veth.ko"), "veth");
    }
}
