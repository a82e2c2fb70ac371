//! Files that are generated for a release: manual, completions, notices, Debian's changelog.

use super::{manual, notices, release::Release};
use crate::{
    process,
    workspace::{self, Workspace},
};
use anyhow::Context as _;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The file whose `Maintainer:` goes into the changelog.
const CONTROL: &str = "packaging/deb/control";

/// The directory with the generated files.
#[derive(Debug)]
pub(super) struct Generated {
    dir: PathBuf,
}

impl Generated {
    /// Writes all of them below `dir`. The manual and the completions come from the binary, which knows its command
    /// line.
    pub(super) fn write(workspace: &Workspace, release: &Release, binary: &Path, dir: &Path) -> anyhow::Result<Self> {
        let generated = Self { dir: dir.to_owned() };
        let date = release.date("+%F")?;
        process::run(Command::new(binary).arg("man").arg(generated.man()).args(["--date", &date]))?;
        let reference = workspace::read_text(&workspace.root.join("packaging/rstmon.toml"))?;
        let page = manual::page(&reference, &release.version, &date).context("packaging/rstmon.toml")?;
        workspace::write(&generated.man().join("rstmon.toml.5"), page)?;

        for (shell, name) in [("bash", "rstmon.bash"), ("zsh", "_rstmon"), ("fish", "rstmon.fish")] {
            let script = process::output(Command::new(binary).args(["completions", shell]))?;
            workspace::write(&generated.completions().join(name), script)?;
        }

        workspace::write(&generated.notices(), notices::text(workspace)?)?;
        let library = notices::standard_library(workspace)?;
        fs::copy(&library, generated.standard_library())
            .with_context(|| format!("cannot copy {}, which rustup installs with rustc", library.display()))?;

        let control = workspace::read_text(&workspace.root.join(CONTROL))?;
        let maintainer = field(&control, "Maintainer").with_context(|| format!("{CONTROL} names no Maintainer"))?;
        workspace::write(&generated.debian_changelog(), changelog(release, maintainer, &release.date("--rfc-email")?))?;
        Ok(generated)
    }

    /// The directory of the manual pages.
    pub(super) fn man(&self) -> PathBuf {
        self.dir.join("man")
    }

    /// The directory of the completion scripts.
    pub(super) fn completions(&self) -> PathBuf {
        self.dir.join("completions")
    }

    /// The licences of everything in the binary.
    pub(super) fn notices(&self) -> PathBuf {
        self.dir.join("THIRD-PARTY-NOTICES.txt")
    }

    /// The notices of Rust's standard library, as rustup installs them.
    pub(super) fn standard_library(&self) -> PathBuf {
        self.dir.join("rust-standard-library.html")
    }

    /// The changelog in the format that Debian's policy requires.
    pub(super) fn debian_changelog(&self) -> PathBuf {
        self.dir.join("changelog")
    }

    #[cfg(test)]
    pub(super) fn sample() -> Self {
        Self { dir: "/generated".into() }
    }
}

/// The value of a field in a file in the format of Debian's control files.
pub(super) fn field<'a>(control: &'a str, name: &str) -> Option<&'a str> {
    control.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A changelog of one entry, which refers to CHANGELOG.md in the package.
fn changelog(release: &Release, maintainer: &str, date: &str) -> String {
    let version = release.package_version();
    format!(
        "rstmon ({version}) stable; urgency=medium\n\n  * Release {}. What changed: \
         /usr/share/doc/rstmon/CHANGELOG.md.gz\n\n -- {maintainer}  {date}\n",
        release.version
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changelog_has_debians_form() {
        let release = Release { version: "1.2.3-rc.1".into(), epoch: 0, commit: None };
        let found = changelog(&release, "Someone <a@b.example>", "Thu, 01 Jan 1970 00:00:00 +0000");
        assert!(found.starts_with("rstmon (1.2.3~rc.1) stable; urgency=medium\n\n  * "), "found {found}");
        assert!(found.ends_with("\n\n -- Someone <a@b.example>  Thu, 01 Jan 1970 00:00:00 +0000\n"), "found {found}");
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let control = "Package: x\nMaintainer: Someone\n";
        assert_eq!(field(control, "Maintainer"), Some("Someone"));
        assert_eq!(field(control, "Main"), None);
    }
}
