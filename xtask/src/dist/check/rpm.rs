//! The life of the .rpm: install, change the configuration, upgrade, erase.
//!
//! rpm works on Debian's system from outside, without the dependencies that only rpm's database would know of.

use super::{
    Later, Maker,
    root::{Base, Root},
    tree::Snapshot,
};
use crate::{
    dist::{layout::Layout, rpm},
    process,
};
use anyhow::{Context as _, ensure};
use std::path::Path;

const CONFIGURATION: &str = "/etc/rstmon/rstmon.toml";
/// Directories that belong to the package `filesystem` of distributions with rpm, and that Debian's system lacks.
const FILESYSTEM: [&str; 3] =
    ["/usr/share/fish/vendor_completions.d", "/usr/share/licenses", "/usr/share/zsh/site-functions"];
const MINE: &str = "# The administrator was here.";

/// Runs through it in a fresh system.
pub(super) fn check(base: &Base, maker: &Maker, trial: &Path, package: &Path) -> anyhow::Result<()> {
    let generated = maker.generate(&trial.join("work"))?;
    let later = Later::of(maker, maker.layout(&generated, Layout::rpm)?, 1).with_new_configuration(trial)?;
    let work = trial.join("work");
    let second = rpm::build(&later.layout, maker.workspace, &later.release, &work, &trial.join("later"))?;

    let root = base.unpack()?;
    root.sh(&format!("mkdir -p {}", FILESYSTEM.join(" ")))?;
    let before = Snapshot::of(&root)?;
    let said = perform(&root, &["--install", &package.to_string_lossy()])?;
    ensure!(said.contains("systemctl enable --now rstmon"), "it does not say how to start: {said}");
    let calls = root.systemctl_calls()?;
    ensure!(calls.is_empty(), "the installation asked systemd to {calls:?}");
    root.sh("getent passwd rstmon && getent group rstmon && rstmon run --check").context("user and program")?;
    root.sh(&format!("echo '{MINE}' >>{CONFIGURATION}"))?;

    perform(&root, &["--upgrade", &second.to_string_lossy()])?;
    root.sh(&format!("grep -qF '{MINE}' {CONFIGURATION}")).context("the changed configuration")?;
    ensure!(root.path("/etc/rstmon/rstmon.toml.rpmnew").exists(), "the new default configuration is not offered");
    expect_call(&root, "try-restart rstmon.service")?;

    perform(&root, &["--erase", "rstmon"])?;
    expect_call(&root, "disable --now rstmon.service")?;
    root.sh(&format!("grep -qF '{MINE}' {CONFIGURATION}.rpmsave")).context("the configuration, saved")?;
    // rpm's practice: what was changed is saved beside, and users stay.
    root.sh("rm -r /etc/rstmon && userdel rstmon")?;
    before.expect_unchanged(&Snapshot::of(&root)?).context("after the erasure")
}

fn perform(root: &Root, arguments: &[&str]) -> Result<String, process::ProcessError> {
    let mut command = root.isolated();
    command.arg("rpm").arg("--root").arg(root.path("/")).args(["--dbpath", "/var/lib/rpm", "--nodeps"]);
    process::output(command.args(arguments))
}

/// The one thing that systemd was asked since the last time.
fn expect_call(root: &Root, expected: &str) -> anyhow::Result<()> {
    let calls = root.systemctl_calls()?;
    let fits = matches!(calls.as_slice(), [call] if call.starts_with(expected));
    ensure!(fits, "expected one `{expected}`, found {calls:?}");
    Ok(())
}
