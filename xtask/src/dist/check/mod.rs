//! `cargo xtask dist --check`: tests of the packages: a second build, the contents, lintian and rpmlint, and the whole
//! life of an installed package.

mod contents;
mod deb;
mod lint;
mod root;
mod rpm;
mod tree;

use self::root::Base;
use super::{Maker, layout::PackageLayout};
use crate::{elevate::Privilege, say, workspace};
use anyhow::{Context as _, bail};
use std::{path::Path, time::Instant};

/// Debian packages, with reasons, that are needed to make and check the packages.
pub(super) const PACKAGES: [(&str, &str); 4] = [
    super::RPM,
    ("lintian", "cargo xtask dist --check: the .deb against Debian's policy"),
    ("rpmlint", "cargo xtask dist --check: the .rpm against common practice"),
    ("mmdebstrap", "cargo xtask dist --check: a throw-away system to install in"),
];

/// Checks the packages in `output`.
pub(super) fn check(maker: &Maker, work: &Path, output: &Path, accept: bool) -> anyhow::Result<()> {
    let privilege = Privilege::detect()?;
    let trial = work.with_file_name("dist-check");
    workspace::empty_dir(&trial)?;
    let packages = Packages::of(maker, output);
    step("second build", || second_build(maker, &trial, output))?;
    step("contents", || contents::check(&packages, &maker.workspace.root, accept))?;
    step("lintian and rpmlint", || lint::check(&packages, &maker.workspace.root))?;
    let base = Base { archive: maker.workspace.target.join("dist-root.tar"), dir: trial.join("root"), privilege };
    step("a root to install in", || base.ensure())?;
    step(".deb: install, upgrade, remove, purge", || deb::check(&base, maker, &trial, &packages.deb))?;
    step(".rpm: install, upgrade, erase", || rpm::check(&base, maker, &trial, &packages.rpm))?;
    base.remove()
}

/// The packages under test.
struct Packages {
    deb: std::path::PathBuf,
    rpm: std::path::PathBuf,
    /// Their version, which the lists of contents leave out.
    version: String,
}

impl Packages {
    fn of(maker: &Maker, output: &Path) -> Self {
        use super::release::{ARCH, DEB_ARCH};
        let version = maker.release.package_version();
        Self {
            deb: output.join(format!("rstmon_{version}_{DEB_ARCH}.deb")),
            rpm: output.join(format!("rstmon-{version}-1.{ARCH}.rpm")),
            version,
        }
    }
}

fn step(name: &str, perform: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let start = Instant::now();
    perform().with_context(|| format!("check `{name}`"))?;
    say::line(format_args!("dist: check `{name}` passed in {:.1} s", start.elapsed().as_secs_f64()));
    Ok(())
}

/// Makes the release again in another directory and compares the checksums.
fn second_build(maker: &Maker, trial: &Path, output: &Path) -> anyhow::Result<()> {
    let again = trial.join("again");
    maker.everything(&trial.join("work"), &again)?;
    let [first, second] = [output, &again].map(|dir| workspace::read_text(&dir.join("SHA256SUMS")));
    let (first, second) = (first?, second?);
    if first != second {
        bail!("the same sources gave other bytes:\n{first}and then:\n{second}compare with diffoscope");
    }
    Ok(())
}

/// A later version of the packages with another default configuration, to upgrade to.
struct Later {
    release: super::release::Release,
    layout: PackageLayout,
}

impl Later {
    /// `layout` under the version `MAJOR.MINOR.PATCH+upgrade.N`.
    fn of(maker: &Maker, layout: PackageLayout, n: u32) -> Self {
        let mut release = maker.release.clone();
        release.version = format!("{}+upgrade.{n}", release.version);
        Self { release, layout }
    }

    /// Adds a line to its configuration file, a copy in `dir`.
    fn with_new_configuration(mut self, dir: &Path) -> anyhow::Result<Self> {
        for entry in &mut self.layout.entries {
            if entry.kind == super::layout::FileKind::Config {
                let text = workspace::read_text(&entry.source)? + "# A default of the next version.\n";
                entry.source = dir.join("next.toml");
                workspace::write(&entry.source, text)?;
            }
        }
        Ok(self)
    }
}
