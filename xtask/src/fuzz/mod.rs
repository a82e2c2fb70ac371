//! `cargo xtask fuzz`: libFuzzer on what rstmon reads from files, kernels and clients, each target for a while.
//!
//! | file | concern |
//! |---|---|
//! | `places` | which targets there are, and where everything of theirs is |
//! | `tool` | cargo-fuzz: installed when missing, builds the instrumented programs |
//! | `session` | one target's run |
//! | `statistics` | what libFuzzer says of it |
//! | `corpus` | keeping what was found, minimised |
//! | `report` | the table, and how to reproduce a crash |
//!
//! A run leaves the repository alone but for crashing inputs (`fuzz/artifacts`, ignored by git): what it finds goes to
//! the target directory, and into `fuzz/corpus` only when asked.

mod corpus;
mod places;
mod report;
mod session;
mod statistics;
mod tool;

use self::{places::Places, report::Report, session::Limits};
use crate::{process, say, workspace::Workspace};
use anyhow::{Context as _, bail};
use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

/// What to fuzz, and for how long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Targets, by name; all when there is none.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Take what was found into fuzz/corpus, minimised, to be committed.
    #[arg(long)]
    keep: bool,
    /// Run the one target on this file only: reproduces a crash.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seconds", "keep"])]
    input: Option<PathBuf>,
}

/// Builds the targets, runs them one after the other, and tells what came of it.
pub(crate) fn fuzz(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let places = Places::new(workspace)?;
    let targets = places.choose(&arguments.targets)?;
    tool::ensure(workspace)?;
    say::line(format_args!("fuzz: building {}", targets.join(", ")));
    tool::build(workspace, &places, &targets)?;

    if let Some(input) = &arguments.input {
        let [target] = targets.as_slice() else { bail!("--input needs the one target that it is for") };
        process::run(session::reproduce(&places, target, input).current_dir(&workspace.root))?;
        say::line(format_args!("fuzz: {target} has nothing to say against {}", input.display()));
        return Ok(());
    }

    let limits = Limits { time: Duration::from_secs(arguments.seconds.into()), ..Limits::default() };
    let mut report = Report::default();
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
