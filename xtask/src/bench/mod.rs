//! `cargo xtask bench`: what rstmon costs, measured on the live kernel. Results go to standard output, progress to
//! standard error; docs/performance.md says how to read them.
//!
//! | file | concern |
//! |---|---|
//! | `start` | start to attached, memory, CPU when idle |
//! | `hooks` | nanoseconds a hook takes, with and without evidence and tombstones |
//! | `throughput` | connections a second with and without rstmon, and with other tools that see resets |
//! | `daemon`, `peer`, `traffic` | what is measured, what it is compared with, and by what |
//! | `accounts`, `statistics`, `proc`, `http`, `numbers` | reading figures |
//! | `report` | the figures, and their text |

mod accounts;
mod daemon;
mod hooks;
mod http;
mod numbers;
mod peer;
mod proc;
mod report;
mod scratch;
mod start;
mod statistics;
mod throughput;
mod traffic;

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};

use crate::{elevate::Privilege, process, say, workspace::Workspace};

use report::{Machine, Report};

/// What to measure, and how thoroughly.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// One JSON document instead of tables.
    #[arg(long)]
    json: bool,
    /// Starts that are timed.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    starts: u32,
    /// Rounds of each configuration, of which the median counts.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// Builds rstmon, measures, and prints.
pub(crate) fn bench(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    if Privilege::detect()? != Privilege::Root {
        bail!("bench attaches probes and sets a sysctl: run it as root");
    }
    process::run(workspace.cargo().args(["build", "--release", "--locked", "--package", "rstmon"]))?;
    let binary = workspace.release_binary();

    say::line("bench: start, memory, idle CPU");
    let start = start::measure(&binary, arguments.starts)?;
    say::line("bench: hooks");
    let hooks = hooks::measure(&binary, arguments.rounds)?;
    say::line("bench: throughput");
    let throughput = throughput::measure(&binary, arguments.rounds)?;
    let report = Report { machine: Machine::describe()?, rounds: arguments.rounds, start, hooks, throughput };

    let text = if arguments.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
    io::stdout().lock().write_all(text.as_bytes()).context("cannot write the report")
}
