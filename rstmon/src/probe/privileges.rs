//! What the process may do: checked before, reduced after the start.

use super::error::ProbeError;
use caps::{CapSet, Capability, CapsHashSet};

/// All that rstmon needs to start: maps and programs (`CAP_BPF`), reading kernel memory in programs (`CAP_PERFMON`).
/// See docs/security.md.
pub const NEEDED: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_PERFMON];

/// What of it is needed afterwards: before 5.19, a kernel with `unprivileged_bpf_disabled` wants `CAP_BPF` for every
/// `bpf(2)`, the reading of a map included. `CAP_PERFMON` is asked for when a program is loaded, and then never again.
const KEPT: [Capability; 1] = [Capability::CAP_BPF];

/// The oldest kernel that has what the kernel half needs; 5.14 is allowed for RHEL 9's.
const FLOOR: (u32, u32) = (5, 14);

/// Fails on a kernel below the floor.
pub fn check_kernel() -> Result<(), ProbeError> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    match parse_release(&release) {
        Some(version) if version < FLOOR => Err(ProbeError::OldKernel { release }),
        // A release that does not parse says nothing about its age: the hooks will tell.
        _ => Ok(()),
    }
}

/// `6.18.44-fc` -> `(6, 18)`.
fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Fails when a needed capability is not effective, naming it.
pub fn check_capabilities() -> Result<(), ProbeError> {
    let missing = missing_capabilities();
    if missing.is_empty() { Ok(()) } else { Err(ProbeError::Capability { missing: missing.join(" and ") }) }
}

/// Names of the needed capabilities that are not effective.
#[must_use]
pub fn missing_capabilities() -> Vec<String> {
    // CAP_SYS_ADMIN stands for both, as it did before they existed.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false) {
        return Vec::new();
    }
    NEEDED
        .into_iter()
        .filter(|&capability| !caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false))
        .map(|capability| capability.to_string())
        .collect()
}

/// Gives up every capability but the one that is needed from here on, for good, in this thread: call it before others are started.
pub fn drop_privileges() -> Result<(), caps::errors::CapsError> {
    let effective = caps::read(None, CapSet::Effective)?;
    let mut keep: CapsHashSet = KEPT.into_iter().filter(|capability| effective.contains(capability)).collect();
    if keep.len() < KEPT.len() {
        // It was started with CAP_SYS_ADMIN in its place.
        keep.insert(Capability::CAP_SYS_ADMIN);
    }
    for capability in caps::runtime::thread_all_supported() {
        // Needs CAP_SETPCAP; without it the bounding set stays, which a process without set-user-id children ignores.
        if !keep.contains(&capability) {
            let _ = caps::drop(None, CapSet::Bounding, capability);
        }
    }
    caps::clear(None, CapSet::Ambient)?;
    caps::set(None, CapSet::Effective, &keep)?;
    caps::set(None, CapSet::Permitted, &keep)?;
    caps::clear(None, CapSet::Inheritable)
}

#[cfg(test)]
mod tests {
    use super::parse_release;

    #[test]
    fn releases_of_all_kinds_parse() {
        assert_eq!(parse_release("6.18.44-fc-v595"), Some((6, 18)));
        assert_eq!(parse_release("5.14.0-427.el9.x86_64"), Some((5, 14)));
        assert_eq!(parse_release("7.2-rc1"), Some((7, 2)));
        assert_eq!(parse_release("odd"), None);
        assert_eq!(parse_release(""), None);
    }
}
