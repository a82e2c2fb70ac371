//! The capabilities of the process: checked before the start, reduced after it.

use super::error::ProbeError;
use caps::{CapSet, Capability, CapsHashSet};

/// All capabilities that rstmon needs to start: maps and programs (`CAP_BPF`), reading kernel memory in programs
/// (`CAP_PERFMON`). See docs/security.md.
const NEEDED: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_PERFMON];

/// The capability that is needed afterwards: before 5.19, a kernel with `unprivileged_bpf_disabled` requires `CAP_BPF`
/// for every `bpf(2)`, including reading a map. `CAP_PERFMON` is required only when a program is loaded.
const KEPT: [Capability; 1] = [Capability::CAP_BPF];

/// The oldest kernel that has what the kernel half needs; 5.14 is allowed because RHEL 9's has it.
const OLDEST_KERNEL: (u32, u32) = (5, 14);

/// Fails on a kernel that is older than the oldest supported.
pub(crate) fn check_kernel() -> Result<(), ProbeError> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    match parse_release(&release) {
        Some(version) if version < OLDEST_KERNEL => Err(ProbeError::OldKernel { release }),
        // A release that does not parse says nothing about the kernel's age: loading will fail on one that is too old.
        _ => Ok(()),
    }
}

/// `6.18.44-fc` -> `(6, 18)`.
fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Fails when a needed capability is not effective, and names it.
pub(crate) fn check_capabilities() -> Result<(), ProbeError> {
    let missing = missing_capabilities();
    if missing.is_empty() { Ok(()) } else { Err(ProbeError::Capability { missing: missing.join(" and ") }) }
}

/// Names of the needed capabilities that are not effective.
#[must_use]
pub(crate) fn missing_capabilities() -> Vec<String> {
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

/// Gives up every capability but the one that is needed from here on, permanently, in this thread: to be called before
/// other threads are started.
pub(crate) fn drop_privileges() -> Result<(), caps::errors::CapsError> {
    let effective = caps::read(None, CapSet::Effective)?;
    let mut keep: CapsHashSet = KEPT.into_iter().filter(|capability| effective.contains(capability)).collect();
    if keep.len() < KEPT.len() {
        // The process was started with CAP_SYS_ADMIN instead.
        keep.insert(Capability::CAP_SYS_ADMIN);
    }
    for capability in caps::runtime::thread_all_supported() {
        // Needs CAP_SETPCAP. Without it the bounding set stays, which has no effect without set-user-id children.
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
