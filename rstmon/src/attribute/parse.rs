//! The systemd unit and the container of a process, from the path of its cgroup.
//!
//! Contract: pure, total (any bytes give an answer, never a panic), linear in the length of the path.

use super::{
    container::{self, ContainerId},
    unit,
};

/// What the kernel appends to the path of a cgroup that was removed (`proc_cgroup_show`, `kernel/cgroup/cgroup.c`).
const DELETED: &[u8] = b" (deleted)";

/// The systemd unit and the container that a cgroup belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Placement {
    /// The innermost systemd unit, a slice if there is nothing more precise; `None` on a host without systemd and for
    /// kernel threads. Printable ASCII, at most [`super::text::MAX_NAME`] bytes. The rules are at [`mod@unit`].
    pub(crate) unit: Option<String>,
    /// The innermost container that the path names.
    pub(crate) container: Option<ContainerId>,
}

impl Placement {
    /// Reads the path of a cgroup below the root of its hierarchy, as `/proc/<pid>/cgroup` or a walk gives it.
    ///
    /// A ` (deleted)` at the end is ignored. So are `..` components, with which the kernel describes a cgroup outside
    /// of the reader's cgroup namespace: the components after them name the same units.
    #[must_use]
    pub(crate) fn from_path(path: &[u8]) -> Self {
        let path = path.strip_suffix(DELETED).unwrap_or(path);
        let elements: Vec<&[u8]> =
            path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"." | b"..")).collect();
        Self { unit: unit::innermost(&elements), container: container::innermost(&elements) }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{container::Runtime, text::MAX_NAME},
        *,
    };

    const A: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const B: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

    #[test]
    fn unit_and_container_are_distinguished() {
        let placement = Placement::from_path(format!("/system.slice/docker-{A}.scope").as_bytes());
        assert_eq!(placement.unit, Some(format!("docker-{A}.scope")));
        let container = placement.container.expect("a container");
        assert_eq!((container.runtime, container.as_str()), (Runtime::Docker, A));

        let nested = Placement::from_path(format!("/system.slice/docker-{A}.scope/docker/{B}").as_bytes());
        assert_eq!(nested.unit, Some(format!("docker-{A}.scope")));
        assert_eq!(nested.container.expect("a container").as_str(), B);

        let systemd_inside = format!("/system.slice/docker-{A}.scope/system.slice/nginx.service");
        let placement = Placement::from_path(systemd_inside.as_bytes());
        assert_eq!(placement.unit.as_deref(), Some("nginx.service"));
        assert_eq!(placement.container.expect("a container").as_str(), A);
    }

    #[test]
    fn neither_is_a_valid_answer() {
        for path in [
            "",
            "/",
            "//",
            "/..",
            "/../..",
            "/ (deleted)",
            " (deleted)",
            "/process_api/0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(Placement::from_path(path.as_bytes()), Placement::default(), "{path}");
        }
    }

    #[test]
    fn deleted_and_namespace_relative_paths_name_the_same() {
        let expected = Placement { unit: Some("nginx.service".to_owned()), container: None };
        for path in [
            "/system.slice/nginx.service (deleted)",
            "/../../system.slice/nginx.service",
            "/../nginx.service (deleted)",
        ] {
            assert_eq!(Placement::from_path(path.as_bytes()), expected, "{path}");
        }
    }

    /// A small deterministic generator (xorshift64*), so that a failure can be repeated.
    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let alphabet = b"/.-_:@\\x0123456789abcdef\n\x1b\xff\xc3 lxcdockerservicescopelibpodmachinepayload";
        let mut next = || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            usize::try_from(state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40).unwrap_or(0)
        };
        (0..length).map(|_| alphabet[next() % alphabet.len()]).collect()
    }

    fn assert_safe(path: &[u8]) {
        let Placement { unit, container } = Placement::from_path(path);
        for name in unit.iter().map(String::as_str).chain(container.iter().map(ContainerId::as_str)) {
            assert!(!name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control), "{name:?}");
        }
    }

    #[test]
    fn hostile_paths_give_bounded_printable_names() {
        let long = "x".repeat(4096);
        for prefix in
            ["lxc/", "lxc.payload.", "machine-", "systemd-nspawn@", "docker-", "ecs/t/", "a:cri-containerd:", ""]
        {
            for suffix in ["", ".scope", ".service", ".slice", "\n", "\x1b[31m", "\\x1b", "\\x", "\\xzz", " (deleted)"]
            {
                for body in ["", "a", "\r\n", "\u{202e}", A, &long] {
                    assert_safe(format!("/{prefix}{body}{suffix}").as_bytes());
                    assert_safe(format!("/{prefix}{suffix}{body}").as_bytes());
                }
            }
        }
        for seed in 1..2000 {
            assert_safe(&noise(seed, usize::try_from(seed).unwrap_or(0) % 300));
        }
        assert_safe(&noise(7, 1 << 16));
    }
}
