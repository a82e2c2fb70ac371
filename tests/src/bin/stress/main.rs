//! The reliability suite: a private `rstmon run` for each scenario, load and faults against it, and at the end the
//! accounts: every reset that was provoked has been counted, and no other. docs/reliability.md has the scenarios and a
//! report; `cargo xtask stress` builds and starts this, as root.
//!
//! | file | concern |
//! |---|---|
//! | `scenario` | what is done to the daemon, one file each |
//! | `field`, `load` | the ground, the processes on it and what they do |
//! | `ledger` | what was provoked against what was counted |
//! | `subject` | a daemon under observation: what it takes at the beginning and at the end |
//! | `monotone` | no counter falls, no series vanishes |
//! | `outcome`, `report` | what came out, and its text |

mod arguments;
mod field;
mod ledger;
mod load;
mod monotone;
mod outcome;
mod report;
mod scenario;
mod subject;

use crate::{
    arguments::Arguments,
    field::Field,
    outcome::Outcome,
    report::Report,
    scenario::{Chosen, Scenario, witness},
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{daemon, interruption, skip};
use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Instant,
};

/// What a shell adds to a signal's number for the exit status of what it ended.
const BY_SIGNAL: u8 = 128;

fn main() -> ExitCode {
    let clean = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| stress(&arguments));
    if let (Err(why), Some(signal)) = (interruption::check(), interruption::signal()) {
        say(&format!("stress: {why}; what it made is put away"));
        return ExitCode::from(BY_SIGNAL + signal);
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

/// Runs the scenarios that are asked for and prints the report; whether all is well.
fn stress(arguments: &Arguments) -> Result<bool> {
    ensure!(daemon::unless_ready("stress"), "the suite needs root and a built rstmon ({})", daemon::BINARY);
    ensure!(skip::unless_installed("stress", &["ip"]), "network namespaces need iproute2");
    let started = Instant::now();
    let Chosen { scenarios, witness } = scenario::chosen(arguments)?;
    say(&format!("stress: seed {}; the same load again: --seed {}", arguments.seed, arguments.seed));
    let mut field = Field::new(arguments.clone()).context("preparing the ground")?;
    let witness = witness.then(|| witness::begin(&mut field));
    let mut outcomes = Vec::new();
    for scenario in scenarios {
        outcomes.push(play(scenario, &mut field)?);
    }
    if let Some(witness) = witness {
        say(&format!("stress: {}", witness::NAME));
        let witnessed = witness.and_then(|witness| witness.end(&mut field));
        outcomes.push(ended(Outcome::of(witness::NAME, witness::WHAT, started, witnessed))?);
    }
    let report = Report { seed: arguments.seed, full: arguments.full, seconds: started.elapsed(), outcomes };
    let text = if arguments.json { format!("{:#}\n", report.json()) } else { report.to_string() };
    io::stdout().lock().write_all(text.as_bytes()).context("writing the report")?;
    Ok(report.is_clean())
}

fn play(scenario: &Scenario, field: &mut Field) -> Result<Outcome> {
    say(&format!("stress: {}", scenario.name));
    let started = Instant::now();
    field.reseed(scenario.name);
    ended(Outcome::of(scenario.name, scenario.what, started, (scenario.play)(field)))
}

/// Says how it went, unless it was interrupted: then there is nothing to be said of it, and no next one.
fn ended(outcome: Outcome) -> Result<Outcome> {
    interruption::check()?;
    for complaint in &outcome.finding.complaints {
        say(&format!("stress: {}: {complaint}", outcome.name));
    }
    say(&format!("stress: {}: {:.1} s", outcome.name, outcome.took.as_secs_f64()));
    Ok(outcome)
}

/// Says how it goes; the report has standard output for itself.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
