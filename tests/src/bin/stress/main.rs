//! The reliability suite: each scenario puts load and faults on a `rstmon run` of its own and checks at the end that
//! every provoked reset has been counted, and no other. docs/reliability.md has the scenarios and a report; `cargo
//! xtask stress` builds and starts this, as root.
//!
//! | file | concern |
//! |---|---|
//! | `scenario` | load and faults, one file each |
//! | `testbed`, `load` | the network namespace, the processes in it, and the resets that they provoke |
//! | `ledger` | provoked resets compared with counted ones |
//! | `observed` | a daemon, and the resources that it uses at the beginning and at the end |
//! | `monotone` | no counter falls, no series vanishes |
//! | `outcome`, `report` | the results, and their text |

mod arguments;
mod ledger;
mod load;
mod monotone;
mod observed;
mod outcome;
mod report;
mod scenario;
mod testbed;

use crate::{
    arguments::StressArguments,
    outcome::ScenarioOutcome,
    report::StressReport,
    scenario::{Chosen, StressScenario, witness},
    testbed::Testbed,
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{daemon, interruption, skip};
use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Instant,
};

/// Added to a signal's number for the exit status, as a shell does.
const SIGNAL_STATUS: u8 = 128;

fn main() -> ExitCode {
    let clean = StressArguments::parse(std::env::args().skip(1)).and_then(|arguments| stress(&arguments));
    if let (Err(why), Some(signal)) = (interruption::check(), interruption::signal()) {
        say(&format!("stress: {why}; what it made is put away"));
        return ExitCode::from(SIGNAL_STATUS + signal);
    }
    match clean {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenarios that were asked for and prints the report. Returns whether all of them passed.
fn stress(arguments: &StressArguments) -> Result<bool> {
    ensure!(daemon::unless_ready("stress"), "the suite needs root and a built rstmon ({})", daemon::BINARY);
    ensure!(skip::unless_installed("stress", &["ip"]), "network namespaces need iproute2");
    let started = Instant::now();
    let Chosen { scenarios, witness } = scenario::chosen(arguments)?;
    say(&format!("stress: seed {}; the same load again: --seed {}", arguments.seed, arguments.seed));
    let mut testbed = Testbed::new(arguments.clone()).context("preparing the ground")?;
    let witness = witness.then(|| witness::begin(&mut testbed));
    let mut outcomes = Vec::new();
    for scenario in scenarios {
        outcomes.push(play(scenario, &mut testbed)?);
    }
    if let Some(witness) = witness {
        say(&format!("stress: {}", witness::NAME));
        let witnessed = witness.and_then(|witness| witness.end(&mut testbed));
        outcomes.push(ended(ScenarioOutcome::of(witness::NAME, witness::WHAT, started, witnessed))?);
    }
    let report = StressReport { seed: arguments.seed, full: arguments.full, seconds: started.elapsed(), outcomes };
    let text = if arguments.json { format!("{:#}\n", report.json()) } else { report.to_string() };
    io::stdout().lock().write_all(text.as_bytes()).context("writing the report")?;
    Ok(report.is_clean())
}

fn play(scenario: &StressScenario, testbed: &mut Testbed) -> Result<ScenarioOutcome> {
    say(&format!("stress: {}", scenario.name));
    let started = Instant::now();
    testbed.reseed(scenario.name);
    ended(ScenarioOutcome::of(scenario.name, scenario.what, started, (scenario.play)(testbed)))
}

/// Writes the result to standard error. An error if the run was interrupted: the result is none, and the run ends.
fn ended(outcome: ScenarioOutcome) -> Result<ScenarioOutcome> {
    interruption::check()?;
    for complaint in &outcome.finding.complaints {
        say(&format!("stress: {}: {complaint}", outcome.name));
    }
    say(&format!("stress: {}: {:.1} s", outcome.name, outcome.took.as_secs_f64()));
    Ok(outcome)
}

/// Writes a line of progress to standard error; standard output is for the report.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
