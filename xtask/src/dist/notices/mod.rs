//! Licences of the crates in the binary: deny.toml must allow one of each crate, and its text is packaged.
//!
//! Contract: the notices name every crate in the binary, and a licence that deny.toml does not allow stops the release.

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

/// The notices that rustup installs for Rust's standard library, which is part of every binary.
pub(super) fn standard_library(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let rustc = Command::new("rustc").arg("--print=sysroot").current_dir(&workspace.root).output();
    let sysroot = String::from_utf8(rustc.context("cannot start rustc")?.stdout)?;
    Ok(PathBuf::from(sysroot.trim()).join("share/doc/rust/COPYRIGHT-library.html"))
}

/// The version of the C library that is linked in, in the format of Debian's `Built-Using`; `None` outside Debian.
pub(super) fn libc_version() -> Option<String> {
    let mut command = Command::new("dpkg-query");
    command.args(["--show", "--showformat", "${source:Package} (= ${source:Version})", "libc6-dev"]);
    process::output(&mut command).ok()
}
