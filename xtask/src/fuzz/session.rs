//! One target's run: libFuzzer's command line, its log, its end.

use super::{
    places::{Places, make},
    statistics::{self, Statistics},
};
use crate::{
    process,
    workspace::{self, FileError},
};
use anyhow::Context as _;
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// What a run is held to.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Of the whole run.
    pub(super) time: Duration,
    /// Of one input; a longer one is a hang.
    pub(super) input: Duration,
    /// Of the process; libFuzzer's own corpus included.
    pub(super) memory_mib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_mins(1), input: Duration::from_secs(10), memory_mib: 1024 }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Of which target.
    pub(super) target: String,
    /// What libFuzzer counted.
    pub(super) statistics: Statistics,
    /// What it died of.
    pub(super) crash: Option<Crash>,
}

/// The end of a target that found something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crash {
    /// The input, kept; `None` when the program died without one (out of memory at start, killed).
    pub(super) input: Option<PathBuf>,
    /// The panic's message, or libFuzzer's words.
    pub(super) message: String,
    /// What crashed.
    pub(super) program: PathBuf,
    /// All it said.
    pub(super) log: PathBuf,
}

/// Runs a target until its time is up or it crashes.
pub(super) fn run(places: &Places, target: &str, limits: &Limits) -> anyhow::Result<Outcome> {
    let log = places.log(target);
    for directory in [places.found(target), places.corpus(target), places.artifacts(target)] {
        make(&directory)?;
    }
    if let Some(directory) = log.parent() {
        make(directory)?;
    }
    let file = File::create(&log).map_err(FileError::on("create", &log))?;
    let mut command = command(places, target, limits);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).status();
    let status = status.with_context(|| format!("cannot start `{}`", process::describe(&command)))?;
    // libFuzzer shows inputs as they are.
    let text = String::from_utf8_lossy(&workspace::read(&log)?).into_owned();
    let crash = (!status.success()).then(|| Crash {
        input: statistics::crashing_input(&text),
        message: statistics::message(&text).unwrap_or_else(|| status.to_string()),
        program: places.program(target),
        log,
    });
    Ok(Outcome { target: target.to_owned(), statistics: statistics::parse(&text), crash })
}

fn command(places: &Places, target: &str, limits: &Limits) -> Command {
    let Limits { time, input, memory_mib } = limits;
    let mut command = Command::new(places.program(target));
    command.args([
        format!("-max_total_time={}", time.as_secs()),
        format!("-timeout={}", input.as_secs()),
        format!("-rss_limit_mb={memory_mib}"),
        "-print_final_stats=1".to_owned(),
        // The slash makes it a directory.
        format!("-artifact_prefix={}/", places.artifacts(target).display()),
    ]);
    if let Some(dictionary) = places.dictionary(target) {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    // New inputs go to the first directory.
    command.args([places.found(target), places.corpus(target), places.seeds(target)]);
    command.env("RUST_BACKTRACE", "1");
    command
}

/// Runs a target on one input.
pub(super) fn reproduce(places: &Places, target: &str, input: &Path) -> Command {
    let mut command = Command::new(places.program(target));
    command.arg(input).env("RUST_BACKTRACE", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_inputs_never_go_to_the_repository() {
        let places = Places { package: "/r/fuzz".into(), target: "/t/fuzz".into(), host: "h".into() };
        let command = command(&places, "btf", &Limits::default());
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let directories: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).map(String::as_str).collect();
        assert_eq!(directories, ["/t/fuzz/found/btf", "/r/fuzz/corpus/btf", "/r/fuzz/seeds/btf"]);
        assert!(args.contains(&"-artifact_prefix=/r/fuzz/artifacts/btf/".to_owned()), "found {args:?}");
        assert!(args.contains(&"-max_total_time=60".to_owned()), "found {args:?}");
    }
}
