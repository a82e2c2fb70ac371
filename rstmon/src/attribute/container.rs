//! The container that an element of a cgroup path names.
//!
//! Contract: pure. Every runtime writes its container's id into the path in its own notation; the tests have a table of
//! them. A runtime's monitor (conmon, the nspawn supervisor, `lxc.monitor`) runs outside of the container that it
//! watches, so its cgroup is no container.

use super::{text::printable, unit::unescape};

/// Hexadecimal digits of an OCI runtime's container id.
const HEX_ID_LEN: usize = 64;

/// Hexadecimal digits of an id that command lines show (`docker ps`).
const SHORT_LEN: usize = 12;

/// What runs a container, as far as the cgroup path shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Runtime {
    /// With either cgroup driver.
    Docker,
    /// containerd, below Kubernetes, nerdctl or k3s.
    Containerd,
    Crio,
    /// Podman, named libpod in paths.
    Podman,
    /// LXC, LXD, Incus, Proxmox.
    Lxc,
    /// A machine registered with systemd-machined, systemd-nspawn in the first place.
    Machine,
    /// Amazon ECS, with or without Fargate.
    Ecs,
    /// A pod's container where the path does not name the runtime (the cgroupfs driver).
    Kubernetes,
    /// A container id in none of these layouts.
    Unknown,
}

impl Runtime {
    /// The runtime that writes `name` before the id (`docker-<id>.scope`, `...:cri-containerd:<id>`).
    fn from_prefix(name: &[u8]) -> Self {
        match name {
            b"docker" => Self::Docker,
            b"cri-containerd" | b"containerd" | b"nerdctl" => Self::Containerd,
            b"crio" => Self::Crio,
            b"libpod" | b"libpod-payload" => Self::Podman,
            _ => Self::Unknown,
        }
    }

    /// The runtime of an id that stands alone, by the elements before it, the innermost last.
    fn from_ancestors(ancestors: &[&[u8]]) -> Self {
        match ancestors {
            [.., b"docker"] => Self::Docker,
            [.., b"ecs", _] => Self::Ecs,
            [.., b"k8s.io" | b"default"] => Self::Containerd,
            _ if ancestors.iter().any(|element| element.starts_with(b"kubepods")) => Self::Kubernetes,
            _ => Self::Unknown,
        }
    }
}

/// A container's id: 64 lower-case hexadecimal digits, or the name where a runtime has names only (LXC, machines), or
/// Fargate's `<task>-<number>`. Printable, at most [`super::text::MAX_NAME`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContainerId {
    pub(super) runtime: Runtime,
    id: String,
}

impl ContainerId {
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.id
    }

    /// The id as `docker ps` shows it: the first 12 digits; a name stays whole.
    #[must_use]
    pub(crate) fn short(&self) -> &str {
        short(&self.id)
    }

    fn hex(runtime: Runtime, id: &[u8]) -> Self {
        Self { runtime, id: String::from_utf8_lossy(id).to_ascii_lowercase() }
    }

    fn named(runtime: Runtime, name: &[u8]) -> Option<Self> {
        (!name.is_empty()).then(|| Self { runtime, id: printable(name) })
    }
}

/// [`ContainerId::short`] for an id given as text.
#[must_use]
pub(crate) fn short(id: &str) -> &str {
    if id.len() == HEX_ID_LEN && is_hex(id.as_bytes()) { &id[..SHORT_LEN] } else { id }
}

/// The innermost container of a path, given as its elements from the root.
pub(super) fn innermost(elements: &[&[u8]]) -> Option<ContainerId> {
    (0..elements.len()).rev().find_map(|index| {
        let container = recognise(unescape(elements[index]), &elements[..index])?;
        let child = elements.get(index + 1).copied().unwrap_or_default();
        (!is_monitor(container.runtime, child)).then_some(container)
    })
}

/// Whether `child` is where a runtime keeps its own monitor inside of the container's cgroup.
fn is_monitor(runtime: Runtime, child: &[u8]) -> bool {
    matches!((runtime, child), (Runtime::Machine, b"supervisor") | (Runtime::Podman, b"supervisor" | b"conmon"))
}

fn recognise(element: &[u8], ancestors: &[&[u8]]) -> Option<ContainerId> {
    lxc(element, ancestors)
        .or_else(|| machine(element))
        .or_else(|| oci(element, ancestors))
        .or_else(|| fargate(element, ancestors))
}

/// `lxc.payload.NAME` (LXC 4 and later), `lxc.payload/NAME`, `lxc/NAME` (before, and Proxmox).
fn lxc(element: &[u8], ancestors: &[&[u8]]) -> Option<ContainerId> {
    let name = match ancestors.last() {
        Some(&(b"lxc" | b"lxc.payload")) => Some(element),
        _ => element.strip_prefix(b"lxc.payload."),
    };
    ContainerId::named(Runtime::Lxc, name?)
}

/// `machine-NAME.scope` and `systemd-nspawn@NAME.service`, NAME escaped as in every unit name. libvirt registers its
/// virtual machines the same way (`machine-qemu\x2d1\x2dNAME.scope`); a VM's emulator is a process of the host.
fn machine(element: &[u8]) -> Option<ContainerId> {
    let scope = element.strip_prefix(b"machine-").and_then(|rest| rest.strip_suffix(b".scope"));
    let service = || element.strip_prefix(b"systemd-nspawn@").and_then(|rest| rest.strip_suffix(b".service"));
    let name = unescape_hex(scope.or_else(service)?);
    if name.starts_with(b"qemu-") { None } else { ContainerId::named(Runtime::Machine, &name) }
}

/// `<id>`, `RUNTIME-<id>`, either with `.scope`, and `SLICE:RUNTIME:<id>` (what the systemd driver's notation becomes
/// under the cgroupfs driver).
fn oci(element: &[u8], ancestors: &[&[u8]]) -> Option<ContainerId> {
    let stem = element.strip_suffix(b".scope").unwrap_or(element);
    let (before, id) = stem.split_at_checked(stem.len().checked_sub(HEX_ID_LEN)?)?;
    if !is_hex(id) {
        return None;
    }
    let runtime = match before {
        [] => Runtime::from_ancestors(ancestors),
        [prefix @ .., b'-'] if prefix.ends_with(b"conmon") => return None,
        [prefix @ .., b'-'] => Runtime::from_prefix(prefix),
        [prefix @ .., b':'] => Runtime::from_prefix(prefix.rsplit(|&byte| byte == b':').next().unwrap_or_default()),
        _ => return None,
    };
    Some(ContainerId::hex(runtime, id))
}

/// `ecs/<task>/<task>-<number>`: Fargate's containers have no hexadecimal id of their own.
fn fargate(element: &[u8], ancestors: &[&[u8]]) -> Option<ContainerId> {
    let [.., b"ecs", task] = ancestors else { return None };
    let number = element.strip_prefix(*task)?.strip_prefix(b"-")?;
    let plausible = is_hex(task) && !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    if plausible { ContainerId::named(Runtime::Ecs, element) } else { None }
}

fn is_hex(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_hexdigit)
}

/// Decodes the `\xHH` of systemd's `unit_name_escape`. Its other rule ('-' for '/') cannot occur: a machine's name is a
/// host name.
fn unescape_hex(escaped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let [first, tail @ ..] = rest {
        match tail {
            [b'x', high, low, after @ ..] if *first == b'\\' => {
                if let (Some(high), Some(low)) = (digit(*high), digit(*low)) {
                    plain.push(high << 4 | low);
                    rest = after;
                    continue;
                }
            }
            _ => {}
        }
        plain.push(*first);
        rest = tail;
    }
    plain
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const B: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
    const TASK: &str = "0123456789abcdef0123456789abcdef";

    fn container(path: &str) -> Option<(Runtime, String)> {
        let path = path.replace("$A", A).replace("$B", B).replace("$TASK", TASK);
        let elements: Vec<&[u8]> = path.split('/').filter(|part| !part.is_empty()).map(str::as_bytes).collect();
        innermost(&elements).map(|found| (found.runtime, found.id))
    }

    #[test]
    fn every_runtime_has_its_notation() {
        use Runtime::{Containerd, Crio, Docker, Ecs, Kubernetes, Lxc, Machine, Podman, Unknown};
        let pod = "pod0b1c2d3e_0000_1111_2222_333344445555";
        for (path, runtime, id) in [
            ("/docker/$A", Docker, A),
            ("/docker/$A/some/child", Docker, A),
            ("/system.slice/docker-$A.scope", Docker, A),
            ("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-$A.scope", Docker, A),
            ("/my-parent/$A", Unknown, A),
            (
                &format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-{pod}.slice/cri-containerd-$A.scope"
                ),
                Containerd,
                A,
            ),
            (&format!("/kubepods.slice/kubepods-{pod}.slice/docker-$A.scope"), Docker, A),
            (&format!("/kubepods.slice/kubepods-{pod}.slice/crio-$A.scope/container"), Crio, A),
            (&format!("/kubepods/burstable/{pod}/$A"), Kubernetes, A),
            (&format!("/kubepods/{pod}/crio-$A"), Crio, A),
            (
                &format!("/system.slice/containerd.service/kubepods-burstable-{pod}.slice:cri-containerd:$A"),
                Containerd,
                A,
            ),
            ("/k8s.io/$A", Containerd, A),
            ("/default/$A", Containerd, A),
            ("/system.slice/nerdctl-$A.scope", Containerd, A),
            ("/machine.slice/libpod-$A.scope", Podman, A),
            ("/machine.slice/libpod-$A.scope/container", Podman, A),
            ("/libpod_parent/libpod-$A", Podman, A),
            ("/system.slice/web.service/libpod-payload-$A", Podman, A),
            ("/lxc.payload.web", Lxc, "web"),
            ("/lxc.payload.web/system.slice/nginx.service", Lxc, "web"),
            ("/lxc.payload/web/x", Lxc, "web"),
            ("/lxc/101/ns/system.slice/nginx.service", Lxc, "101"),
            ("/machine.slice/machine-my\\x2dbox.scope/payload", Machine, "my-box"),
            ("/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service", Machine, "web"),
            ("/ecs/$TASK/$A", Ecs, A),
            ("/ecstasks.slice/ecstasks-$TASK.slice/docker-$A.scope", Docker, A),
            ("/ecs/$TASK/$TASK-1234567890", Ecs, &format!("{TASK}-1234567890")),
        ] {
            assert_eq!(container(path), Some((runtime, id.to_owned())), "{path}");
        }
    }

    #[test]
    fn the_innermost_container_is_the_owner() {
        assert_eq!(container("/docker/$A/docker/$B"), Some((Runtime::Docker, B.to_owned())));
        assert_eq!(container("/lxc/101/ns/docker/$B"), Some((Runtime::Docker, B.to_owned())));
        let kind = "/docker/$A/kubelet.slice/kubelet-kubepods.slice/cri-containerd-$B.scope";
        assert_eq!(container(kind), Some((Runtime::Containerd, B.to_owned())));
    }

    #[test]
    fn a_monitor_is_outside_of_its_container() {
        for path in [
            "/machine.slice/libpod-conmon-$A.scope",
            "/kubepods.slice/crio-conmon-$A.scope",
            "/libpod_parent/libpod-$A/conmon",
            "/machine.slice/libpod-$A.scope/supervisor",
            "/machine.slice/systemd-nspawn@web.service/supervisor",
            "/lxc.monitor.web",
            "/lxc.monitor/web",
            "/machine.slice/machine-qemu\\x2d1\\x2ddebian.scope/libvirt/emulator",
        ] {
            assert_eq!(container(path), None, "{path}");
        }
        // ... but may itself run in another one.
        let nested = "/docker/$A/machine.slice/libpod-conmon-$B.scope";
        assert_eq!(container(nested), Some((Runtime::Docker, A.to_owned())));
    }

    #[test]
    fn a_lookalike_is_no_container() {
        for path in [
            "/",
            "/docker",
            "/lxc",
            "/lxc.payload.",
            "/docker/abc",
            "/docker/$A0",
            "/process_api/$TASK",
            "/system.slice/$A.service",
            "/system.slice/$A-3f.timer",
            "/system.slice/var-lib-docker-overlay2-$A-merged.mount",
            "/system.slice/docker.service",
            "/system.slice/x$A.scope",
            "/machine.slice/machine-.scope",
            "/ecs/$TASK/$B-12",
            "/ecs/$TASK/$TASK-",
        ] {
            assert_eq!(container(path), None, "{path}");
        }
    }

    #[test]
    fn ids_are_lower_case_and_have_a_short_form() {
        let upper = A.to_ascii_uppercase();
        let found = innermost(&[b"docker", upper.as_bytes()]).expect("a container");
        assert_eq!((found.as_str(), found.short()), (A, "0123456789ab"));
        let named = innermost(&[b"lxc", b"a-rather-long-name"]).expect("a container");
        assert_eq!(named.short(), "a-rather-long-name");
    }

    #[test]
    fn an_escape_is_decoded_or_left_alone() {
        assert_eq!(unescape_hex(b"a\\x2db\\x2"), b"a-b\\x2");
        assert_eq!(unescape_hex(b"\\xzz\\\\x41\\"), b"\\xzz\\A\\");
    }
}
