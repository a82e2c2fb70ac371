//! The daemon is killed at random moments while it stores events. What it has written stays readable to the last whole
//! line, is at most a moment old, and has every number up to the last; the next daemon goes on with the same store.

use crate::{outcome::ScenarioFinding, testbed::Testbed};
use anyhow::{Context as _, Result, bail, ensure};
use rstmon_tests::{daemon, daemon::DaemonProcess, wait};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

const CONFIGURATION: &str = "[events]\nrate_per_second = 0\n[store]\nmin_free = \"0\"\n";
/// Longest time from a start to the kill.
const WHILE: Duration = Duration::from_secs(3);
/// An event is written within a second; twice that for a busy machine.
const LATE: Duration = Duration::from_secs(2);

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let rounds = testbed.arguments.times(5, 100);
    let mut daemon = DaemonProcess::configured(CONFIGURATION)?;
    let store = daemon.store();
    let load = testbed.begin(testbed.storms()?);
    let mut stored = 0;
    for round in 1..=rounds {
        let most = u64::try_from(WHILE.as_micros())?;
        // Not before the first batch can have been written.
        wait::moment(LATE + Duration::from_micros(testbed.random.number() % most));
        let dead = daemon.kill()?;
        stored = is_whole(&store, SystemTime::now()).with_context(|| format!("round {round} of {rounds}"))?;
        daemon = dead.replace()?;
    }
    testbed.end(load)?;
    daemon.stop()?;
    let finding = ScenarioFinding::default().with_faults(&[("kills while events are stored", rounds)]);
    Ok(finding
        .with_note(format!("{stored} events stored, each with its successor"))
        .demand(stored > 0, || "nothing was stored".to_owned()))
}

/// Checks a store whose daemon was killed a moment ago; returns the number of its events.
fn is_whole(store: &Path, killed: SystemTime) -> Result<u64> {
    let mut last_write = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(store)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("events-") {
            last_write = last_write.max(entry.metadata()?.modified()?);
        }
    }
    let age = killed.duration_since(last_write).unwrap_or_default();
    ensure!(age < LATE * wait::slowness(), "the last write was {age:?} before the kill");

    let check: Value = serde_json::from_str(&history(store, &["check", "--json"])?)?;
    for problem in check["problems"].as_array().context("no list of problems")? {
        let segment = problem["segment"].as_str().unwrap_or_default();
        ensure!(segment.starts_with("damaged-"), "{problem}");
    }
    let (mut events, mut last) = (0, 0);
    for line in history(store, &["export"])?.lines() {
        let line: Value = serde_json::from_str(line)?;
        match (line["seq"].as_u64(), line["lost"].as_u64()) {
            // Each run begins with 1.
            (Some(seq), _) if seq == last + 1 || seq == 1 => last = seq,
            (Some(seq), _) => bail!("event {seq} follows event {last}"),
            (None, Some(_)) => continue,
            (None, None) => bail!("neither an event nor a loss: {line}"),
        }
        events += 1;
    }
    Ok(events)
}

fn history(store: &Path, arguments: &[&str]) -> Result<String> {
    let store = store.to_str().context("the path of the store")?;
    let output = daemon::rstmon(&[&["history"], arguments, &["--store", store]].concat())?;
    // A check that finds the end of a line exits with 1, and prints what it has found.
    ensure!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
