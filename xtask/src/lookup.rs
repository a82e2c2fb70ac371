//! Finds programs: in `PATH`, then in the administrator's directories, which an ordinary user's `PATH` lacks.

use std::{
    env,
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

const ADMIN_DIRS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// The path of `program`, if it is installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    find_in(program, &env::var_os("PATH").unwrap_or_default())
}

fn find_in(program: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path)
        .chain(ADMIN_DIRS.map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| is_executable(candidate))
}

/// Whether `path` is a regular file with at least one execute bit set.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn finds_executables_only() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let tool = dir.path().join("xtask-lookup-test");
        fs::write(&tool, "").expect("write");
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o644)).expect("chmod");
        assert_eq!(find_in("xtask-lookup-test", dir.path().as_os_str()), None);
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("chmod");
        assert_eq!(find_in("xtask-lookup-test", dir.path().as_os_str()), Some(tool));
    }

    #[test]
    fn a_directory_is_no_program() {
        assert!(!is_executable(Path::new("/")));
    }
}
