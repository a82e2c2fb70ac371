//! Root's rights for the few commands that need them.

use crate::lookup;
use std::{ffi::OsStr, path::PathBuf, process::Command};

/// This process is not root and sudo is not installed.
#[derive(Debug, thiserror::Error)]
#[error("this needs root and sudo is not installed: run it as root, or `apt-get install sudo`")]
pub(crate) struct NoPrivilege;

/// How this process can run a command as root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// This process is root.
    Root,
    /// Commands run through sudo, at this path.
    Sudo(PathBuf),
}

impl Privilege {
    /// Checks the effective user and, unless it is root, looks for sudo.
    pub(crate) fn detect() -> Result<Self, NoPrivilege> {
        Self::of(rustix::process::geteuid().is_root(), lookup::find("sudo"))
    }

    fn of(root: bool, sudo: Option<PathBuf>) -> Result<Self, NoPrivilege> {
        if root { Ok(Self::Root) } else { sudo.map(Self::Sudo).ok_or(NoPrivilege) }
    }

    /// A command that runs `program` as root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::Root => Command::new(program),
            Self::Sudo(sudo) => {
                let mut command = Command::new(sudo);
                command.arg(program);
                command
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::describe;

    #[test]
    fn root_needs_no_sudo() {
        let privilege = Privilege::of(true, None).expect("root");
        assert_eq!(describe(&privilege.command("rstmon")), "rstmon");
    }

    #[test]
    fn others_go_through_sudo() {
        let privilege = Privilege::of(false, Some("/usr/bin/sudo".into())).expect("sudo");
        assert_eq!(describe(privilege.command("rstmon").arg("tail")), "/usr/bin/sudo rstmon tail");
    }

    #[test]
    fn others_without_sudo_get_one_line_with_the_fix() {
        let error = Privilege::of(false, None).expect_err("no way").to_string();
        assert!(error.contains("sudo") && !error.contains('\n'), "found `{error}`");
    }
}
