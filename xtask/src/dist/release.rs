//! The version, commit and time of a release.

use crate::{
    process, say,
    workspace::{self, Workspace},
};
use anyhow::{Context as _, bail};
use std::{env, process::Command};

/// Packages are made for the architecture of this machine.
#[cfg(target_arch = "x86_64")]
pub(super) const TARGET: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
pub(super) const TARGET: &str = "aarch64-unknown-linux-gnu";
/// The architecture as dpkg names it.
pub(super) const DEB_ARCH: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
/// The architecture in the names of the .rpm and the archive.
pub(super) const ARCH: &str = env::consts::ARCH;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    /// The version in Cargo.toml, such as `0.2.0-rc.1`.
    pub(super) version: String,
    /// The time of all packaged files: the commit's, in seconds since 1970.
    pub(super) epoch: u64,
    /// The hash of the commit; `None` outside a git checkout.
    pub(super) commit: Option<String>,
}

impl Release {
    /// Reads Cargo.toml and asks git. Outside a checkout (a source archive), `SOURCE_DATE_EPOCH` has to be set.
    pub(super) fn discover(workspace: &Workspace, allow_dirty: bool) -> anyhow::Result<Self> {
        let manifest = workspace::read_text(&workspace.root.join("Cargo.toml"))?;
        let version = version_in(&manifest).context("Cargo.toml has no workspace.package.version")?;
        let Ok(commit) = process::output(git(workspace).args(["rev-parse", "HEAD"])) else {
            let epoch = given_epoch()?.context("no git checkout: set SOURCE_DATE_EPOCH to the time of the release")?;
            return Ok(Self { version, epoch, commit: None });
        };
        let changes = process::output(git(workspace).args(["status", "--porcelain"]))?;
        match (changes.lines().count(), allow_dirty) {
            (0, _) => {}
            (count, true) => say::line(format_args!(
                "dist: {count} uncommitted changes are packaged: this is no release, it cannot be built from any commit"
            )),
            (count, false) => bail!(
                "{count} uncommitted changes would be packaged: commit them, or pass --allow-dirty for a trial:\n{}",
                changes.trim_end()
            ),
        }
        let epoch = match given_epoch()? {
            Some(epoch) => epoch,
            None => process::output(git(workspace).args(["log", "-1", "--format=%ct"]))?
                .trim()
                .parse()
                .context("git does not say when the commit was made")?,
        };
        Ok(Self { version, epoch, commit: Some(commit.trim().to_owned()) })
    }

    /// The version in a form that dpkg and rpm sort correctly: a pre-release before its release.
    pub(super) fn package_version(&self) -> String {
        self.version.replacen('-', "~", 1)
    }

    /// The commit's time in a format of date(1), in UTC.
    pub(super) fn date(&self, format: &str) -> Result<String, process::CommandError> {
        let mut command = Command::new("date");
        command.env("LC_ALL", "C").args(["--utc", &format!("--date=@{}", self.epoch), format]);
        Ok(process::output(&mut command)?.trim().to_owned())
    }
}

/// A command for git in this checkout.
pub(super) fn git(workspace: &Workspace) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(&workspace.root);
    command
}

fn given_epoch() -> anyhow::Result<Option<u64>> {
    env::var("SOURCE_DATE_EPOCH")
        .ok()
        .map(|text| text.parse().with_context(|| format!("SOURCE_DATE_EPOCH is no number of seconds: `{text}`")))
        .transpose()
}

fn version_in(manifest: &str) -> Option<String> {
    let manifest: toml::Table = manifest.parse().ok()?;
    let package = manifest.get("workspace")?.get("package")?;
    Some(package.get("version")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_workspaces() {
        let manifest = "[workspace.package]\nversion = \"1.2.3\"\n[workspace.dependencies]\nx = { version = \"9\" }\n";
        assert_eq!(version_in(manifest).as_deref(), Some("1.2.3"));
        assert_eq!(version_in("[package]\nversion = \"1.2.3\"\n"), None);
    }

    #[test]
    fn a_candidate_sorts_before_its_release() {
        let release = |version: &str| Release { version: version.to_owned(), epoch: 0, commit: None };
        assert_eq!(release("0.2.0-rc.1").package_version(), "0.2.0~rc.1");
        assert_eq!(release("0.2.0").package_version(), "0.2.0");
    }

    #[test]
    fn dates_are_utc() {
        let release = Release { version: String::new(), epoch: 86_399, commit: None };
        assert_eq!(release.date("+%F").expect("date"), "1970-01-01");
        assert_eq!(release.date("--rfc-email").expect("date"), "Thu, 01 Jan 1970 23:59:59 +0000");
    }
}
