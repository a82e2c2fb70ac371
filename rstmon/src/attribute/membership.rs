//! Reads `/proc/<pid>/cgroup`: which cgroup a process is in, for each hierarchy.
//!
//! Contract: pure; the format is `proc_cgroup_show` (`kernel/cgroup/cgroup.c`), a line `id:controllers:path` each. The
//! kernel refuses to create a cgroup with a newline in its name (`cgroup_mkdir`), so a line is a line.

use super::cgroupfs::Controller;

/// A hierarchy as this file tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// `0::PATH`
    V2,
    /// `8:cpu,cpuacct:PATH`
    V1(Controller),
}

/// The path of the cgroup in one hierarchy, with whatever ` (deleted)` the kernel appended.
#[must_use]
pub(crate) fn path(content: &[u8], wanted: Line) -> Option<&[u8]> {
    content.split(|&byte| byte == b'\n').find_map(|line| {
        // Only the path may hold further colons.
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let matches = match wanted {
            Line::V2 => id == b"0" && controllers.is_empty(),
            Line::V1(controller) => {
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
            (Line::V2, Some(&b"/system.slice/a.service (deleted)"[..])),
            (Line::V1(Controller::Cpu), Some(b"/system.slice")),
            (Line::V1(Controller::Memory), Some(b"/kubepods.slice:cri-containerd:abc")),
            (Line::V1(Controller::Pids), None),
        ] {
            assert_eq!(path(HYBRID, line), expected, "{line:?}");
        }
    }

    #[test]
    fn other_lines_are_passed_over() {
        for content in [&b""[..], b"\n", b"0", b"0:", b"0::", b"0::relative", b"1::/x", b"0:cpu:/x", b"\xff\xff"] {
            assert_eq!(path(content, Line::V2), None, "{content:?}");
        }
        assert_eq!(path(b"7:name=cpu:/x\n8:cpuacct:/y", Line::V1(Controller::Cpu)), None);
    }
}
