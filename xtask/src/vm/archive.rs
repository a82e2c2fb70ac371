//! A suite of Debian's archive, read through apt with separate package lists: the machine's own lists are not changed.
//! The mirror is the one that the machine's apt is configured for.

use super::architecture::Architecture;
use crate::{
    process::{self, CommandError},
    workspace::{self, FileError},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const COMPONENT: &str = "main";

/// A package or mirror could not be determined.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("apt's configuration names no mirror of Debian's archive")]
    NoMirror,
    #[error("the suite {suite} has no package {package}")]
    NoPackage { suite: String, package: String },
    #[error(transparent)]
    Process(#[from] CommandError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// The URL of the mirror of Debian's main archive in this machine's apt configuration.
pub(super) fn mirror() -> Result<String, ArchiveError> {
    let format = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)";
    let targets =
        process::output(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    mirror_among(&targets).map(str::to_owned).ok_or(ArchiveError::NoMirror)
}

fn mirror_among(targets: &str) -> Option<&str> {
    targets.lines().find_map(|line| line.strip_prefix("Debian|Debian|main|"))
}

/// One suite of the archive for one architecture, with its own package lists below a directory.
#[derive(Debug)]
pub(super) struct Archive {
    suite: String,
    architecture: Architecture,
    dir: PathBuf,
}

impl Archive {
    /// Fetches the package list of `suite` for `architecture` into `dir`.
    pub(super) fn open(suite: &str, architecture: Architecture, dir: &Path) -> Result<Self, ArchiveError> {
        let archive = Self { suite: suite.to_owned(), architecture, dir: dir.to_owned() };
        for part in ["lists/partial", "cache/archives/partial"] {
            let path = dir.join(part);
            fs::create_dir_all(&path).map_err(FileError::on("create", &path))?;
        }
        workspace::write(&dir.join("sources.list"), sources(&mirror()?, suite))?;
        process::run(
            archive
                .apt("apt-get")
                .args(["--quiet=2", "-o=Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"])
                .args(["-o=Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false", "update"]),
        )?;
        Ok(archive)
    }

    /// The newest version of `package`, with the packages that it needs, directly or not, in exactly that version:
    /// those that were built from the same source.
    pub(super) fn family(&self, package: &str) -> Result<PackageFamily, ArchiveError> {
        let missing = |name: &str| ArchiveError::NoPackage { suite: self.suite.clone(), package: name.to_owned() };
        let version = field(&self.record(package)?, "Version").ok_or_else(|| missing(package))?.to_owned();
        let mut members = vec![package.to_owned()];
        let mut next = 0;
        while let Some(name) = members.get(next) {
            let record = self.record(name)?;
            let depends = field(&record, "Depends").unwrap_or_default();
            for member in of_the_same_version(depends, &version) {
                if !members.contains(&member) {
                    members.push(member);
                }
            }
            next += 1;
        }
        Ok(PackageFamily { version, members })
    }

    /// `packages` and all their dependencies, as `name=version`, as for a system with nothing installed.
    pub(super) fn closure(&self, packages: &[&str]) -> Result<Vec<String>, ArchiveError> {
        let mut command = self.apt("apt-get");
        command.args(["--quiet=2", "--no-install-recommends", "--simulate", "install"]).args(packages);
        Ok(to_be_installed(&process::output(&mut command)?))
    }

    /// Downloads packages, each given as `name=version`, into `dir`, and unpacks them into `tree`.
    pub(super) fn unpack(&self, packages: &[String], dir: &Path, tree: &Path) -> Result<(), ArchiveError> {
        self.download(packages, dir)?;
        let entries = fs::read_dir(dir).map_err(FileError::on("list", dir))?;
        for entry in entries {
            let file = entry.map_err(FileError::on("list", dir))?.path();
            if file.extension().is_some_and(|end| end == "deb") {
                process::run(Command::new("dpkg-deb").arg("--extract").arg(file).arg(tree))?;
            }
        }
        Ok(())
    }

    fn download(&self, packages: &[String], dir: &Path) -> Result<(), ArchiveError> {
        fs::create_dir_all(dir).map_err(FileError::on("create", dir))?;
        let mut command = self.apt("apt-get");
        command.args(["--quiet=2", "download"]).current_dir(dir);
        Ok(process::run(command.args(packages))?)
    }

    /// The record of the newest version of `package` in the lists.
    fn record(&self, package: &str) -> Result<String, CommandError> {
        process::output(self.apt("apt-cache").args(["show", "--no-all-versions", package]))
    }

    /// A command for one of apt's programs, limited to this suite.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let at = |option: &str, path: &str| format!("-o=Dir::{option}={}", self.dir.join(path).display());
        command.args([at("Etc::SourceList", "sources.list"), at("State::Lists", "lists"), at("Cache", "cache")]);
        command.args(["-o=Dir::Etc::SourceParts=/dev/null", "-o=Dir::State::status=/dev/null"]);
        // apt run as root would drop to the user `_apt`, which cannot write to the cache.
        command.args(["-o=APT::Sandbox::User=root", "-o=Acquire::Languages=none"]);
        // `Architecture` is what apt takes for this machine's, `Architectures` are all that it knows.
        for option in ["Architecture", "Architectures"] {
            command.arg(format!("-o=APT::{option}={}", self.architecture.debian()));
        }
        command
    }
}

/// Packages of the same version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PackageFamily {
    /// The version of every member.
    pub(super) version: String,
    pub(super) members: Vec<String>,
}

impl PackageFamily {
    /// The members as `name=version`.
    pub(super) fn packages(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("{member}={}", self.version)).collect()
    }
}

pub(super) fn sources(mirror: &str, suite: &str) -> String {
    format!("deb [signed-by={KEYRING}] {mirror} {suite} {COMPONENT}\n")
}

fn field<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    record.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The packages in a list of dependencies that are required in exactly `version`.
fn of_the_same_version(depends: &str, version: &str) -> Vec<String> {
    let exactly = format!(" (= {version})");
    depends.split(", ").filter_map(|one| one.strip_suffix(&exactly)).map(str::to_owned).collect()
}

/// The packages that `apt-get --simulate` would install: `Inst name (version origin [architecture])`.
fn to_be_installed(rehearsal: &str) -> Vec<String> {
    let package = |line: &str| {
        let mut words = line.strip_prefix("Inst ")?.split(' ');
        let (name, version) = (words.next()?, words.find_map(|word| word.strip_prefix('('))?);
        Some(format!("{name}={version}"))
    };
    rehearsal.lines().filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_that_of_the_main_archive() {
        let targets = "Debian|Debian-Security|main|http://a/security/\nOther|Debian|main|http://b/\n\
                       Debian|Debian|main|http://c/debian/\n";
        assert_eq!(mirror_among(targets), Some("http://c/debian/"));
        assert_eq!(mirror_among(""), None);
    }

    #[test]
    fn what_was_built_together_is_found_by_its_version() {
        let depends =
            "kmod, dracut | initramfs-tools (>= 0.120), linux-base-7.2 (= 7.2.13-1), linux-modules-7.2 (= 7.2.13-1)";
        assert_eq!(of_the_same_version(depends, "7.2.13-1"), ["linux-base-7.2", "linux-modules-7.2"]);
        assert!(of_the_same_version(depends, "7.2").is_empty());
    }

    #[test]
    fn a_rehearsal_names_what_would_be_installed() {
        let rehearsal = "Inst gcc-14-base (14.2.0-19 Debian:13.0/stable [arm64])\n\
                         Inst libcap2 [1:2.66] (1:2.75-10+b3 Debian:13.0/stable [arm64]) []\nConf libcap2 (1:2.75 x)\n";
        assert_eq!(to_be_installed(rehearsal), ["gcc-14-base=14.2.0-19", "libcap2=1:2.75-10+b3"]);
    }

    #[test]
    fn a_record_is_read_by_whole_field_names() {
        let record = "Package: a\nPre-Depends: b\nDepends: c, d\nVersion: 1\n";
        assert_eq!(field(record, "Depends"), Some("c, d"));
        assert_eq!(field(record, "Recommends"), None);
    }
}
