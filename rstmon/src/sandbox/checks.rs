//! The sandbox as checks of `rstmon doctor`.

use super::{Protection, Sandbox};
use crate::monitor::doctor::{self, DoctorCheck};

impl Sandbox {
    /// One check for each protection. A missing protection hides no reset, so every check passes.
    pub(crate) fn checks(&self) -> impl Iterator<Item = DoctorCheck> {
        self.protections().into_iter().map(|(name, state)| check(name, state))
    }
}

fn check(name: &str, state: &Protection) -> DoctorCheck {
    let name = format!("sandbox: {name}");
    let fix = match state {
        Protection::Applied | Protection::Partial { .. } => None,
        Protection::Unsupported => Some("a kernel that has it, enabled; for Landlock see lsm= on its command line"),
        Protection::Refused { .. } => Some("let the service manager or container allow these calls (docs/security.md)"),
        Protection::Off => Some("security.sandbox = true"),
    };
    DoctorCheck { fix: fix.map(str::to_owned), ..doctor::ok(&name, state.to_string()) }
}
