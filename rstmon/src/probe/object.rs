//! The BPF object that is loaded: the one built in or, with the feature `test-switches`, another.

use super::{Options, error::ProbeError};
#[cfg(feature = "test-switches")]
use crate::host::regular_file;

/// Ten times the object built in.
#[cfg(feature = "test-switches")]
const MAX_OBJECT_BYTES: u64 = 16 << 20;

/// The object built from `rstmon-ebpf`, aligned for the ELF reader.
pub(super) static BUILT_IN: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/rstmon.bpf.o"));

/// The bytes of the object to load.
#[cfg(not(feature = "test-switches"))]
#[expect(clippy::unnecessary_wraps, reason = "reading another object may fail")]
pub(super) fn read(_options: &Options) -> Result<Vec<u8>, ProbeError> {
    Ok(BUILT_IN.to_vec())
}

/// The bytes of the object to load.
#[cfg(feature = "test-switches")]
pub(super) fn read(options: &Options) -> Result<Vec<u8>, ProbeError> {
    match &options.object {
        None => Ok(BUILT_IN.to_vec()),
        Some(path) => regular_file::read(path, MAX_OBJECT_BYTES)
            .map_err(|source| ProbeError::ReadObject { path: path.clone(), source }),
    }
}

/// Refuses every test switch in a process that has more privileges than the user who started it (`AT_SECURE`,
/// getauxval(3)): with file capabilities, another object would be loaded into the kernel in that user's name.
#[cfg(feature = "test-switches")]
pub(super) fn check_test_switches(options: &Options, is_privileged: bool) -> Result<(), ProbeError> {
    if options.object.is_some() && is_privileged { Err(ProbeError::PrivilegedTestSwitch) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::BUILT_IN;
    use crate::probe::plan::{HOOKS, HookKind};
    use aya_obj::{Object, ProgramSection};
    use rstmon_common::{hooks::SETTLE, maps::SHARED_MAPS};
    use std::collections::BTreeSet;

    fn object() -> Object {
        Object::parse(BUILT_IN).expect("the object built in")
    }

    /// How the ELF section of a program says that it is attached.
    fn kind(section: &ProgramSection) -> Option<HookKind> {
        Some(match section {
            ProgramSection::BtfTracePoint => HookKind::Tracepoint,
            ProgramSection::FEntry { .. } => HookKind::FunctionEntry,
            ProgramSection::FExit { .. } => HookKind::FunctionExit,
            ProgramSection::Iter { .. } => return None,
            other => panic!("no hook is attached as {other:?}"),
        })
    }

    #[test]
    fn the_object_has_a_program_for_each_hook_and_no_other() {
        let object = object();
        let programs: BTreeSet<&str> = object.programs.keys().map(String::as_str).collect();
        let listed: BTreeSet<&str> = HOOKS.iter().map(|hook| hook.name).chain([SETTLE]).collect();
        assert_eq!(programs, listed);
        for hook in HOOKS {
            let iterator = matches!(hook.kind, HookKind::FileIterator | HookKind::TaskIterator);
            let expected = (!iterator).then_some(hook.kind);
            assert_eq!(kind(&object.programs[hook.name].section), expected, "{}", hook.name);
        }
    }

    #[test]
    fn the_object_has_every_shared_map() {
        let object = object();
        let missing: Vec<_> = SHARED_MAPS.iter().filter(|name| !object.maps.contains_key(**name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[cfg(feature = "test-switches")]
    #[test]
    fn a_privileged_process_refuses_test_switches() {
        use super::{super::Options, check_test_switches};
        let another = Options { object: Some("/tmp/another.o".into()), ..Options::default() };
        assert!(check_test_switches(&another, true).is_err());
        assert!(check_test_switches(&another, false).is_ok());
        assert!(check_test_switches(&Options::default(), true).is_ok());
    }
}
