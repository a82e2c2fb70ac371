//! Runs every test of the suite, each in a process of its own, so that one that hangs or brings others down is known.

use crate::{
    RSTMON,
    orders::Orders,
    report::{Report, Verdict},
    system,
};
use anyhow::{Context as _, Result};
use rstmon_tests::{clock, daemon, sight, skip, wait};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs::{self, File},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

const TESTS: &str = "/suite/tests";
const SKIP_LOG: &str = "/tmp/skipped";
/// What `rstmon doctor --json` has said.
pub(crate) const DOCTOR: &str = "/tmp/doctor.json";
const OUTPUT: &str = "/tmp/output";

/// How long one test may take, on a machine that is not slow.
const PATIENCE: Duration = Duration::from_secs(40);

/// How much of what a failed test has said is told, from where it gave up.
const TOLD_LINES: usize = 240;

/// Runs all that are ordered; returns how many there were.
pub(crate) fn run(report: &mut Report, orders: &Orders) -> Result<usize> {
    let mut count = 0;
    let mut files: Vec<PathBuf> = fs::read_dir(TESTS)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    for file in files {
        for test in tests_of(&file)? {
            let name = format!("{}::{test}", file.file_name().unwrap_or_default().to_string_lossy());
            if orders.include(&name) {
                report.say("begun", &name)?;
                let started = Instant::now();
                let verdict = one(&file, &test, orders)?;
                report.test(&name, started.elapsed(), &verdict)?;
                count += 1;
            }
        }
    }
    Ok(count)
}

fn tests_of(file: &Path) -> Result<Vec<String>> {
    let output = Command::new(file).args(["--list", "--format=terse"]).output().context("listing tests")?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

fn one(file: &Path, test: &str, orders: &Orders) -> Result<Verdict> {
    let _ = fs::remove_file(SKIP_LOG);
    let output = File::create(OUTPUT)?;
    let mut child = Command::new(file)
        .args(["--exact", test, "--test-threads=1"])
        .env("PATH", system::PATH)
        .env("TMPDIR", "/tmp")
        .env(daemon::BINARY, RSTMON)
        .env(skip::SKIP_LOG, SKIP_LOG)
        .env(sight::REPORT, DOCTOR)
        .env(wait::SLOWNESS, orders.slowness.to_string())
        .env(clock::OURS, "1")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .with_context(|| file.display().to_string())?;
    let status = end_of(&mut child, PATIENCE * orders.slowness)?;
    let said = fs::read(OUTPUT)?;
    let skipped = fs::read_to_string(SKIP_LOG).unwrap_or_default();
    Ok(judge(status, &String::from_utf8_lossy(&said), &skipped))
}

/// The status of a test's end, or `None` if it had to be killed.
fn end_of(child: &mut Child, deadline: Duration) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    while started.elapsed() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        wait::pause();
    }
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    child.wait()?;
    Ok(None)
}

/// What a test's end means: a test that was skipped for a reason that is not the kernel's has shown nothing.
fn judge(status: Option<ExitStatus>, said: &str, log: &str) -> Verdict {
    let lines = |prefix: &str| -> Vec<String> {
        log.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
    };
    let tail = || {
        let from = said.find("panicked at").unwrap_or_default();
        said[from..].lines().take(TOLD_LINES).collect::<Vec<_>>().join("\n")
    };
    match status {
        None => return Verdict::Failed(format!("it did not come to an end\n{}", tail())),
        Some(status) if !status.success() => {
            let how = status.signal().map(|signal| format!("killed by signal {signal}\n")).unwrap_or_default();
            return Verdict::Failed(how + &tail());
        }
        Some(_) => {}
    }
    let skipped = lines(skip::SKIPPED);
    if !skipped.is_empty() {
        return Verdict::Failed(format!("skipped: {}", skipped.join("; ")));
    }
    let impossible = lines(skip::NOT_POSSIBLE);
    if !impossible.is_empty() {
        return Verdict::NotPossible(impossible);
    }
    Verdict::Passed { without: lines(skip::LEFT_OUT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn a_skipped_test_has_not_passed() {
        assert_eq!(judge(Some(ended(0)), "ok", ""), Verdict::Passed { without: Vec::new() });
        assert!(
            matches!(judge(Some(ended(0)), "ok", "SKIPPED: x: no nginx\n"), Verdict::Failed(said) if said.contains("no nginx"))
        );
        let impossible = judge(Some(ended(0)), "ok", "NOT POSSIBLE: no reason is given\n");
        assert_eq!(impossible, Verdict::NotPossible(vec!["no reason is given".to_owned()]));
        let without = judge(Some(ended(0)), "ok", "LEFT OUT: refused, sent: hidden\n");
        assert_eq!(without, Verdict::Passed { without: vec!["refused, sent: hidden".to_owned()] });
    }

    #[test]
    fn a_failure_is_told_from_where_it_gave_up() {
        let said = format!("noise\nthread panicked at x\n0\n{}", "more\n".repeat(500));
        let Verdict::Failed(told) = judge(Some(ended(101)), &said, "NOT POSSIBLE: x\n") else { panic!("it failed") };
        assert!(told.starts_with("panicked at x\n0\n") && told.lines().count() == TOLD_LINES, "{told}");
        assert!(matches!(judge(None, "", ""), Verdict::Failed(_)));
    }
}
