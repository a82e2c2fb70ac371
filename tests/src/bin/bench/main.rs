//! The benchmark: what rstmon costs on the live kernel, beside other tools that see resets. The report goes to standard
//! output or into docs/performance.md, progress to standard error; `cargo xtask bench` builds and starts this, as root.
//!
//! | file | concern |
//! |---|---|
//! | `section` | what is measured, one file each |
//! | `targets`, `verdict` | the limits, and whether they are kept |
//! | `report`, `markdown`, `chart`, `page` | the figures, their text and pictures, the page |
//! | `daemon`, `peer`, `watcher` | rstmon, and what it is compared with |
//! | `traffic`, `wrk`, `holders` | the load |
//! | `rounds`, `spread`, `effort` | how often, and how several rounds become one figure |
//! | `runtime`, `statistics` | run times of the hooks |

mod arguments;
mod chart;
mod daemon;
mod effort;
mod holders;
mod markdown;
mod page;
mod peer;
mod report;
mod rounds;
mod runtime;
mod section;
mod spread;
mod statistics;
mod targets;
mod traffic;
mod verdict;
mod watcher;
mod wrk;

use crate::{
    arguments::{BenchArguments, BenchSection},
    effort::Effort,
    report::{BenchReport, FLOOD_CHART, HostDescription, TARGETS_CHART},
    section::{cpus, flood, hooks, keepalive, pace, processes, scrape, sockets, start, subscribers, throughput, view},
};
use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use rstmon_tests::{
    daemon::{BINARY, rstmon, unless_ready},
    interruption,
    machine::MachineLock,
    skip,
};
use std::{
    fmt::Display,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

const PAGE: &str = "docs/performance.md";
/// Added to a signal's number for the exit status, as a shell does.
const SIGNAL_STATUS: u8 = 128;

fn main() -> ExitCode {
    let result = bench(&BenchArguments::parse());
    if let (Err(why), Some(signal)) = (interruption::check(), interruption::signal()) {
        say(format_args!("bench: {why}"));
        return ExitCode::from(SIGNAL_STATUS + signal);
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures, then prints or writes.
fn bench(arguments: &BenchArguments) -> Result<()> {
    let mut report: BenchReport = match &arguments.from {
        Some(file) => {
            let json = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            serde_json::from_str(&json).with_context(|| format!("{} is no report of this version", file.display()))?
        }
        None => measure(arguments)?,
    };
    report.targets = targets::judge_all(&report);
    if arguments.write_docs {
        return write_docs(&report);
    }
    let text = if arguments.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
    io::stdout().lock().write_all(text.as_bytes()).context("cannot write the report")
}

fn measure(arguments: &BenchArguments) -> Result<BenchReport> {
    ensure!(unless_ready("bench"), "bench needs root and a built rstmon ({BINARY})");
    ensure!(skip::unless_installed("bench", &["ip"]), "network namespaces need iproute2");
    let _alone = MachineLock::exclusive()?;
    // Not earlier: a signal ends the wait for the lock at once.
    interruption::watch()?;
    let effort = Effort { rounds: arguments.rounds(), quick: arguments.quick };
    let started = Instant::now();
    let version = rstmon(&["--version"])?;
    let mut report = BenchReport {
        machine: HostDescription::read()?,
        version: String::from_utf8_lossy(&version.stdout).trim().to_owned(),
        rounds: effort.rounds,
        quick: effort.quick,
        ..BenchReport::default()
    };
    let runner = SectionRunner { arguments, effort, started };
    report.hooks = runner.section(BenchSection::Hooks, hooks::measure)?;
    report.throughput = runner.section(BenchSection::Throughput, throughput::measure)?;
    report.keepalive = runner.section(BenchSection::Keepalive, keepalive::measure)?;
    report.flood = runner.section(BenchSection::Flood, flood::measure)?;
    report.pace = runner.section(BenchSection::Pace, pace::measure)?;
    report.start = runner.section(BenchSection::Start, start::measure)?;
    report.sockets = runner.section(BenchSection::Sockets, sockets::measure)?;
    report.scrape = runner.section(BenchSection::Scrape, scrape::measure)?;
    report.processes = runner.section(BenchSection::Processes, processes::measure)?;
    report.subscribers = runner.section(BenchSection::Subscribers, subscribers::measure)?;
    report.cpus = runner.section(BenchSection::Cpus, cpus::measure)?;
    report.view = runner.section(BenchSection::View, view::measure)?;
    report.seconds = started.elapsed().as_secs();
    Ok(report)
}

/// Measures the sections of a run.
struct SectionRunner<'a> {
    arguments: &'a BenchArguments,
    effort: Effort,
    started: Instant,
}

impl SectionRunner<'_> {
    /// Measures a section if it was asked for.
    fn section<T>(&self, section: BenchSection, measure: impl FnOnce(Effort) -> Result<T>) -> Result<Option<T>> {
        if !self.arguments.includes(section) {
            return Ok(None);
        }
        say(format_args!("bench: {:>4} s  {section:?}", self.started.elapsed().as_secs()));
        measure(self.effort).map(Some).with_context(|| format!("{section:?} cannot be measured"))
    }
}

fn write_docs(report: &BenchReport) -> Result<()> {
    ensure!(!report.quick, "these figures are of a quick run and mean little: they are not for the documentation");
    let path = repository().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for id in page::unexplained(&page, report.targets.missed()) {
        say(format_args!("bench: {PAGE} does not say what the limit of `{id}` is made of"));
    }
    write(&path, &page::renewed(&page, &report.to_string(), report.targets.missed())?)?;
    for (file, chart) in [(TARGETS_CHART, report.targets_chart()), (FLOOD_CHART, report.flood_chart())] {
        let chart = chart.with_context(|| format!("there are no figures for {file}"))?;
        write(&repository().join("docs").join(file), &chart.draw())?;
    }
    say(format_args!("bench: {PAGE} and its charts are written"));
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The checkout that this program was built in.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes a line of progress to standard error. A closed standard error is no reason to stop.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
