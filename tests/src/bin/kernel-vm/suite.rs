//! Runs every test of the suite in a process of its own, so that a test that hangs or crashes is known by its name.

use crate::{
    RSTMON,
    options::GuestOptions,
    report::{TestReport, TestVerdict},
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
/// The output of `rstmon doctor --json`.
pub(crate) const DOCTOR: &str = "/tmp/doctor.json";
const OUTPUT: &str = "/tmp/output";

/// How long one test may take, before the factor for slow machines.
const PATIENCE: Duration = Duration::from_secs(40);

/// Lines of the output of a failed test that are reported, from its panic on.
const REPORTED_LINES: usize = 240;

/// Runs the tests that the options include. Returns their number.
pub(crate) fn run(report: &mut TestReport, options: &GuestOptions) -> Result<usize> {
    let mut count = 0;
    let mut files: Vec<PathBuf> = fs::read_dir(TESTS)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    for file in files {
        for test in tests_of(&file)? {
            let name = format!("{}::{test}", file.file_name().unwrap_or_default().to_string_lossy());
            if options.include(&name) {
                report.say("begun", &name)?;
                let started = Instant::now();
                let verdict = one(&file, &test, options)?;
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

fn one(file: &Path, test: &str, options: &GuestOptions) -> Result<TestVerdict> {
    let _ = fs::remove_file(SKIP_LOG);
    let output = File::create(OUTPUT)?;
    let mut child = Command::new(file)
        .args(["--exact", test, "--test-threads=1"])
        .env("PATH", system::PATH)
        .env("TMPDIR", "/tmp")
        .env(daemon::BINARY, RSTMON)
        .env(skip::SKIP_LOG, SKIP_LOG)
        .env(sight::REPORT, DOCTOR)
        .env(wait::SLOWNESS, options.slowness.to_string())
        .env(clock::OURS, "1")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .with_context(|| file.display().to_string())?;
    let status = end_of(&mut child, PATIENCE * options.slowness)?;
    let said = fs::read(OUTPUT)?;
    let skipped = fs::read_to_string(SKIP_LOG).unwrap_or_default();
    Ok(judge(status, &String::from_utf8_lossy(&said), &skipped))
}

/// The exit status of a test, or `None` if it was killed at its deadline.
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

/// The result of a test. A test that was skipped, unless the kernel is the reason, has failed.
fn judge(status: Option<ExitStatus>, said: &str, log: &str) -> TestVerdict {
    let lines = |prefix: &str| -> Vec<String> {
        log.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
    };
    let tail = || {
        let from = said.find("panicked at").unwrap_or_default();
        said[from..].lines().take(REPORTED_LINES).collect::<Vec<_>>().join("\n")
    };
    match status {
        None => return TestVerdict::Failed(format!("it did not come to an end\n{}", tail())),
        Some(status) if !status.success() => {
            let how = status.signal().map(|signal| format!("killed by signal {signal}\n")).unwrap_or_default();
            return TestVerdict::Failed(how + &tail());
        }
        Some(_) => {}
    }
    let skipped = lines(skip::SKIPPED);
    if !skipped.is_empty() {
        return TestVerdict::Failed(format!("skipped: {}", skipped.join("; ")));
    }
    let impossible = lines(skip::NOT_POSSIBLE);
    if !impossible.is_empty() {
        return TestVerdict::NotPossible(impossible);
    }
    TestVerdict::Passed { without: lines(skip::LEFT_OUT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn a_skipped_test_has_not_passed() {
        assert_eq!(judge(Some(ended(0)), "ok", ""), TestVerdict::Passed { without: Vec::new() });
        assert!(
            matches!(judge(Some(ended(0)), "ok", "SKIPPED: x: no nginx\n"), TestVerdict::Failed(said) if said.contains("no nginx"))
        );
        let impossible = judge(Some(ended(0)), "ok", "NOT POSSIBLE: no reason is given\n");
        assert_eq!(impossible, TestVerdict::NotPossible(vec!["no reason is given".to_owned()]));
        let without = judge(Some(ended(0)), "ok", "LEFT OUT: refused, sent: hidden\n");
        assert_eq!(without, TestVerdict::Passed { without: vec!["refused, sent: hidden".to_owned()] });
    }

    #[test]
    fn a_failure_is_reported_from_its_panic_on() {
        let said = format!("noise\nthread panicked at x\n0\n{}", "more\n".repeat(500));
        let TestVerdict::Failed(reported) = judge(Some(ended(101)), &said, "NOT POSSIBLE: x\n") else {
            panic!("it failed")
        };
        assert!(reported.starts_with("panicked at x\n0\n") && reported.lines().count() == REPORTED_LINES, "{reported}");
        assert!(matches!(judge(None, "", ""), TestVerdict::Failed(_)));
    }
}
