//! Programs of the workspace for guests. They are static, because a guest does not have the host's libraries.

use crate::{
    process::{self, CommandError},
    target::BuildTarget,
    workspace::Workspace,
};
use serde::Deserialize;
use std::{path::PathBuf, process::Command};

/// Without symbols, which make up more than half of a program's size.
const FLAGS: &str = "-C target-feature=+crt-static -C debuginfo=0 -C strip=symbols";

const TESTS: &str = "rstmon-tests";
const RSTMON: &str = "rstmon";

/// Builds programs of the tests package for the target; returns the directory that they are in.
pub(super) fn build(workspace: &Workspace, target: &BuildTarget, programs: &[&str]) -> Result<PathBuf, CommandError> {
    build_of(workspace, target, TESTS, programs)
}

/// Builds rstmon with debug assertions, for an architecture that is not released.
pub(super) fn build_rstmon(workspace: &Workspace, target: &BuildTarget) -> Result<PathBuf, CommandError> {
    Ok(build_of(workspace, target, RSTMON, &[RSTMON])?.join(RSTMON))
}

fn build_of(
    workspace: &Workspace,
    target: &BuildTarget,
    package: &str,
    programs: &[&str],
) -> Result<PathBuf, CommandError> {
    let mut command = cargo(workspace, target, package, "build");
    command.args(programs.iter().flat_map(|program| ["--bin", program]));
    process::run(&mut command)?;
    Ok(directory(workspace).join(&target.triple).join("debug"))
}

/// Builds the end-to-end suite and the programs it needs; returns the name and the program of each file of tests.
pub(super) fn build_tests(workspace: &Workspace, target: &BuildTarget) -> Result<Vec<(String, PathBuf)>, CommandError> {
    let mut command = cargo(workspace, target, TESTS, "test");
    command.args(["--no-run", "--bins", "--tests", "--message-format=json-render-diagnostics"]);
    let mut tests = executables(&process::output(&mut command)?);
    tests.sort();
    Ok(tests)
}

fn cargo(workspace: &Workspace, target: &BuildTarget, package: &str, subcommand: &str) -> Command {
    let mut command = workspace.cargo();
    command.args([subcommand, "--quiet", "--locked", "--package", package]);
    target.choose(&mut command).env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", directory(workspace));
    // The emulator translates code before it runs: less code is faster.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "s");
    command
}

fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target.join("guest")
}

/// The fields of one of cargo's messages that are read here.
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

/// The test programs in cargo's messages.
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
