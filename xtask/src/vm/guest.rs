//! Our programs for guests: static, because a guest has not the libraries of this machine.

use std::path::PathBuf;

use crate::{
    process::{self, ProcessError},
    workspace::Workspace,
};

/// Builds programs of the package of tests for any Linux of this architecture; returns the directory they are in.
pub(super) fn build(workspace: &Workspace, host: &str, programs: &[&str]) -> Result<PathBuf, ProcessError> {
    let target = workspace.target.join("guest");
    let mut command = workspace.cargo();
    // With a target named, flags are for it alone, and build scripts stay as they are.
    command.args(["build", "--quiet", "--locked", "--package", "rstmon-tests", "--target", host]);
    command.args(programs.iter().flat_map(|program| ["--bin", program]));
    command.env("RUSTFLAGS", "-C target-feature=+crt-static -C debuginfo=0").env("CARGO_TARGET_DIR", &target);
    process::run(&mut command)?;
    Ok(target.join(host).join("debug"))
}
