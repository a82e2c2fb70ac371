//! `cargo xtask dist --check`: are the packages what we say they are? Each part takes what was made and looks at it as
//! its reader would: a second build, dpkg, rpm, lintian.

mod contents;
mod deb;
mod lint;
mod root;
mod rpm;
mod tree;

use self::root::Base;
use super::{Maker, empty, layout::Layout};
use crate::{elevate::Privilege, say, workspace};
use anyhow::{Context as _, bail};
use std::{path::Path, time::Instant};

/// Debian's packages that making and checking the packages needs, and for what.
pub(super) const PACKAGES: [(&str, &str); 4] = [
    super::RPM,
    ("lintian", "cargo xtask dist --check: the .deb against Debian's policy"),
    ("rpmlint", "cargo xtask dist --check: the .rpm against common practice"),
    ("mmdebstrap", "cargo xtask dist --check: a throw-away system to install in"),
];

/// Checks what is in `output`.
pub(super) fn check(maker: &Maker, work: &Path, output: &Path, accept: bool) -> anyhow::Result<()> {
    let privilege = Privilege::detect()?;
    let trial = work.with_file_name("dist-check");
    empty(&trial)?;
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
    /// Their version, which the lists of contents do not name.
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

/// Makes everything again, elsewhere, and compares the sums.
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
    layout: Layout,
}

impl Later {
    /// `layout` under the version `MAJOR.MINOR.PATCH+upgrade.N`.
    fn of(maker: &Maker, layout: Layout, n: u32) -> Self {
        let mut release = maker.release.clone();
        release.version = format!("{}+upgrade.{n}", release.version);
        Self { release, layout }
    }

    /// With a line more in its configuration file, kept in `dir`.
    fn with_new_configuration(mut self, dir: &Path) -> anyhow::Result<Self> {
        for entry in &mut self.layout.entries {
            if entry.kind == super::layout::Kind::Config {
                let text = workspace::read_text(&entry.source)? + "# A default of the next version.\n";
                entry.source = dir.join("next.toml");
                workspace::write(&entry.source, text)?;
            }
        }
        Ok(self)
    }
}
