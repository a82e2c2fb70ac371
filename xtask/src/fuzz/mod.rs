//! `cargo xtask fuzz`: runs libFuzzer on the parsers of files, kernel data and client input.
//!
//! | file | concern |
//! |---|---|
//! | `places` | the targets, and the paths of their files |
//! | `tool` | cargo-fuzz: installed when missing, builds the instrumented programs |
//! | `session` | one target's run |
//! | `statistics` | parses libFuzzer's output |
//! | `corpus` | minimises the inputs found |
//! | `report` | the table, and how to reproduce a crash |
//!
//! A run writes nothing to the repository except crashing inputs (`fuzz/artifacts`, ignored by git): other inputs go to
//! the target directory, and into `fuzz/corpus` only with `--keep`.

mod corpus;
mod places;
mod report;
mod session;
mod statistics;
mod tool;

use self::{places::FuzzPaths, report::SessionReport, session::RunLimits};
use crate::{process, say, workspace::Workspace};
use anyhow::{Context as _, bail};
use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FuzzArguments {
    /// Names of targets; all targets if none is given.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each target runs, in seconds.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Add the inputs found to fuzz/corpus, minimised, to be committed.
    #[arg(long)]
    keep: bool,
    /// Run the one target on this file only, to reproduce a crash.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seconds", "keep"])]
    input: Option<PathBuf>,
}

/// Builds the targets, runs them one after the other, and prints a report.
pub(crate) fn fuzz(workspace: &Workspace, arguments: &FuzzArguments) -> anyhow::Result<()> {
    let places = FuzzPaths::new(workspace)?;
    let targets = places.choose(&arguments.targets)?;
    tool::ensure(workspace)?;
    say::line(format_args!("fuzz: building {}", targets.join(", ")));
    tool::build(workspace, &places, &targets)?;

    if let Some(input) = &arguments.input {
        let [target] = targets.as_slice() else { bail!("--input needs exactly one target") };
        process::run(session::reproduce(&places, target, input).current_dir(&workspace.root))?;
        say::line(format_args!("fuzz: {target} finds nothing wrong with {}", input.display()));
        return Ok(());
    }

    let limits = RunLimits { time: Duration::from_secs(arguments.seconds.into()), ..RunLimits::default() };
    let mut report = SessionReport::default();
    for target in &targets {
        say::line(format_args!("fuzz: {target} for {} s", arguments.seconds));
        report.outcomes.push(session::run(&places, target, &limits)?);
        if arguments.keep {
            let kept = corpus::keep(&places, target)?;
            say::line(format_args!("fuzz: {target}: {kept} inputs in {}", places.corpus(target).display()));
        }
    }
    write!(io::stdout().lock(), "{report}").context("cannot write the report")?;
    match report.crashes() {
        0 => Ok(()),
        crashes => bail!("{crashes} of {} targets crashed", targets.len()),
    }
}
