//! Installs, enables, upgrades twice, removes and purges the .deb, with a changed configuration.

use super::{
    Later, Maker,
    root::{Base, Root},
    tree::SystemSnapshot,
};
use crate::dist::{deb, layout::PackageLayout};
use anyhow::{Context as _, ensure};
use std::path::Path;

const CONFIGURATION: &str = "/etc/rstmon/rstmon.toml";
const LINK: &str = "/etc/systemd/system/multi-user.target.wants/rstmon.service";
const MINE: &str = "# The administrator was here.";

/// Runs all steps in a new system.
pub(super) fn check(base: &Base, maker: &Maker, trial: &Path, package: &Path) -> anyhow::Result<()> {
    let generated = maker.generate(&trial.join("work"))?;
    let later = |n| anyhow::Ok(Later::of(maker, maker.layout(&generated, PackageLayout::deb)?, n));
    let build = |later: &Later| {
        deb::build(&later.layout, maker.workspace, &later.release, &trial.join("work"), &trial.join("later"))
    };
    let second = build(&later(1)?)?;
    let third = build(&later(2)?.with_new_configuration(trial)?)?;

    let root = base.unpack()?;
    let before = SystemSnapshot::of(&root)?;
    let package = root.bring(package)?;
    install(&root, &package)?;
    enable_and_change(&root)?;
    upgrade(&root, &root.bring(&second)?, "")?;
    upgrade(&root, &root.bring(&third)?, "--force-confdef --force-confold")?;
    ensure!(root.path("/etc/rstmon/rstmon.toml.dpkg-dist").exists(), "the new default configuration is not offered");
    remove(&root)?;
    // The default configuration differs from that of the removed version, so dpkg would ask.
    root.sh(&format!("dpkg --force-confdef --force-confold --install {package}")).context("installing it again")?;
    root.sh("dpkg --purge rstmon")?;
    before.expect_unchanged(&SystemSnapshot::of(&root)?).context("after the purge")
}

/// Expects that nothing is started or enabled, that the user exists, and that the program accepts the configuration.
fn install(root: &Root, package: &str) -> anyhow::Result<()> {
    let said = root.sh(&format!("dpkg --install {package}"))?;
    ensure!(said.contains("systemctl enable --now rstmon"), "no hint on how to start the service in: {said}");
    let calls = root.systemctl_calls()?;
    ensure!(calls.is_empty(), "the installation called systemctl: {calls:?}");
    ensure!(!root.path(LINK).is_symlink(), "the installation has enabled the service");
    root.sh("getent passwd rstmon && getent group rstmon").context("the user and its group")?;
    let problems = root.sh("dpkg --verify rstmon")?;
    ensure!(problems.is_empty(), "dpkg --verify: {problems}");
    root.sh("rstmon --version && rstmon run --check").context("the program in a minimal system")?;
    Ok(())
}

fn enable_and_change(root: &Root) -> anyhow::Result<()> {
    root.enable("rstmon.service")?;
    ensure!(root.path(LINK).is_symlink(), "`systemctl enable` has created no link");
    root.sh(&format!("echo '{MINE}' >>{CONFIGURATION}; touch /etc/rstmon/web.yml; mkdir -p /run/rstmon"))?;
    Ok(())
}

/// Expects that the changed configuration is kept, and that systemd is only asked to restart the service if it runs.
fn upgrade(root: &Root, package: &str, options: &str) -> anyhow::Result<()> {
    let said = root.sh(&format!("dpkg {options} --install {package} </dev/null"))?;
    ensure!(!said.contains("does not run yet"), "an upgrade prints the hint of an installation: {said}");
    root.sh(&format!("grep -qF '{MINE}' {CONFIGURATION}")).context("the changed configuration")?;
    ensure!(root.path(LINK).is_symlink(), "the upgrade has disabled the service");
    let calls = root.systemctl_calls()?;
    let restarts = matches!(calls.as_slice(), [call] if call.starts_with("try-restart rstmon.service"));
    ensure!(restarts, "expected one try-restart, found {calls:?}");
    Ok(())
}

/// Expects that the service is stopped and the configuration kept.
fn remove(root: &Root) -> anyhow::Result<()> {
    root.sh("dpkg --remove rstmon")?;
    let calls = root.systemctl_calls()?;
    let stops = matches!(calls.as_slice(), [call] if call.starts_with("stop rstmon.service"));
    ensure!(stops, "expected one stop, found {calls:?}");
    for path in ["/usr/bin/rstmon", "/run/rstmon"] {
        ensure!(!root.path(path).exists(), "{path} is still there");
    }
    root.sh(&format!("grep -qF '{MINE}' {CONFIGURATION}")).context("the configuration after the removal")?;
    Ok(())
}
