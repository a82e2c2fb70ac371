//! Installs, upgrades and erases the .rpm.
//!
//! rpm works on the Debian system from outside, without dependencies, which only rpm's database could satisfy.

use super::{
    Later, Maker,
    root::{Base, Root},
    tree::SystemSnapshot,
};
use crate::{
    dist::{layout::PackageLayout, rpm},
    process,
};
use anyhow::{Context as _, ensure};
use std::path::Path;

const CONFIGURATION: &str = "/etc/rstmon/rstmon.toml";
/// Directories that belong to the package `filesystem` of distributions with rpm, and that the Debian system lacks.
const FILESYSTEM: [&str; 3] =
    ["/usr/share/fish/vendor_completions.d", "/usr/share/licenses", "/usr/share/zsh/site-functions"];
const MINE: &str = "# The administrator was here.";

/// Runs all steps in a new system.
pub(super) fn check(base: &Base, maker: &Maker, trial: &Path, package: &Path) -> anyhow::Result<()> {
    let generated = maker.generate(&trial.join("work"))?;
    let later = Later::of(maker, maker.layout(&generated, PackageLayout::rpm)?, 1).with_new_configuration(trial)?;
    let work = trial.join("work");
    let second = rpm::build(&later.layout, maker.workspace, &later.release, &work, &trial.join("later"))?;

    let root = base.unpack()?;
    root.sh(&format!("mkdir -p {}", FILESYSTEM.join(" ")))?;
    let before = SystemSnapshot::of(&root)?;
    let said = perform(&root, &["--install", &package.to_string_lossy()])?;
    ensure!(said.contains("systemctl enable --now rstmon"), "no hint on how to start the service in: {said}");
    let calls = root.systemctl_calls()?;
    ensure!(calls.is_empty(), "the installation called systemctl: {calls:?}");
    root.sh("getent passwd rstmon && getent group rstmon && rstmon run --check").context("user and program")?;
    root.sh(&format!("echo '{MINE}' >>{CONFIGURATION}"))?;

    perform(&root, &["--upgrade", &second.to_string_lossy()])?;
    root.sh(&format!("grep -qF '{MINE}' {CONFIGURATION}")).context("the changed configuration")?;
    ensure!(root.path("/etc/rstmon/rstmon.toml.rpmnew").exists(), "the new default configuration is not offered");
    expect_call(&root, "try-restart rstmon.service")?;

    perform(&root, &["--erase", "rstmon"])?;
    expect_call(&root, "disable --now rstmon.service")?;
    root.sh(&format!("grep -qF '{MINE}' {CONFIGURATION}.rpmsave")).context("the configuration, saved")?;
    // rpm renames changed configuration files and keeps users.
    root.sh("rm -r /etc/rstmon && userdel rstmon")?;
    before.expect_unchanged(&SystemSnapshot::of(&root)?).context("after the erasure")
}

fn perform(root: &Root, arguments: &[&str]) -> Result<String, process::CommandError> {
    let mut command = root.isolated();
    command.arg("rpm").arg("--root").arg(root.path("/")).args(["--dbpath", "/var/lib/rpm", "--nodeps"]);
    process::output(command.args(arguments))
}

/// Expects exactly one call of systemctl since the last time.
fn expect_call(root: &Root, expected: &str) -> anyhow::Result<()> {
    let calls = root.systemctl_calls()?;
    let fits = matches!(calls.as_slice(), [call] if call.starts_with(expected));
    ensure!(fits, "expected one `{expected}`, found {calls:?}");
    Ok(())
}
