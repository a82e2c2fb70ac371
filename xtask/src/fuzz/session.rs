//! One target's run: libFuzzer's command line, its log, its result.

use super::{
    places::{FuzzPaths, make},
    statistics::{self, RunStatistics},
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

/// Limits of a run.
#[derive(Clone, Debug)]
pub(super) struct RunLimits {
    /// Time of the whole run.
    pub(super) time: Duration,
    /// Time of one input; a longer one is reported as a hang.
    pub(super) input: Duration,
    /// Memory of the process, including libFuzzer's corpus.
    pub(super) memory_mib: u32,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { time: Duration::from_mins(1), input: Duration::from_secs(10), memory_mib: 1024 }
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
pub(super) struct RunOutcome {
    /// Name of the target.
    pub(super) target: String,
    /// The numbers that libFuzzer printed.
    pub(super) statistics: RunStatistics,
    /// Why it ended early, if it did.
    pub(super) crash: Option<Crash>,
}

/// A run that ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Crash {
    /// Path of the input; `None` if libFuzzer wrote none (out of memory at start, killed).
    pub(super) input: Option<PathBuf>,
    /// The panic's message, or libFuzzer's error.
    pub(super) message: String,
    pub(super) program: PathBuf,
    /// Path of its output.
    pub(super) log: PathBuf,
}

/// Runs a target until its time is up or it crashes.
pub(super) fn run(places: &FuzzPaths, target: &str, limits: &RunLimits) -> anyhow::Result<RunOutcome> {
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
    // libFuzzer prints inputs unescaped, so the log need not be UTF-8.
    let text = String::from_utf8_lossy(&workspace::read(&log)?).into_owned();
    let crash = (!status.success()).then(|| Crash {
        input: statistics::crashing_input(&text),
        message: statistics::message(&text).unwrap_or_else(|| status.to_string()),
        program: places.program(target),
        log,
    });
    Ok(RunOutcome { target: target.to_owned(), statistics: statistics::parse(&text), crash })
}

fn command(places: &FuzzPaths, target: &str, limits: &RunLimits) -> Command {
    let RunLimits { time, input, memory_mib } = limits;
    let mut command = Command::new(places.program(target));
    command.args([
        format!("-max_total_time={}", time.as_secs()),
        format!("-timeout={}", input.as_secs()),
        format!("-rss_limit_mb={memory_mib}"),
        "-print_final_stats=1".to_owned(),
        // libFuzzer takes the prefix for a directory because of the slash.
        format!("-artifact_prefix={}/", places.artifacts(target).display()),
    ]);
    if let Some(dictionary) = places.dictionary(target) {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    // libFuzzer writes new inputs to the first directory.
    command.args([places.found(target), places.corpus(target), places.seeds(target)]);
    command.env("RUST_BACKTRACE", "1");
    command
}

/// The command that runs a target on one input.
pub(super) fn reproduce(places: &FuzzPaths, target: &str, input: &Path) -> Command {
    let mut command = Command::new(places.program(target));
    command.arg(input).env("RUST_BACKTRACE", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_inputs_never_go_to_the_repository() {
        let places = FuzzPaths { package: "/r/fuzz".into(), target: "/t/fuzz".into(), host: "h".into() };
        let command = command(&places, "btf", &RunLimits::default());
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        let directories: Vec<_> = args.iter().filter(|arg| !arg.starts_with('-')).map(String::as_str).collect();
        assert_eq!(directories, ["/t/fuzz/found/btf", "/r/fuzz/corpus/btf", "/r/fuzz/seeds/btf"]);
        assert!(args.contains(&"-artifact_prefix=/r/fuzz/artifacts/btf/".to_owned()), "found {args:?}");
        assert!(args.contains(&"-max_total_time=60".to_owned()), "found {args:?}");
    }
}
