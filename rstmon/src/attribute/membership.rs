//! Reads `/proc/<pid>/cgroup`: which cgroup a process is in, for each hierarchy.
//!
//! Contract: pure; the format is that of `proc_cgroup_show` (`kernel/cgroup/cgroup.c`), one line `id:controllers:path`
//! for each hierarchy. The kernel refuses to create a cgroup with a newline in its name (`cgroup_mkdir`), so that a
//! path never spans lines.

use super::cgroupfs::Controller;

/// Which line of `/proc/<pid>/cgroup` is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HierarchyKind {
    /// `0::PATH`, the v2 hierarchy.
    V2,
    /// `8:cpu,cpuacct:PATH`, the v1 hierarchy of a controller.
    V1(Controller),
}

/// The path of the cgroup in one hierarchy, including the ` (deleted)` that the kernel appends for a removed one.
#[must_use]
pub(crate) fn path(content: &[u8], wanted: HierarchyKind) -> Option<&[u8]> {
    content.split(|&byte| byte == b'\n').find_map(|line| {
        // Only the path may hold further colons.
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let matches = match wanted {
            HierarchyKind::V2 => id == b"0" && controllers.is_empty(),
            HierarchyKind::V1(controller) => {
                controllers.split(|&byte| byte == b',').any(|name| name == controller.name().as_bytes())
            }
        };
        (matches && path.starts_with(b"/")).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = b"\
9:name=systemd:/system.slice/a.service
7:cpu,cpuacct:/system.slice
4:memory:/kubepods.slice:cri-containerd:abc
1:cpuset:/cpu
0::/system.slice/a.service (deleted)
";

    #[test]
    fn each_hierarchy_has_its_line() {
        for (line, expected) in [
            (HierarchyKind::V2, Some(&b"/system.slice/a.service (deleted)"[..])),
            (HierarchyKind::V1(Controller::Cpu), Some(b"/system.slice")),
            (HierarchyKind::V1(Controller::Memory), Some(b"/kubepods.slice:cri-containerd:abc")),
            (HierarchyKind::V1(Controller::Pids), None),
        ] {
            assert_eq!(path(HYBRID, line), expected, "{line:?}");
        }
    }

    #[test]
    fn other_lines_are_passed_over() {
        for content in [&b""[..], b"\n", b"0", b"0:", b"0::", b"0::relative", b"1::/x", b"0:cpu:/x", b"\xff\xff"] {
            assert_eq!(path(content, HierarchyKind::V2), None, "{content:?}");
        }
        assert_eq!(path(b"7:name=cpu:/x\n8:cpuacct:/y", HierarchyKind::V1(Controller::Cpu)), None);
    }
}
