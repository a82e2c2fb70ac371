//! Checks for a kernel that rstmon cannot work on: every subcommand that would watch refuses with exit code 3 and one
//! sentence on what is missing, and leaves nothing behind.

use crate::{
    RSTMON,
    options::GuestOptions,
    report::{TestReport, TestVerdict},
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::skip;
use std::{
    process::{Command, Output},
    time::Instant,
};

/// Exit code for a host that cannot be monitored.
const UNUSABLE: i32 = 3;

/// Subcommands that would load BPF objects, and their arguments.
const WATCHING: [(&str, &[&str]); 5] = [
    ("run", &["run", "--web.listen-address=127.0.0.1:9999", "--socket=/run/rstmon.sock"]),
    ("tail", &["tail", "--standalone"]),
    ("why", &["why", "--for", "1s"]),
    ("top", &["top", "--once", "--standalone"]),
    ("doctor", &["doctor"]),
];

/// Runs the checks that the options include. Returns their number.
pub(crate) fn run(report: &mut TestReport, options: &GuestOptions) -> Result<usize> {
    let mut count = 0;
    for (name, arguments) in WATCHING {
        let name = format!("refusal::{name}");
        if !options.include(&name) {
            continue;
        }
        report.say("begun", &name)?;
        let started = Instant::now();
        let verdict = match refuses(arguments) {
            Ok(()) => TestVerdict::Passed { without: Vec::new() },
            Err(error) => TestVerdict::Failed(format!("{error:?}")),
        };
        report.test(&name, started.elapsed(), &verdict)?;
        count += 1;
    }
    Ok(count)
}

fn refuses(arguments: &[&str]) -> Result<()> {
    let before = loaded()?;
    let output = Command::new(RSTMON).args(arguments).output().context(RSTMON)?;
    judge(&output)?;
    ensure!(loaded()? == before, "something was left behind");
    Ok(())
}

fn judge(output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(UNUSABLE), "ended with {}:\n{said}", output.status);
    let sentences: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    ensure!(sentences.len() == 1, "expected one sentence, found:\n{said}");
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    for part in [release.as_str(), "5.15"] {
        ensure!(sentences[0].contains(part), "it does not say {part}: {said}");
    }
    Ok(())
}

/// The programs, maps and links in the kernel, as bpftool lists them.
fn loaded() -> Result<Vec<String>> {
    let bpftool = skip::find("bpftool").context("no bpftool")?;
    ["prog", "map", "link"]
        .iter()
        .map(|kind| {
            let output = Command::new(&bpftool).args([kind, "list"]).output().context("bpftool")?;
            ensure!(output.status.success(), "bpftool: {}", String::from_utf8_lossy(&output.stderr));
            Ok(String::from_utf8(output.stdout)?)
        })
        .collect()
}
