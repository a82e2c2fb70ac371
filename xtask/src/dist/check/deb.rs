//! The life of the .deb: install, enable, change the configuration, upgrade twice, remove, purge.

use super::{
    Later, Maker,
    root::{Base, Root},
    tree::Snapshot,
};
use crate::dist::{deb, layout::Layout};
use anyhow::{Context as _, ensure};
use std::path::Path;

const CONFIGURATION: &str = "/etc/rstmon/rstmon.toml";
const LINK: &str = "/etc/systemd/system/multi-user.target.wants/rstmon.service";
const MINE: &str = "# The administrator was here.";

/// Runs through it in a fresh system.
pub(super) fn check(base: &Base, maker: &Maker, trial: &Path, package: &Path) -> anyhow::Result<()> {
    let generated = maker.generate(&trial.join("work"))?;
    let later = |n| anyhow::Ok(Later::of(maker, maker.layout(&generated, Layout::deb)?, n));
    let build = |later: &Later| {
        deb::build(&later.layout, maker.workspace, &later.release, &trial.join("work"), &trial.join("later"))
    };
    let second = build(&later(1)?)?;
    let third = build(&later(2)?.with_new_configuration(trial)?)?;

    let root = base.unpack()?;
    let before = Snapshot::of(&root)?;
    let package = root.bring(package)?;
    install(&root, &package)?;
    enable_and_change(&root)?;
    upgrade(&root, &root.bring(&second)?, "")?;
    upgrade(&root, &root.bring(&third)?, "--force-confdef --force-confold")?;
    ensure!(root.path("/etc/rstmon/rstmon.toml.dpkg-dist").exists(), "the new default configuration is not offered");
    remove(&root)?;
    // Its default configuration is not that of the version which is gone: dpkg would ask.
    root.sh(&format!("dpkg --force-confdef --force-confold --install {package}")).context("installing it again")?;
    root.sh("dpkg --purge rstmon")?;
    before.expect_unchanged(&Snapshot::of(&root)?).context("after the purge")
}

/// Nothing starts, nothing is enabled, the user is there, and the program runs with the configuration.
fn install(root: &Root, package: &str) -> anyhow::Result<()> {
    let said = root.sh(&format!("dpkg --install {package}"))?;
    ensure!(said.contains("systemctl enable --now rstmon"), "it does not say how to start: {said}");
    let calls = root.systemctl_calls()?;
    ensure!(calls.is_empty(), "the installation asked systemd to {calls:?}");
    ensure!(!root.path(LINK).is_symlink(), "the installation has enabled the service");
    root.sh("getent passwd rstmon && getent group rstmon").context("the user and its group")?;
    let problems = root.sh("dpkg --verify rstmon")?;
    ensure!(problems.is_empty(), "dpkg --verify: {problems}");
    root.sh("rstmon --version && rstmon run --check").context("the program in a minimal system")?;
    Ok(())
}

fn enable_and_change(root: &Root) -> anyhow::Result<()> {
    root.enable("rstmon.service")?;
    ensure!(root.path(LINK).is_symlink(), "`systemctl enable` has made no link");
    root.sh(&format!("echo '{MINE}' >>{CONFIGURATION}; touch /etc/rstmon/web.yml; mkdir -p /run/rstmon"))?;
    Ok(())
}

/// The configuration is as the administrator left it, and systemd is asked to restart what runs, and nothing else.
fn upgrade(root: &Root, package: &str, options: &str) -> anyhow::Result<()> {
    let said = root.sh(&format!("dpkg {options} --install {package} </dev/null"))?;
    ensure!(!said.contains("does not run yet"), "an upgrade says what only an installation should: {said}");
    root.sh(&format!("grep -qF '{MINE}' {CONFIGURATION}")).context("the changed configuration")?;
    ensure!(root.path(LINK).is_symlink(), "the upgrade has disabled the service");
    let calls = root.systemctl_calls()?;
    let restarts = matches!(calls.as_slice(), [call] if call.starts_with("try-restart rstmon.service"));
    ensure!(restarts, "expected one try-restart, found {calls:?}");
    Ok(())
}

/// The service stops; the configuration stays.
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
