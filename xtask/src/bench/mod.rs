//! `cargo xtask bench`: what rstmon costs, measured on the live kernel, beside other tools that see resets. The report goes
//! to standard output, or into docs/performance.md; progress goes to standard error.
//!
//! | file | concern |
//! |---|---|
//! | `section` | what is measured, a file each |
//! | `targets` | what it is meant to be at most, and whether it is |
//! | `report`, `markdown`, `chart`, `page` | the figures, their text and pictures, the page |
//! | `daemon`, `peer`, `server`, `watcher` | what is measured, and what it is compared with |
//! | `traffic`, `holder`, `namespace` | by what, and where |
//! | `rounds`, `spread`, `effort` | how often, and what becomes of several rounds |
//! | `accounts`, `statistics`, `proc`, `http` | reading figures |
//! | `child`, `scratch`, `interrupt` | that nothing stays behind |

mod accounts;
mod chart;
mod child;
mod daemon;
mod effort;
mod holder;
mod http;
mod interrupt;
mod markdown;
mod namespace;
mod page;
mod peer;
mod proc;
mod report;
mod rounds;
mod scratch;
mod section;
mod server;
mod spread;
mod statistics;
mod targets;
mod traffic;
mod watcher;

use self::{
    effort::Effort,
    report::{FLOOD_CHART, Machine, Report, TARGETS_CHART},
    section::{cpus, flood, hooks, keepalive, pace, processes, scrape, sockets, start, subscribers, throughput},
    targets::Verdicts,
};
use crate::{
    elevate::Privilege,
    process, say, setup,
    workspace::{self, Workspace},
};
use anyhow::{Context as _, bail, ensure};
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::Command,
    time::Instant,
};

/// What to measure, and how thoroughly.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Arguments {
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
    /// Write docs/performance.md and its charts instead.
    #[arg(long, conflicts_with_all = ["json", "only", "quick"])]
    write_docs: bool,
    /// Measure nothing: take the figures from what --json printed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["only", "quick", "rounds"])]
    from: Option<PathBuf>,
    /// Measure only these sections, with commas.
    #[arg(long, value_name = "SECTION", value_delimiter = ',')]
    only: Vec<Section>,
    /// Rounds of each configuration.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Only see that everything works: short rounds, of which two unless --rounds says otherwise. The figures mean little.
    #[arg(long)]
    quick: bool,
    /// Do not install missing peers first.
    #[arg(long)]
    no_setup: bool,
    /// Be a process that holds so many open sockets.
    #[arg(long, hide = true, exclusive = true, value_parser = clap::value_parser!(u32).range(2..=50_000))]
    hold_sockets: Option<u32>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Section {
    /// Nanoseconds of a reset and of a connection in the kernel.
    Hooks,
    /// Short connections a second without a reset.
    Throughput,
    /// Requests a second over connections that stay open.
    Keepalive,
    /// Refused connections at full speed, beside other tools.
    Flood,
    /// The daemon's CPU and memory by resets a second.
    Pace,
    /// Start-up.
    Start,
    /// Growth with open sockets, and the backfill of their owners.
    Sockets,
    /// Growth with series.
    Scrape,
    /// Growth with processes.
    Processes,
    /// Growth with readers of events.
    Subscribers,
    /// Growth with CPUs.
    Cpus,
}

/// Rounds of a quick run.
const QUICK_ROUNDS: u32 = 2;
const PAGE: &str = "docs/performance.md";

impl Arguments {
    /// How many sockets this process is meant to hold, if that is all it is for.
    pub(crate) fn holds(&self) -> Option<u32> {
        self.hold_sockets
    }

    fn wants(&self, section: Section) -> bool {
        self.only.is_empty() || self.only.contains(&section)
    }

    fn rounds(&self) -> u32 {
        if self.quick { self.rounds.min(QUICK_ROUNDS) } else { self.rounds }
    }
}

/// Holds open sockets until it is killed.
pub(crate) fn hold(sockets: u32) -> anyhow::Result<()> {
    holder::hold(sockets)
}

/// Builds rstmon, measures, and prints or writes.
pub(crate) fn bench(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let mut report = match &arguments.from {
        Some(file) => serde_json::from_str(&workspace::read_text(file)?)
            .with_context(|| format!("{} is no report of this version", file.display()))?,
        None => measure(workspace, arguments)?,
    };
    report.targets = Verdicts::on(&report);
    if arguments.write_docs {
        return write_docs(workspace, &report);
    }
    let text = if arguments.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
    io::stdout().lock().write_all(text.as_bytes()).context("cannot write the report")
}

fn measure(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<Report> {
    if Privilege::detect()? != Privilege::Root {
        bail!("bench attaches probes, makes network namespaces and sets a sysctl: run it as root");
    }
    if !arguments.no_setup {
        setup::ensure(&peer::PACKAGES)?;
    }
    process::run(workspace.cargo().args(["build", "--release", "--locked", "--package", "rstmon"]))?;
    scratch::sweep();
    interrupt::watch()?;
    let effort = Effort { binary: workspace.release_binary(), rounds: arguments.rounds(), quick: arguments.quick };
    let started = Instant::now();
    let mut report = Report {
        machine: Machine::describe()?,
        version: process::output(Command::new(&effort.binary).arg("--version"))?.trim().to_owned(),
        rounds: effort.rounds,
        quick: effort.quick,
        ..Report::default()
    };
    let turn = Turn { arguments, effort: &effort, started };
    report.hooks = turn.take(Section::Hooks, hooks::measure)?;
    report.throughput = turn.take(Section::Throughput, throughput::measure)?;
    report.keepalive = turn.take(Section::Keepalive, keepalive::measure)?;
    report.flood = turn.take(Section::Flood, flood::measure)?;
    report.pace = turn.take(Section::Pace, pace::measure)?;
    report.start = turn.take(Section::Start, start::measure)?;
    report.sockets = turn.take(Section::Sockets, sockets::measure)?;
    report.scrape = turn.take(Section::Scrape, scrape::measure)?;
    report.processes = turn.take(Section::Processes, processes::measure)?;
    report.subscribers = turn.take(Section::Subscribers, subscribers::measure)?;
    report.cpus = turn.take(Section::Cpus, cpus::measure)?;
    report.seconds = started.elapsed().as_secs();
    Ok(report)
}

/// One section after the other.
struct Turn<'a> {
    arguments: &'a Arguments,
    effort: &'a Effort,
    started: Instant,
}

impl Turn<'_> {
    /// Measures a section if it is wanted.
    fn take<T>(
        &self,
        section: Section,
        measure: impl FnOnce(&Effort) -> anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        if !self.arguments.wants(section) {
            return Ok(None);
        }
        say::line(format_args!("bench: {:>4} s  {section:?}", self.started.elapsed().as_secs()));
        measure(self.effort).map(Some).with_context(|| format!("{section:?} cannot be measured"))
    }
}

fn write_docs(workspace: &Workspace, report: &Report) -> anyhow::Result<()> {
    ensure!(!report.quick, "these figures are of a quick run and mean little: they are not for the documentation");
    let path = workspace.root.join(PAGE);
    let page = workspace::read_text(&path)?;
    for id in page::unexplained(&page, report.targets.missed()) {
        say::line(format_args!("bench: {PAGE} does not say what the limit of `{id}` is made of"));
    }
    workspace::write(&path, page::renewed(&page, &report.to_string(), report.targets.missed())?)?;
    for (file, chart) in [(TARGETS_CHART, report.targets_chart()), (FLOOD_CHART, report.flood_chart())] {
        let chart = chart.with_context(|| format!("there are no figures for {file}"))?;
        workspace::write(&workspace.root.join("docs").join(file), chart.draw())?;
    }
    say::line(format_args!("bench: {PAGE} and its charts are written"));
    Ok(())
}
