//! A kernel that rstmon cannot work on: every subcommand that would watch refuses, with exit code 3 and one sentence
//! that says what is missing, and leaves nothing behind.

use crate::{
    RSTMON,
    orders::Orders,
    report::{Report, Verdict},
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::skip;
use std::{
    process::{Command, Output},
    time::Instant,
};

/// "This host cannot be monitored."
const UNUSABLE: i32 = 3;

/// A subcommand that would load something.
const WATCHING: [(&str, &[&str]); 5] = [
    ("run", &["run", "--web.listen-address=127.0.0.1:9999", "--socket=/run/rstmon.sock"]),
    ("tail", &["tail", "--standalone"]),
    ("why", &["why", "--for", "1s"]),
    ("top", &["top", "--once", "--standalone"]),
    ("doctor", &["doctor"]),
];

/// Runs all that are ordered; returns how many there were.
pub(crate) fn run(report: &mut Report, orders: &Orders) -> Result<usize> {
    let mut count = 0;
    for (name, arguments) in WATCHING {
        let name = format!("refusal::{name}");
        if !orders.include(&name) {
            continue;
        }
        report.say("begun", &name)?;
        let started = Instant::now();
        let verdict = match refuses(arguments) {
            Ok(()) => Verdict::Passed { without: Vec::new() },
            Err(error) => Verdict::Failed(format!("{error:?}")),
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

/// Programs, maps and links that the kernel has.
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
