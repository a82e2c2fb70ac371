//! Landlock: files, and with newer kernels TCP ports, signals and abstract sockets.
//!
//! Restrictions that the kernel does not support are left out. Files and sockets that are open already keep their
//! rights: the bound listeners, the socket file, the lock beside it, standard error.

use super::{Protection, Reach};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, PathBeneath,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};
use std::{error::Error, io};

/// The requested version of Landlock, from Linux 7.1: files, TCP ports, device controls, signals, Unix sockets.
const WANTED: ABI = ABI::V9;

/// Restricts the calling thread and the threads that it starts later.
pub(super) fn restrict(reach: &Reach) -> Protection {
    match apply(reach) {
        Ok(status) => outcome(&status),
        Err(error) => refused(&error),
    }
}

fn apply(reach: &Reach) -> Result<RestrictionStatus, RulesetError> {
    let Reach { read, write, remove, connect, keep } = reach;
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    // Renaming within a directory needs the rights to make and to remove.
    let keeping = reading | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        // No rule allows a port: the listeners are bound already, and rstmon opens no connections.
        .handle_access(AccessNet::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()?
        .add_rules(path_beneath_rules(read, reading))?
        .add_rules(path_beneath_rules(write, reading | AccessFs::WriteFile | AccessFs::IoctlDev))?
        .add_rules(path_beneath_rules(remove, BitFlags::from(AccessFs::RemoveFile)))?
        .add_rules(path_beneath_rules(connect, BitFlags::from(AccessFs::ResolveUnix)))?
        .add_rules(keep.iter().map(|directory| Ok::<_, RulesetError>(PathBeneath::new(directory, keeping))))?
        .restrict_self()
}

fn outcome(status: &RestrictionStatus) -> Protection {
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => kernel_abi.unwrap_or(effective_abi as i32),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
    };
    match status.ruleset {
        RulesetStatus::FullyEnforced => Protection::Applied,
        RulesetStatus::PartiallyEnforced => Protection::Partial { version, wanted: WANTED as i32 },
        RulesetStatus::NotEnforced => Protection::Unsupported,
    }
}

fn refused(error: &RulesetError) -> Protection {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut errno = None;
    while let Some(error) = cause {
        errno = errno.or_else(|| error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error));
        cause = error.source();
    }
    Protection::Refused { errno, reason: error.to_string() }
}
