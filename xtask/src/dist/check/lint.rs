//! Checks by lintian and rpmlint.

use super::Packages;
use crate::{lookup, process};
use anyhow::Context as _;
use std::{path::Path, process::Command};

/// lintian must report no error and no warning; rpmlint no error.
pub(super) fn check(packages: &Packages, root: &Path) -> anyhow::Result<()> {
    let tool = |name: &str| lookup::find(name).with_context(|| format!("no {name}: `apt-get install {name}`"));
    let mut lintian = Command::new(tool("lintian")?);
    // lintian warns if it is run as root.
    lintian.args(["--fail-on=error,warning", "--allow-root", "--tag-display-limit=0", "--info"]);
    process::run(lintian.arg(&packages.deb))?;
    let mut rpmlint = Command::new(tool("rpmlint")?);
    rpmlint.arg("--strict").arg("--config").arg(root.join("packaging/rpm/rpmlint.toml"));
    process::output(rpmlint.arg(&packages.rpm)).map(drop).context("rpmlint")
}
