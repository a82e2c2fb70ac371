//! The other subcommands, which use the socket, for members of the group and for other users.

use crate::{ServiceGuest, system::text};
use anyhow::{Context as _, Result, bail, ensure};
use rstmon_tests::{
    daemon::StderrLog,
    wait::{self, LATER, SOON},
};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
};

/// Runs a command as a user without rights who is in the group `rstmon`.
const MEMBER: [&str; 4] = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=rstmon"];
/// Runs a command as the same user without any group.
const STRANGER: [&str; 4] = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];

fn rstmon(user: [&str; 4], arguments: &[&str]) -> Command {
    let mut command = Command::new(user[0]);
    command.args(&user[1..]).args(["--", "rstmon"]).args(arguments).stdin(Stdio::null());
    command
}

fn output(user: [&str; 4], arguments: &[&str]) -> Result<Output> {
    rstmon(user, arguments).output().with_context(|| format!("rstmon {}", arguments.join(" ")))
}

/// A child process that is killed when dropped.
struct RunningClient(Child);

impl Drop for RunningClient {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each subcommand serves a member of the group.
pub(crate) fn member(guest: &mut ServiceGuest) -> Result<()> {
    tail_sees(guest)?;
    let why = output(MEMBER, &["why", "--json"])?;
    ensure!(why.status.success(), "why: {}: {}", why.status, text(&why.stderr));
    let report: Value = serde_json::from_slice(&why.stdout).context("why --json")?;
    // An abort that loses nothing is benign: it has its row below the findings.
    let (findings, benign) = (&report["findings"], &report["benign"]);
    let rows = findings.as_array().context("findings")?.iter().chain(benign.as_array().context("benign")?);
    let causes: Vec<&Value> = rows.map(|one| &one["cause"]).collect();
    for cause in ["closed_with_unread_data", "linger_abort", "refused"] {
        ensure!(causes.iter().any(|found| **found == cause), "why does not report {cause}: {causes:?}");
    }
    for arguments in [&["doctor"][..], &["causes"], &["causes", "refused"]] {
        let answer = output(MEMBER, arguments)?;
        ensure!(answer.status.success(), "{arguments:?}: {}: {}", text(&answer.stdout), text(&answer.stderr));
        ensure!(!answer.stdout.is_empty(), "{arguments:?} prints nothing");
    }
    Ok(())
}

/// `tail` shows a member a reset as it happens.
fn tail_sees(guest: &mut ServiceGuest) -> Result<()> {
    let mut command = rstmon(MEMBER, &["tail", "--json", "cause=closed_with_unread_data"]);
    let mut child =
        RunningClient(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("rstmon tail")?);
    let said = StderrLog::collect(child.0.stderr.take().context("no stderr")?);
    let out = BufReader::new(child.0.stdout.take().context("no stdout")?);
    let (sender, events) = mpsc::channel();
    thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    wait::until_true("tail to watch", SOON, || Ok(said.text().contains("watching"))).with_context(|| said.text())?;
    let before = guest.scrape()?;
    guest.provoke(&before)?;
    let Ok(event) = events.recv_timeout(LATER) else { bail!("tail saw nothing and said: {}", said.text()) };
    let event: Value = serde_json::from_str(&event).context("tail --json")?;
    ensure!(event["owner"]["process"] == "web", "not the process of the check: {event}");
    ensure!(event["owner"]["unit"] == "rstmon-guest.service", "not the unit of the check: {event}");
    Ok(())
}

/// A user outside of the group gets one clear sentence, and nothing else.
pub(crate) fn stranger(_: &mut ServiceGuest) -> Result<()> {
    for arguments in [&["tail"][..], &["tail", "--json"], &["why"], &["why", "--json"]] {
        let mut child = RunningClient(
            rstmon(STRANGER, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("rstmon")?,
        );
        let status = wait::until(&format!("{arguments:?} to end"), SOON, || Ok(child.0.try_wait()?))?;
        let (mut out, mut err) = (String::new(), String::new());
        child.0.stdout.take().context("no stdout")?.read_to_string(&mut out)?;
        child.0.stderr.take().context("no stderr")?.read_to_string(&mut err)?;
        ensure!(!status.success(), "{arguments:?} succeeded: {out}");
        ensure!(out.is_empty(), "{arguments:?} printed to a user outside of the group: {out}");
        ensure!(err.contains("rstmon.sock") && err.contains("group"), "{arguments:?} says no more than: {err}");
    }
    // The catalogue of causes is public.
    ensure!(output(STRANGER, &["causes"])?.status.success(), "causes needs no daemon");
    // doctor examines the host without a daemon.
    let doctor = output(STRANGER, &["doctor"])?;
    ensure!(!doctor.stdout.is_empty() || !doctor.stderr.is_empty(), "doctor says nothing");
    Ok(())
}
