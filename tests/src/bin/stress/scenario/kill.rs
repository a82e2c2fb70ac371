//! The daemon is killed at random moments, while it starts and while it counts. Nothing of it stays in the kernel, and
//! the next daemon in its place counts exactly from its start on.

use crate::{
    ledger::{Account, Ledger},
    load::Totals,
    observed::are_gone,
    outcome::ScenarioFinding,
    testbed::Testbed,
};
use anyhow::{Context as _, Result};
use rstmon_tests::{
    bpf,
    daemon::{DaemonProcess, KilledDaemon},
    wait,
};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

/// Longest time from a launch to the kill; a start takes about half of it.
const START: Duration = Duration::from_millis(300);
/// Longest time that the load goes on before it ends or the daemon is killed.
const WHILE: Duration = Duration::from_millis(250);

/// What happened in all rounds.
#[derive(Default)]
struct Score {
    account: Account,
    during_start: u64,
    under_load: u64,
    objects: u64,
}

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let rounds = testbed.arguments.times(10, 100);
    let mut score = Score::default();
    let mut daemon = DaemonProcess::start()?;
    for round in 1..=rounds {
        // A third is killed before it is ready.
        let early = round > 1 && testbed.random.below(3) == 0;
        let dead =
            if early { during_start(testbed, daemon, &mut score) } else { under_load(testbed, daemon, &mut score) };
        let dead = dead.with_context(|| format!("round {round} of {rounds}"))?;
        daemon = dead.launch()?;
    }
    daemon.ready().context("after the last round")?;
    let objects = bpf::held_by(daemon.pid())?;
    daemon.stop()?;
    are_gone(&objects)?;
    let finding = ScenarioFinding { account: score.account, ..ScenarioFinding::default() };
    Ok(finding
        .with_faults(&[("kills under load", score.under_load), ("kills during the start", score.during_start)])
        .with_note(format!("{} BPF objects held when killed, none left", score.objects))
        .demand(score.objects > 0, || "no daemon held anything when it was killed".to_owned()))
}

/// Kills a daemon under load a moment after its launch.
fn during_start(testbed: &mut Testbed, daemon: DaemonProcess, score: &mut Score) -> Result<KilledDaemon> {
    let load = testbed.begin(testbed.storms()?);
    wait::moment(moment(testbed, START));
    let dead = kill(daemon, score)?;
    testbed.end(load)?;
    score.during_start += 1;
    Ok(dead)
}

/// A daemon gets ready under load, counts the load after that exactly, and is killed under load.
fn under_load(testbed: &mut Testbed, mut daemon: DaemonProcess, score: &mut Score) -> Result<KilledDaemon> {
    let load = testbed.begin(testbed.storms()?);
    daemon.ready()?;
    let (storms, _) = testbed.end(load)?;

    let ledger = Ledger::open(testbed.place(), || daemon.scrape())?;
    let load = testbed.begin(storms);
    wait::moment(moment(testbed, WHILE));
    let (storms, done): (_, Totals) = testbed.end(load)?;
    score.account.add(&ledger.close(&done, || daemon.scrape())?);

    let load = testbed.begin(storms);
    wait::moment(moment(testbed, WHILE));
    let dead = kill(daemon, score)?;
    testbed.end(load)?;
    score.under_load += 1;
    Ok(dead)
}

/// Kills a daemon, and checks that the BPF objects that it held are gone.
fn kill(daemon: DaemonProcess, score: &mut Score) -> Result<KilledDaemon> {
    let pid = Pid::from_raw(i32::try_from(daemon.pid())?).context("no process id")?;
    // Stopped first, so that it makes no object between the two.
    kill_process(pid, Signal::STOP).context("stopping the daemon")?;
    let objects = bpf::held_by(daemon.pid())?;
    let dead = daemon.kill()?;
    are_gone(&objects)?;
    score.objects += objects.len() as u64;
    Ok(dead)
}

fn moment(testbed: &mut Testbed, most: Duration) -> Duration {
    Duration::from_micros(testbed.random.number() % u64::try_from(most.as_micros()).unwrap_or(u64::MAX))
}
