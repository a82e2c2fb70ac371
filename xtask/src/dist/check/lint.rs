//! The distributions' own checkers.

use super::Packages;
use crate::{lookup, process};
use anyhow::Context as _;
use std::{path::Path, process::Command};

/// lintian without an error or a warning; rpmlint without an error.
pub(super) fn check(packages: &Packages, root: &Path) -> anyhow::Result<()> {
    let tool = |name: &str| lookup::find(name).with_context(|| format!("no {name}: `apt-get install {name}`"));
    let mut lintian = Command::new(tool("lintian")?);
    // As root it would warn about just that.
    lintian.args(["--fail-on=error,warning", "--allow-root", "--tag-display-limit=0", "--info"]);
    process::run(lintian.arg(&packages.deb))?;
    let mut rpmlint = Command::new(tool("rpmlint")?);
    rpmlint.arg("--strict").arg("--config").arg(root.join("packaging/rpm/rpmlint.toml"));
    process::output(rpmlint.arg(&packages.rpm)).map(drop).context("rpmlint")
}
