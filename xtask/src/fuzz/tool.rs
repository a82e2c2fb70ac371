//! Installs cargo-fuzz and builds the targets with it.
//!
//! No sanitizer is used: sanitizers need a nightly rustc, libFuzzer's coverage does not, and the fuzzed code has no
//! `unsafe` of its own. Debug assertions and overflow checks are on (`fuzz/Cargo.toml`).

use super::places::FuzzPaths;
use crate::{lookup, process, say, toolchain, workspace::Workspace};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

const VERSION: &str = "0.13.2";

/// The fix if the dependencies of rstmon have changed.
const STALE: &str =
    "if fuzz/Cargo.lock is stale: `cargo metadata --manifest-path fuzz/Cargo.toml > /dev/null`, and commit it";

/// Installs cargo-fuzz unless the wanted version is installed.
pub(super) fn ensure(workspace: &Workspace) -> anyhow::Result<()> {
    if program().is_some_and(|program| is_wanted(&program)) {
        return Ok(());
    }
    say::line(format_args!("fuzz: installing cargo-fuzz {VERSION} (builds and links with libFuzzer)"));
    let mut command = workspace.cargo();
    command.args(["install", "cargo-fuzz", "--locked", "--force"]).arg(format!("--version=={VERSION}"));
    Ok(process::run(&mut command)?)
}

/// cargo-fuzz, from the directory of `cargo install` or else from `PATH`.
fn program() -> Option<PathBuf> {
    let installed = toolchain::cargo_home().join("bin/cargo-fuzz");
    if lookup::is_executable(&installed) { Some(installed) } else { lookup::find("cargo-fuzz") }
}

fn is_wanted(program: &Path) -> bool {
    let version = process::output(toolchain::isolated(program).args(["fuzz", "--version"]));
    version.is_ok_and(|version| version.split_whitespace().nth(1) == Some(VERSION))
}

/// Builds the instrumented programs.
pub(super) fn build(workspace: &Workspace, places: &FuzzPaths, targets: &[String]) -> anyhow::Result<()> {
    // cargo-fuzz has no `--locked`: a stale lock file is refused here, before cargo-fuzz would change it.
    let manifest = places.package.join("Cargo.toml");
    let mut metadata = workspace.cargo();
    metadata.args(["metadata", "--locked", "--format-version=1", "--manifest-path"]).arg(manifest);
    process::output(&mut metadata).context(STALE)?;

    let mut command = workspace.cargo();
    // cargo looks for its subcommands in PATH, which need not contain the directory that it installs to.
    if let Some(directory) = program().as_deref().and_then(Path::parent) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::iter::once(directory.to_owned()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(directories)?);
    }
    command.args(["fuzz", "build", "--sanitizer=none", "--fuzz-dir"]).arg(&places.package);
    command.arg("--target-dir").arg(&places.target);
    if let [target] = targets {
        command.arg(target);
    }
    Ok(process::run(&mut command)?)
}
