//! Our programs for guests: static, because a guest has not the libraries of this machine.

use crate::{
    process::{self, ProcessError},
    target::Target,
    workspace::Workspace,
};
use serde::Deserialize;
use std::{path::PathBuf, process::Command};

/// Without symbols, which make up more than half of a program.
const FLAGS: &str = "-C target-feature=+crt-static -C debuginfo=0 -C strip=symbols";

const TESTS: &str = "rstmon-tests";
const RSTMON: &str = "rstmon";

/// Builds programs of the package of tests for any Linux of the target's architecture; returns the directory they are in.
pub(super) fn build(workspace: &Workspace, target: &Target, programs: &[&str]) -> Result<PathBuf, ProcessError> {
    build_of(workspace, target, TESTS, programs)
}

/// Builds rstmon, with the checks of a debug build: for an architecture that there is no release of.
pub(super) fn build_rstmon(workspace: &Workspace, target: &Target) -> Result<PathBuf, ProcessError> {
    Ok(build_of(workspace, target, RSTMON, &[RSTMON])?.join(RSTMON))
}

fn build_of(workspace: &Workspace, target: &Target, package: &str, programs: &[&str]) -> Result<PathBuf, ProcessError> {
    let mut command = cargo(workspace, target, package, "build");
    command.args(programs.iter().flat_map(|program| ["--bin", program]));
    process::run(&mut command)?;
    Ok(directory(workspace).join(&target.triple).join("debug"))
}

/// Builds every file of the end-to-end suite and the programs it needs; returns the name and place of each file's.
pub(super) fn build_tests(workspace: &Workspace, target: &Target) -> Result<Vec<(String, PathBuf)>, ProcessError> {
    let mut command = cargo(workspace, target, TESTS, "test");
    command.args(["--no-run", "--bins", "--tests", "--message-format=json-render-diagnostics"]);
    let mut tests = executables(&process::output(&mut command)?);
    tests.sort();
    Ok(tests)
}

fn cargo(workspace: &Workspace, target: &Target, package: &str, subcommand: &str) -> Command {
    let mut command = workspace.cargo();
    command.args([subcommand, "--quiet", "--locked", "--package", package]);
    target.choose(&mut command).env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", directory(workspace));
    // An emulator translates what is run: the less code, the faster.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "s");
    command
}

fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target.join("guest")
}

/// One line of cargo's messages, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    executable: Option<PathBuf>,
    #[serde(default)]
    target: Option<BuiltFrom>,
}

#[derive(Deserialize)]
struct BuiltFrom {
    name: String,
    kind: Vec<String>,
}

/// The test programs that cargo says it has built.
fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages
        .filter_map(|message| {
            let target = message.target.filter(|target| target.kind.iter().any(|kind| kind == "test"))?;
            Some((target.name, message.executable?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_tests_are_taken() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"rstmon_tests"},"executable":"/t/lib"}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"causes"},"executable":"/t/causes-1"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"actor"},"executable":null}
{"reason":"build-finished","success":true}
noise"#;
        assert_eq!(executables(messages), [("causes".to_owned(), PathBuf::from("/t/causes-1"))]);
    }
}
