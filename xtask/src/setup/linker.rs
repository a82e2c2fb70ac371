//! bpf-linker, built for the LLVM of the kernel half's rustc.

use crate::{
    process, say,
    toolchain::{self, LINKER_VERSION},
    workspace::{self, Workspace},
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Installs bpf-linker unless the wanted version, built for LLVM `major`, is there.
pub(super) fn ensure(workspace: &Workspace, major: u32) -> anyhow::Result<()> {
    if let Some(linker) = toolchain::find_linker()
        && toolchain::linker_version(&linker).is_ok_and(|version| toolchain::is_wanted_linker(&version))
        && serves(recorded_features().as_deref(), major)
    {
        return Ok(());
    }
    say::line(format_args!("setup: installing bpf-linker {LINKER_VERSION} for LLVM {major} (links the kernel half)"));
    let mut command = workspace.cargo();
    command
        .args(["install", "bpf-linker", "--locked", "--force", "--no-default-features"])
        .arg(format!("--version=={LINKER_VERSION}"))
        .arg(format!("--features={}", feature(major)))
        .env("LLVM_PREFIX", toolchain::llvm_prefix(major));
    Ok(process::run(&mut command)?)
}

fn feature(major: u32) -> String {
    format!("llvm-{major}")
}

/// The part of cargo's record of installed programs that is read here.
#[derive(Deserialize)]
struct Installed {
    installs: BTreeMap<String, Install>,
}

#[derive(Deserialize)]
struct Install {
    features: Vec<String>,
}

fn recorded_features() -> Option<Vec<String>> {
    let json = workspace::read_text(&toolchain::cargo_home().join(".crates2.json")).ok()?;
    features_in(&json)
}

/// The features that cargo's record says bpf-linker was built with.
fn features_in(json: &str) -> Option<Vec<String>> {
    let installed: Installed = serde_json::from_str(json).ok()?;
    let prefix = format!("bpf-linker {LINKER_VERSION} ");
    installed
        .installs
        .into_iter()
        .find(|(package, _)| package.starts_with(&prefix))
        .map(|(_, install)| install.features)
}

/// Whether a linker built with `features` can read the bitcode of LLVM `major`. There is no record of a bpf-linker that
/// a distribution packaged; it is accepted by its version alone.
fn serves(features: Option<&[String]>, major: u32) -> bool {
    features.is_none_or(|features| features.contains(&feature(major)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"installs": {
        "bpf-linker 0.13.0 (registry+x)": {"bins": ["bpf-linker"], "features": ["llvm-22"], "rustc": "rustc 1.95.0"},
        "cargo-deny 0.19.0 (registry+x)": {"bins": ["cargo-deny"], "features": []}}}"#;

    #[test]
    fn the_llvm_it_was_built_for_is_on_record() {
        let features = features_in(RECORD);
        assert_eq!(features.as_deref(), Some(["llvm-22".to_owned()].as_slice()));
        assert!(serves(features.as_deref(), 22));
        assert!(!serves(features.as_deref(), 23));
    }

    #[test]
    fn a_linker_that_cargo_did_not_install_is_trusted() {
        assert_eq!(features_in(r#"{"installs": {}}"#), None);
        assert!(serves(None, 22));
    }
}
