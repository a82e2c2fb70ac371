//! A suite of Debian's archive, read through apt with package lists of our own: the machine's suites stay as they are.
//! Which mirror that is, is taken from the machine's own apt configuration.

use super::architecture::Architecture;
use crate::{
    process::{self, ProcessError},
    workspace::{self, FileError},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const COMPONENT: &str = "main";

/// Why the archive gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("apt's configuration names no mirror of Debian's archive")]
    NoMirror,
    #[error("the suite {suite} has no package {package}")]
    NoPackage { suite: String, package: String },
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Where the machine gets Debian's main archive from.
pub(super) fn mirror() -> Result<String, ArchiveError> {
    let format = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)";
    let targets =
        process::output(Command::new("apt-get").args(["indextargets", "--format", format, "Created-By: Packages"]))?;
    mirror_among(&targets).map(str::to_owned).ok_or(ArchiveError::NoMirror)
}

fn mirror_among(targets: &str) -> Option<&str> {
    targets.lines().find_map(|line| line.strip_prefix("Debian|Debian|main|"))
}

/// One suite of the archive for one architecture, with its own lists below a directory.
#[derive(Debug)]
pub(super) struct Archive {
    suite: String,
    architecture: Architecture,
    dir: PathBuf,
}

impl Archive {
    /// Fetches the list of the packages of `suite` for `architecture` into `dir`.
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

    /// The newest version of `package`, and the packages that it needs in exactly that version, and those that these
    /// need, as `name=version`: what was built from one source at once.
    pub(super) fn family(&self, package: &str) -> Result<Family, ArchiveError> {
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
        Ok(Family { version, members })
    }

    /// `packages` and all they depend on, as `name=version`, as if nothing were installed yet.
    pub(super) fn closure(&self, packages: &[&str]) -> Result<Vec<String>, ArchiveError> {
        let mut command = self.apt("apt-get");
        command.args(["--quiet=2", "--no-install-recommends", "--simulate", "install"]).args(packages);
        Ok(to_be_installed(&process::output(&mut command)?))
    }

    /// Downloads packages, each as `name=version`, into `dir`, and unpacks them into `tree`.
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

    /// What the lists say of the newest version of `package`.
    fn record(&self, package: &str) -> Result<String, ProcessError> {
        process::output(self.apt("apt-cache").args(["show", "--no-all-versions", package]))
    }

    /// A program of apt's, which sees only this suite.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let at = |option: &str, path: &str| format!("-o=Dir::{option}={}", self.dir.join(path).display());
        command.args([at("Etc::SourceList", "sources.list"), at("State::Lists", "lists"), at("Cache", "cache")]);
        command.args(["-o=Dir::Etc::SourceParts=/dev/null", "-o=Dir::State::status=/dev/null"]);
        // As root apt would go on as `_apt`, who has no business in the cache.
        command.args(["-o=APT::Sandbox::User=root", "-o=Acquire::Languages=none"]);
        // The first is what apt takes for this machine's, the other what it knows at all.
        for option in ["Architecture", "Architectures"] {
            command.arg(format!("-o=APT::{option}={}", self.architecture.debian()));
        }
        command
    }
}

/// Packages of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// The version of each.
    pub(super) version: String,
    /// Their names.
    pub(super) members: Vec<String>,
}

impl Family {
    /// Its members as `name=version`.
    pub(super) fn packages(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("{member}={}", self.version)).collect()
    }
}

/// The text of a sources.list with one suite.
pub(super) fn sources(mirror: &str, suite: &str) -> String {
    format!("deb [signed-by={KEYRING}] {mirror} {suite} {COMPONENT}\n")
}

/// A field of a package's record.
fn field<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    record.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The packages in a list of dependencies that are wanted in exactly `version`.
fn of_the_same_version(depends: &str, version: &str) -> Vec<String> {
    let exactly = format!(" (= {version})");
    depends.split(", ").filter_map(|one| one.strip_suffix(&exactly)).map(str::to_owned).collect()
}

/// What apt's rehearsal installs: `Inst name (version origin [architecture])`.
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
