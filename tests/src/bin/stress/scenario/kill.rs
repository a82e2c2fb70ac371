//! The daemon dies without a word, at any moment: while it starts, while it counts. Nothing of it stays in the kernel, and
//! the next one, in its place, is exact from its start.

use crate::{
    field::Field,
    ledger::{Account, Ledger},
    load::Totals,
    outcome::Finding,
    subject::are_gone,
};
use anyhow::{Context as _, Result};
use rstmon_tests::{
    bpf,
    daemon::{Daemon, Dead},
    wait,
};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

/// The start takes about half of this.
const START: Duration = Duration::from_millis(300);
/// How long the load goes on, at most, before something happens.
const WHILE: Duration = Duration::from_millis(250);

/// How often what happened.
#[derive(Default)]
struct Score {
    account: Account,
    during_start: u64,
    under_load: u64,
    objects: u64,
}

pub(super) fn play(field: &mut Field) -> Result<Finding> {
    let rounds = field.arguments.times(10, 100);
    let mut score = Score::default();
    let mut daemon = Daemon::start()?;
    for round in 1..=rounds {
        // A third dies before it is ready.
        let early = round > 1 && field.random.below(3) == 0;
        let dead = if early { during_start(field, daemon, &mut score) } else { under_load(field, daemon, &mut score) };
        let dead = dead.with_context(|| format!("round {round} of {rounds}"))?;
        daemon = dead.launch()?;
    }
    daemon.ready().context("after the last round")?;
    let objects = bpf::held_by(daemon.pid())?;
    daemon.stop()?;
    are_gone(&objects)?;
    let finding = Finding { account: score.account, ..Finding::default() };
    Ok(finding
        .with_faults(&[("kills under load", score.under_load), ("kills during the start", score.during_start)])
        .with_note(format!("{} BPF objects held when killed, none left", score.objects))
        .demand(score.objects > 0, || "no daemon held anything when it was killed".to_owned()))
}

/// A moment after it was launched, under load.
fn during_start(field: &mut Field, daemon: Daemon, score: &mut Score) -> Result<Dead> {
    let load = field.begin(field.storms()?);
    wait::moment(moment(field, START));
    let dead = kill(daemon, score)?;
    field.end(load)?;
    score.during_start += 1;
    Ok(dead)
}

/// It gets ready under load, its account of what comes then is exact, and it dies under load.
fn under_load(field: &mut Field, mut daemon: Daemon, score: &mut Score) -> Result<Dead> {
    let load = field.begin(field.storms()?);
    daemon.ready()?;
    let (storms, _) = field.end(load)?;

    let ledger = Ledger::open(field.place(), || daemon.scrape())?;
    let load = field.begin(storms);
    wait::moment(moment(field, WHILE));
    let (storms, done): (_, Totals) = field.end(load)?;
    score.account.add(&ledger.close(&done, || daemon.scrape())?);

    let load = field.begin(storms);
    wait::moment(moment(field, WHILE));
    let dead = kill(daemon, score)?;
    field.end(load)?;
    score.under_load += 1;
    Ok(dead)
}

/// Kills it where it stands, knowing what it held.
fn kill(daemon: Daemon, score: &mut Score) -> Result<Dead> {
    let pid = Pid::from_raw(i32::try_from(daemon.pid())?).context("no process id")?;
    // Stopped first, so that between looking and killing nothing is added.
    kill_process(pid, Signal::STOP).context("stopping the daemon")?;
    let objects = bpf::held_by(daemon.pid())?;
    let dead = daemon.kill()?;
    are_gone(&objects)?;
    score.objects += objects.len() as u64;
    Ok(dead)
}

fn moment(field: &mut Field, most: Duration) -> Duration {
    Duration::from_micros(field.random.number() % u64::try_from(most.as_micros()).unwrap_or(u64::MAX))
}
