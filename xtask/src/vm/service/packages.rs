//! The packages that are installed in the guest: the one under test, and its successor.

use super::ServiceError;
use crate::{
    process,
    workspace::{self, FileError},
};
use std::{fs, path::Path, process::Command};

/// Appended to the version: dpkg considers the result a later one.
const LATER: &str = "+later";
/// Appended to the default configuration, so that dpkg has to choose between the administrator's file and a new one.
const REMARK: &str = "\n# A remark of the next version.\n";
const CONFIGURATION: &str = "etc/rstmon/rstmon.toml";

/// Makes `later`, a package like `deb` with a later version and a changed default configuration. Works in `scratch`.
pub(super) fn successor(deb: &Path, scratch: &Path, later: &Path) -> Result<(), ServiceError> {
    if scratch.exists() {
        fs::remove_dir_all(scratch).map_err(FileError::on("remove", scratch))?;
    }
    process::run(Command::new("dpkg-deb").arg("--raw-extract").arg(deb).arg(scratch))?;
    let control = scratch.join("DEBIAN/control");
    let text = workspace::read_text(&control)?;
    workspace::write(&control, later_version(&text))?;
    let configuration = scratch.join(CONFIGURATION);
    let text = workspace::read_text(&configuration)?;
    workspace::write(&configuration, text + REMARK)?;
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Zzstd", "-z1", "--build"]).arg(scratch).arg(later);
    process::output(&mut build)?;
    Ok(())
}

fn later_version(control: &str) -> String {
    let line =
        |line: &str| if line.starts_with("Version: ") { format!("{line}{LATER}\n") } else { format!("{line}\n") };
    control.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_changes() {
        let control = "Package: rstmon\nVersion: 0.1.0\nStandards-Version: 4\n";
        assert_eq!(later_version(control), "Package: rstmon\nVersion: 0.1.0+later\nStandards-Version: 4\n");
    }
}
