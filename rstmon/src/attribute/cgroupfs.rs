//! Which cgroup hierarchies this process can see, and where they are mounted.
//!
//! Contract: [`Mounts::from_entries`] is pure. It handles the unified layout (v2 at `/sys/fs/cgroup`), the hybrid one
//! (v2 at `/sys/fs/cgroup/unified` beside v1), v1 with controllers mounted together (`cpu,cpuacct`), and mounts that
//! show a part of a hierarchy only or, in a container, more than the reader's own cgroup namespace.

use super::mountinfo::{self, MountEntry};
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// A v1 controller whose hierarchy can attribute a process to a unit and container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Controller {
    /// systemd creates a `pids` cgroup for each unit.
    Pids,
    Memory,
    Cpu,
}

impl Controller {
    /// Best first. The kernel half uses the same order.
    pub(crate) const PREFERENCE: [Self; 3] = [Self::Pids, Self::Memory, Self::Cpu];

    /// The kernel's name, in mount options and in `/proc/<pid>/cgroup`.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pids => "pids",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }
}

/// One mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Mount point, below which the cgroups are directories.
    pub(crate) point: PathBuf,
    /// The cgroup at the mount point, relative to the reader's cgroup namespace.
    pub(crate) root: PathBuf,
}

impl Hierarchy {
    /// The path of a cgroup, given its directory relative to the mount point.
    #[must_use]
    pub(crate) fn cgroup_path(&self, below: &Path) -> PathBuf {
        self.root.join(below)
    }

    /// The directory of a cgroup, given its path in `/proc/<pid>/cgroup`; `None` if this mount does not show it.
    ///
    /// Both the path and the mount's root are relative to the reader's cgroup namespace. The cgroups that `..` stands
    /// for are not known, so a path that leaves the namespace is found only if the root leaves it by the same
    /// components.
    #[must_use]
    pub(crate) fn directory(&self, cgroup_path: &Path) -> Option<PathBuf> {
        let below = cgroup_path.strip_prefix(&self.root).ok()?;
        let known = below.components().all(|component| matches!(component, Component::Normal(_)));
        known.then(|| self.point.join(below))
    }

    /// Sort key, the mount that shows most first: levels of the root below the cgroup namespace, fewer first; then
    /// levels above it, more first.
    fn narrowness(&self) -> (usize, std::cmp::Reverse<usize>) {
        let above = self.root.components().filter(|component| *component == Component::ParentDir).count();
        let below = self.root.components().filter(|component| matches!(component, Component::Normal(_))).count();
        (below, std::cmp::Reverse(above))
    }
}

/// The v2 hierarchy and those of the v1 [`Controller`]s. Of several mounts of a hierarchy, the one that shows most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mounts {
    v2: Option<Hierarchy>,
    v1: [Option<Hierarchy>; Controller::PREFERENCE.len()],
}

impl Mounts {
    /// Reads the mounts of the calling process from the procfs at `procfs` (`/proc`).
    pub(crate) fn discover(procfs: &Path) -> Result<Self, MountError> {
        let path = procfs.join("self/mountinfo");
        match fs::read(&path) {
            Ok(mountinfo) => Ok(Self::from_entries(&mountinfo::parse(&mountinfo))),
            Err(source) => Err(MountError { path, source }),
        }
    }

    /// Chooses among the mounts of a mountinfo.
    #[must_use]
    pub(crate) fn from_entries(entries: &[MountEntry]) -> Self {
        let mut mounts = Self::default();
        for entry in entries.iter().filter(|entry| !is_covered(entry, entries)) {
            let found = || Hierarchy { point: entry.point.clone(), root: entry.root.clone() };
            match entry.fs_type.as_str() {
                "cgroup2" => keep_wider(&mut mounts.v2, found()),
                "cgroup" => {
                    for (slot, controller) in mounts.v1.iter_mut().zip(Controller::PREFERENCE) {
                        if entry.super_options.iter().any(|option| option == controller.name()) {
                            keep_wider(slot, found());
                        }
                    }
                }
                _ => {}
            }
        }
        mounts
    }

    #[must_use]
    pub(crate) fn v2(&self) -> Option<&Hierarchy> {
        self.v2.as_ref()
    }

    #[must_use]
    pub(crate) fn v1(&self, controller: Controller) -> Option<&Hierarchy> {
        Controller::PREFERENCE.into_iter().zip(&self.v1).find(|(slot, _)| *slot == controller)?.1.as_ref()
    }

    /// The first of [`Controller::PREFERENCE`] that is mounted as v1: its hierarchy attributes processes where v2 does
    /// not.
    #[must_use]
    pub(crate) fn preferred_v1(&self) -> Option<Controller> {
        Controller::PREFERENCE.into_iter().find(|&controller| self.v1(controller).is_some())
    }
}

/// Whether a later mount at the same point hides this one.
fn is_covered(entry: &MountEntry, entries: &[MountEntry]) -> bool {
    entries.iter().any(|other| other.parent == entry.id && other.id != entry.id && other.point == entry.point)
}

fn keep_wider(slot: &mut Option<Hierarchy>, found: Hierarchy) {
    if slot.as_ref().is_none_or(|kept| found.narrowness() < kept.narrowness()) {
        *slot = Some(found);
    }
}

/// The mounts of this process cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the mounts from {path}", path = path.display())]
pub(crate) struct MountError {
    path: PathBuf,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(mountinfo: &str) -> Mounts {
        Mounts::from_entries(&mountinfo::parse(mountinfo.as_bytes()))
    }

    fn hierarchy(point: &str, root: &str) -> Hierarchy {
        Hierarchy { point: point.into(), root: root.into() }
    }

    const UNIFIED: &str = "\
30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
";

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:30 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory
";

    #[test]
    fn the_unified_layout_has_v2_only() {
        let mounts = mounts(UNIFIED);
        assert_eq!(mounts.v2(), Some(&hierarchy("/sys/fs/cgroup", "/")));
        assert_eq!(mounts.preferred_v1(), None);
    }

    #[test]
    fn the_hybrid_layout_has_both() {
        let without_pids = mounts(HYBRID);
        assert_eq!(without_pids.v2(), Some(&hierarchy("/sys/fs/cgroup/unified", "/")));
        assert_eq!(without_pids.v1(Controller::Cpu), Some(&hierarchy("/sys/fs/cgroup/cpu,cpuacct", "/")));
        assert_eq!(without_pids.v1(Controller::Pids), None);
        assert_eq!(without_pids.preferred_v1(), Some(Controller::Memory));

        let with_pids = mounts(&format!("{HYBRID}36 31 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"));
        assert_eq!(with_pids.preferred_v1(), Some(Controller::Pids));
    }

    #[test]
    fn cpuacct_alone_is_not_cpu() {
        let mounts = mounts("33 31 0:31 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n");
        assert_eq!(mounts, Mounts::default());
    }

    #[test]
    fn the_widest_mount_is_used_in_any_order() {
        let own = "40 1 0:26 / /own rw - cgroup2 cgroup2 rw";
        let part = "41 1 0:26 /system.slice/a.service /part rw - cgroup2 cgroup2 rw";
        let host = "42 1 0:26 /../.. /host rw - cgroup2 cgroup2 rw";
        let parent = "43 1 0:26 /.. /parent rw - cgroup2 cgroup2 rw";
        for order in [[own, part, host, parent], [parent, host, part, own]] {
            assert_eq!(mounts(&order.join("\n")).v2(), Some(&hierarchy("/host", "/../..")));
        }
        assert_eq!(mounts(&[part, own].join("\n")).v2(), Some(&hierarchy("/own", "/")));
    }

    #[test]
    fn a_mount_that_another_one_hides_is_not_used() {
        let hidden = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(mounts(&format!("{hidden}31 30 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n")), Mounts::default());
        let below = mounts(&format!("{hidden}31 30 0:28 / /sys/fs/cgroup/x rw - tmpfs tmpfs rw\n"));
        assert_eq!(below.v2(), Some(&hierarchy("/sys/fs/cgroup", "/")));
    }

    #[test]
    fn a_cgroup_is_found_below_the_mounted_part() {
        let whole = hierarchy("/cg", "/");
        assert_eq!(whole.directory(Path::new("/a.slice/b.service")), Some("/cg/a.slice/b.service".into()));
        assert_eq!(whole.directory(Path::new("/")), Some("/cg".into()));
        assert_eq!(whole.directory(Path::new("/../b.service")), None);

        let part = hierarchy("/cg", "/docker/abc");
        assert_eq!(part.directory(Path::new("/docker/abc/x")), Some("/cg/x".into()));
        assert_eq!(part.directory(Path::new("/docker/other")), None);
        assert_eq!(part.cgroup_path(Path::new("x")), Path::new("/docker/abc/x"));

        let host = hierarchy("/cg", "/../..");
        assert_eq!(host.directory(Path::new("/../../a.slice")), Some("/cg/a.slice".into()));
        assert_eq!(host.directory(Path::new("/../a.slice")), None);
        assert_eq!(host.directory(Path::new("/../../../a.slice")), None);
    }

    #[test]
    fn an_unreadable_procfs_is_an_error_that_names_the_file() {
        let error = Mounts::discover(Path::new("/nonexistent")).expect_err("nothing there");
        assert_eq!(error.to_string(), "cannot read the mounts from /nonexistent/self/mountinfo");
        assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
    }
}
