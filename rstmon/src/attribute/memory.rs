//! The limit of the memory of this process, by its cgroup and all above it.

use super::{
    cgroupfs::{Controller, Hierarchy, Mounts},
    membership::{self, HierarchyKind},
};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, path::Path};

/// In bytes; `None` without a limit, or where it cannot be read.
#[must_use]
pub(crate) fn memory_limit(procfs: &Path) -> Option<u64> {
    let mounts = Mounts::discover(procfs).ok()?;
    let membership = fs::read(procfs.join("self/cgroup")).ok()?;
    let limit = |hierarchy: Option<&Hierarchy>, kind, file| {
        let path = membership::path(&membership, kind)?;
        least(hierarchy?, path, file)
    };
    let v2 = limit(mounts.v2(), HierarchyKind::V2, "memory.max");
    let v1 = limit(mounts.v1(Controller::Memory), HierarchyKind::V1(Controller::Memory), "memory.limit_in_bytes");
    v2.into_iter().chain(v1).min()
}

/// The least limit of a cgroup and its ancestors. `max` is no number; v1 has a number above all memory for it.
fn least(hierarchy: &Hierarchy, path: &[u8], file: &str) -> Option<u64> {
    let directory = hierarchy.directory(Path::new(OsStr::from_bytes(path)))?;
    let ancestors = directory.ancestors().take_while(|directory| directory.starts_with(&hierarchy.point));
    ancestors.filter_map(|directory| fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::{Hierarchy, least};
    use std::fs;

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let mount = tempfile::tempdir().expect("a directory");
        let below = mount.path().join("a/b");
        fs::create_dir_all(&below).expect("a directory");
        let hierarchy = Hierarchy { point: mount.path().to_owned(), root: "/".into() };
        let found = || least(&hierarchy, b"/a/b", "memory.max");
        assert_eq!(found(), None);
        fs::write(below.join("memory.max"), "max\n").expect("a file");
        assert_eq!(found(), None);
        fs::write(mount.path().join("a/memory.max"), "1000\n").expect("a file");
        assert_eq!(found(), Some(1000));
        fs::write(below.join("memory.max"), "2000\n").expect("a file");
        assert_eq!(found(), Some(1000));
        fs::write(below.join("memory.max"), "500\n").expect("a file");
        assert_eq!(found(), Some(500));
    }
}
