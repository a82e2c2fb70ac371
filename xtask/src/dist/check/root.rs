//! A temporary Debian system to install packages in; this machine's system is not touched.
//!
//! It is not booted. Its `systemctl` is replaced by a script that records its arguments, which are what the packages'
//! scripts are checked by.

use crate::{
    elevate::Privilege,
    lookup, process,
    workspace::{self, FileError},
};
use anyhow::Context as _;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// systemd provides systemctl and systemd-sysusers; a minimal system has the other programs that are needed.
const INCLUDE: &str = "systemd,systemd-sysv";
/// The file with the arguments of systemctl, one call a line.
const CALLS: &str = "systemctl-calls";
/// The path of the original systemctl.
const SYSTEMCTL: &str = "/usr/bin/systemctl.real";

/// The system before anything is installed.
pub(super) struct Base {
    /// Kept between runs: making it takes longer than all checks.
    pub(super) archive: PathBuf,
    /// The directory that it is unpacked to.
    pub(super) dir: PathBuf,
    /// Used to run commands as root.
    pub(super) privilege: Privilege,
}

impl Base {
    /// Makes the archive if it does not exist, from the Debian release that this machine runs and its package sources.
    pub(super) fn ensure(&self) -> anyhow::Result<()> {
        if self.archive.exists() {
            return Ok(());
        }
        let tool = lookup::find("mmdebstrap").context("no mmdebstrap: `apt-get install mmdebstrap`")?;
        let release = workspace::read_text(Path::new("/etc/os-release"))?;
        let suite = codename(&release).context("/etc/os-release names no VERSION_CODENAME")?;
        let partial = self.archive.with_extension("part.tar");
        let mut command = self.privilege.command(tool);
        command.args(["--quiet", "--mode=root", "--variant=minbase", &format!("--include={INCLUDE}")]);
        command.arg("--aptopt=Acquire::Check-Valid-Until \"false\"").arg(suite).arg(&partial).args(sources());
        process::run(&mut command)?;
        fs::rename(&partial, &self.archive).map_err(FileError::on("rename", &partial))?;
        Ok(())
    }

    /// Unpacks a new system.
    pub(super) fn unpack(&self) -> anyhow::Result<Root<'_>> {
        self.remove()?;
        fs::create_dir_all(&self.dir).map_err(FileError::on("create", &self.dir))?;
        let mut tar = self.privilege.command("tar");
        // Device files are not extracted.
        tar.args(["--extract", "--numeric-owner", "--exclude=./dev/*", "--file"]).arg(&self.archive);
        process::run(tar.arg("--directory").arg(&self.dir))?;
        let root = Root { base: self };
        root.sh(&format!(
            "mkdir -p /run/systemd/system && mv /usr/bin/systemctl {SYSTEMCTL}
             printf '#!/bin/sh\\necho \"$*\" >>/{CALLS}\\n' >/usr/bin/systemctl
             chmod 755 /usr/bin/systemctl && touch /{CALLS}"
        ))?;
        Ok(root)
    }

    /// Removes the system.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        Ok(process::run(self.privilege.command("rm").args(["-rf", "--one-file-system", "--"]).arg(&self.dir))?)
    }
}

/// The value of `VERSION_CODENAME` in os-release.
fn codename(os_release: &str) -> Option<&str> {
    os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))
}

/// The package sources of this machine's apt, in files that mmdebstrap accepts.
fn sources() -> Vec<PathBuf> {
    ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]
        .map(PathBuf::from)
        .into_iter()
        .filter(|path| path.metadata().is_ok_and(|meta| meta.len() > 0))
        .take(1)
        .collect()
}

/// An unpacked system; see [`Base::unpack`].
pub(super) struct Root<'a> {
    base: &'a Base,
}

impl Root<'_> {
    /// The path on this machine of `path` in the system.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.base.dir.join(path.trim_start_matches('/'))
    }

    /// Runs a script in it as root, without access to this machine's network and processes. Returns its output.
    pub(super) fn sh(&self, script: &str) -> Result<String, process::CommandError> {
        let mut command = self.isolated();
        command.arg("chroot").arg(&self.base.dir).args(["/usr/bin/env", "-i"]);
        command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"]);
        process::output(command.args(["/bin/sh", "-euc", script]))
    }

    /// A command of this machine, isolated in the same way, that works on the system from outside.
    pub(super) fn isolated(&self) -> Command {
        let mut command = self.base.privilege.command("unshare");
        command.args(["--mount", "--net", "--ipc", "--uts", "--pid", "--fork"]);
        command
    }

    /// Copies a file into the system; returns its path there.
    pub(super) fn bring(&self, file: &Path) -> anyhow::Result<String> {
        let name = file.file_name().context("a file without a name")?.to_string_lossy().into_owned();
        process::run(self.base.privilege.command("cp").arg(file).arg(self.path("/var/tmp")))?;
        Ok(format!("/var/tmp/{name}"))
    }

    /// Runs `systemctl enable UNIT`, as an administrator would.
    pub(super) fn enable(&self, unit: &str) -> Result<(), process::CommandError> {
        self.sh(&format!("{SYSTEMCTL} --root=/ --quiet enable {unit}")).map(drop)
    }

    /// The calls of systemctl since the last time, without flags and without reloads.
    pub(super) fn systemctl_calls(&self) -> anyhow::Result<Vec<String>> {
        let text = self.sh(&format!("cat /{CALLS}; : >/{CALLS}"))?;
        Ok(text.lines().map(without_flags).filter(|call| call != "daemon-reload").collect())
    }
}

fn without_flags(call: &str) -> String {
    call.split_whitespace().filter(|word| !word.starts_with("--") || *word == "--now").collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_known_by_its_name() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n"), Some("bookworm"));
        assert_eq!(codename("ID=arch\n"), None);
    }

    #[test]
    fn calls_are_compared_without_flags() {
        assert_eq!(without_flags("--system --quiet stop a.service"), "stop a.service");
        assert_eq!(without_flags("--no-reload disable --now a.service"), "disable --now a.service");
    }
}
