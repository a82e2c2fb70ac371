//! `cargo xtask stress`: the reliability suite (`tests/src/bin/stress`), with the program that is shipped, as root.
//! docs/reliability.md says what it does.

use crate::{dist, elevate::Privilege, process, workspace::Workspace};
use anyhow::Context as _;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::{convert::Infallible, ffi::OsString, os::unix::process::CommandExt as _, path::Path, process::Command};

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StressArguments {
    /// The long form: a hundred kills, millions of resets, ten minutes of soak.
    #[arg(long)]
    full: bool,
    /// How long the soak lasts, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    duration: Option<u64>,
    /// The seed of an earlier run, for the same load again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// One scenario of this name; can be given several times.
    #[arg(long, value_name = "SCENARIO")]
    only: Vec<String>,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
    /// Also step this machine's clock by an hour and back. Other programs on this machine see the change.
    #[arg(long)]
    step_clock: bool,
}

impl StressArguments {
    /// The arguments as the suite takes them.
    fn words(&self) -> Vec<String> {
        let Self { full, duration, seed, only, json, step_clock } = self;
        let mut words = Vec::new();
        for (flag, set) in [("--full", full), ("--json", json), ("--step-clock", step_clock)] {
            words.extend(set.then(|| flag.to_owned()));
        }
        for (option, value) in [("--duration", duration), ("--seed", seed)] {
            words.extend(value.iter().flat_map(|value| [option.to_owned(), value.to_string()]));
        }
        words.extend(only.iter().flat_map(|name| ["--only".to_owned(), name.clone()]));
        words
    }
}

/// Builds the shipped program and the suite, then replaces this process with the suite. The suite cleans up after
/// itself when it is interrupted, so it must get the signals itself and its exit status must be the task's.
pub(crate) fn stress(workspace: &Workspace, arguments: &StressArguments) -> anyhow::Result<Infallible> {
    let mut suite = built(workspace, arguments)?;
    let error = suite.exec();
    Err(error).with_context(|| format!("cannot execute `{}`", process::describe(&suite)))
}

/// Runs the short form as a step of `cargo xtask test`. Must be called by the main thread: the suite gets SIGTERM when
/// the calling thread ends.
pub(crate) fn step(workspace: &Workspace) -> anyhow::Result<()> {
    let mut suite = built(workspace, &StressArguments::default())?;
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe { suite.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?)) };
    Ok(process::run(&mut suite)?)
}

fn built(workspace: &Workspace, arguments: &StressArguments) -> anyhow::Result<Command> {
    let program = dist::program(workspace)?;
    process::run(workspace.cargo().args(["build", "--quiet", "--locked", "--package", "rstmon-tests", "--bins"]))?;
    let suite = workspace.target.join("debug/stress");
    let mut command = Privilege::detect()?.command("env");
    command.arg(binary_is(&program)).arg(suite).args(arguments.words());
    Ok(command)
}

/// The environment variable that names the program to the tests. sudo drops variables; `env` sets it after sudo.
fn binary_is(program: &Path) -> OsString {
    let mut assignment = OsString::from("RSTMON_BIN=");
    assignment.push(program);
    assignment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_reaches_the_suite() {
        let arguments = StressArguments {
            full: true,
            duration: Some(60),
            seed: Some(7),
            only: vec!["kill".to_owned()],
            json: true,
            step_clock: true,
        };
        let words = arguments.words().join(" ");
        assert_eq!(words, "--full --json --step-clock --duration 60 --seed 7 --only kill");
        assert!(StressArguments::default().words().is_empty());
    }
}
