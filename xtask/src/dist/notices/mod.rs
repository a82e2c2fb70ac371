//! Licences of what is in the binary: each crate must have one that deny.toml allows, and its text is shipped.
//!
//! Contract: nothing is in the binary that is not in the notices, and a licence that was not decided upon stops the
//! release.

mod allowed;
mod graph;
mod render;
mod texts;

use self::{allowed::Allowed, graph::Graph};
use crate::{
    process,
    workspace::{self, Workspace},
};
use anyhow::Context as _;
use std::{path::PathBuf, process::Command};

/// The text of THIRD-PARTY-NOTICES.txt.
pub(super) fn text(workspace: &Workspace) -> anyhow::Result<String> {
    let allowed = Allowed::parse(&workspace::read_text(&workspace.root.join("deny.toml"))?).context("deny.toml")?;
    let graph = Graph::of(workspace)?;
    allowed.check(&graph.packages)?;
    let mut crates = Vec::new();
    for package in graph.third_party() {
        crates.push((package, texts::of(package)?));
    }
    let lgpl = workspace::read_text(&workspace.root.join("packaging/licences/LGPL-2.1.txt"))?;
    Ok(render::notices(&crates, libc_version().as_deref(), &lgpl))
}

/// The notices that Rust ships for its standard library, which is in every binary.
pub(super) fn standard_library(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let rustc = Command::new("rustc").arg("--print=sysroot").current_dir(&workspace.root).output();
    let sysroot = String::from_utf8(rustc.context("cannot start rustc")?.stdout)?;
    Ok(PathBuf::from(sysroot.trim()).join("share/doc/rust/COPYRIGHT-library.html"))
}

/// The C library that is linked in, in the words of Debian's `Built-Using`, if this is a Debian system.
pub(super) fn libc_version() -> Option<String> {
    let mut command = Command::new("dpkg-query");
    command.args(["--show", "--showformat", "${source:Package} (= ${source:Version})", "libc6-dev"]);
    process::output(&mut command).ok()
}
