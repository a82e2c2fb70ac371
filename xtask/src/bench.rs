//! `cargo xtask bench`: the benchmark (`tests/src/bin/bench`), with rstmon in release mode, as root.
//! docs/performance.md says what it measures.

use crate::{elevate::Privilege, process, setup, workspace::Workspace};
use anyhow::Context as _;
use std::{
    convert::Infallible, env, ffi::OsString, os::unix::process::CommandExt as _, path::PathBuf, process::Command,
};

/// Debian's packages of everything that is measured beside rstmon, and what for.
const PACKAGES: [(&str, &str); 8] = [
    ("bpftrace", "bench: counts and prints resets; a program that does nothing"),
    ("tcpdump", "bench: prints resets"),
    ("linux-perf", "bench: records resets"),
    ("nginx-light", "bench: a server"),
    ("wrk", "bench: its clients"),
    ("iproute2", "bench: network namespaces"),
    ("htop", "bench: a full-screen tool at rest"),
    ("btop", "bench: a full-screen tool at rest"),
];

/// Environment variables that the benchmark gets, if they are set.
const ENVIRONMENT: [&str; 2] = ["PATH", "TMPDIR"];

/// What to measure, and how thoroughly.
#[derive(Clone, Debug, clap::Args)]
#[cfg_attr(test, derive(Default))]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct BenchOptions {
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
    /// Write docs/performance.md and its charts instead.
    #[arg(long, conflicts_with_all = ["json", "only", "quick"])]
    write_docs: bool,
    /// Measure nothing: take the figures from what --json printed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "quick", "rounds"])]
    from: Option<PathBuf>,
    /// Measure only these sections, with commas: hooks, throughput, keepalive, flood, pace, start, sockets, scrape,
    /// processes, subscribers, cpus, view.
    #[arg(long, value_name = "SECTION", value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds of each configuration.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Only see that everything works: short rounds, of which two unless --rounds says otherwise. The figures mean
    /// little.
    #[arg(long)]
    quick: bool,
    /// Do not install missing peers first.
    #[arg(long)]
    no_setup: bool,
}

impl BenchOptions {
    /// The arguments of the program, which installs no packages itself.
    fn words(&self) -> Vec<OsString> {
        let Self { json, write_docs, from, only, rounds, quick, no_setup: _ } = self;
        let mut words: Vec<OsString> = vec!["--rounds".into(), rounds.to_string().into()];
        for (flag, set) in [("--json", json), ("--write-docs", write_docs), ("--quick", quick)] {
            words.extend(set.then(|| flag.into()));
        }
        words.extend(from.iter().flat_map(|file| ["--from".into(), file.clone().into_os_string()]));
        words.extend(only.iter().flat_map(|section| ["--only".into(), section.into()]));
        words
    }
}

/// Builds rstmon and the benchmark, and replaces this process with it: the benchmark cleans up when it is interrupted,
/// so that it has to get the signals itself.
pub(crate) fn bench(workspace: &Workspace, arguments: &BenchOptions) -> anyhow::Result<Infallible> {
    let mut program = if arguments.from.is_some() { reader(workspace)? } else { measurer(workspace, arguments)? };
    program.args(arguments.words());
    let error = program.exec();
    Err(error).with_context(|| format!("cannot execute `{}`", process::describe(&program)))
}

/// Makes a report of figures that were measured before: neither rstmon nor root is needed.
fn reader(workspace: &Workspace) -> anyhow::Result<Command> {
    Ok(Command::new(built(workspace)?))
}

fn measurer(workspace: &Workspace, arguments: &BenchOptions) -> anyhow::Result<Command> {
    let privilege = Privilege::detect()?;
    if !arguments.no_setup {
        setup::ensure(&PACKAGES)?;
    }
    process::run(workspace.cargo().args(["build", "--release", "--locked", "--package", "rstmon"]))?;
    let program = built(workspace)?;
    // An environment of its own: rstmon takes settings from variables.
    let mut command = privilege.command("env");
    command.arg("-i");
    for name in ENVIRONMENT {
        command.args(env::var_os(name).map(|value| assignment(name, value)));
    }
    command.arg(assignment("RSTMON_BIN", workspace.release_binary())).arg(program);
    Ok(command)
}

fn built(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    process::run(workspace.cargo().args(["build", "--quiet", "--locked", "--package", "rstmon-tests", "--bins"]))?;
    Ok(workspace.target.join("debug/bench"))
}

fn assignment(name: &str, value: impl Into<OsString>) -> OsString {
    let mut assignment = OsString::from(format!("{name}="));
    assignment.push(value.into());
    assignment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_reaches_the_program() {
        let arguments = BenchOptions {
            json: true,
            write_docs: true,
            from: Some("figures.json".into()),
            only: vec!["flood".to_owned(), "hooks".to_owned()],
            rounds: 7,
            quick: true,
            no_setup: true,
        };
        let expected = "--rounds 7 --json --write-docs --quick --from figures.json --only flood --only hooks";
        assert_eq!(arguments.words().join(" ".as_ref()), expected);
        assert_eq!(BenchOptions { rounds: 5, ..BenchOptions::default() }.words(), ["--rounds", "5"]);
    }
}
