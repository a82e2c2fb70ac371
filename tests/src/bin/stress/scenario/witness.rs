//! Readers of events that take nothing: counted as lost for them, no memory for them, cut off after a minute. And the one
//! daemon that lives through all scenarios that are played, with such readers: its account is the sum of theirs.

use crate::{
    field::Field,
    load::Totals,
    outcome::Finding,
    subject::{HISTORY, Subject},
};
use anyhow::{Result, ensure};
use rstmon_tests::{
    follower::{Follower, Subscriber},
    wait::{self, LATER},
};
use std::time::Duration;

/// What the report calls it.
pub(crate) const NAME: &str = "witness";
/// What it is.
pub(crate) const WHAT: &str = "one daemon through all that is played, with readers that take nothing for over a minute";

/// Readers that take nothing.
const STALLED: usize = 8;
/// After a minute each is cut off.
const CUT: Duration = Duration::from_secs(100);

/// Some fall asleep and come back within the minute: what they missed is told to them, to the last.
pub(super) fn stalled(field: &mut Field) -> Result<Finding> {
    let toml = format!("{HISTORY}[events]\nrate_per_second = 0\n");
    let subject = Subject::start(field, &toml)?;
    let socket = subject.daemon.socket();
    let asleep: Vec<Subscriber> = (0..STALLED).map(|_| Subscriber::new(&socket)).collect::<Result<_>>()?;
    let awake = Subscriber::new(&socket)?.follow()?;
    let mut storms = field.storms()?;
    let each = field.arguments.times(6_000, 200_000);
    let mut done = field.storm(&mut storms, each)?;
    let back: Vec<Follower> = asleep.into_iter().map(Subscriber::follow).collect::<Result<_>>()?;
    // A gap is told with the next line that fits: there has to be one, once they have read what was kept for them.
    let kept = |follower: &Follower| follower.seen();
    wait::until_true("sleepers to read what was kept for them", LATER, || {
        let before: Vec<u64> = back.iter().map(kept).collect();
        wait::pause_for_settling();
        Ok(before.iter().all(|seen| *seen > 0) && before == back.iter().map(kept).collect::<Vec<_>>())
    })?;
    done.add(&field.storm(&mut storms, 1)?);
    for follower in back.iter().chain([&awake]) {
        subject.events_add_up(&done, follower)?;
    }
    let told: u64 = back.iter().chain([&awake]).map(Follower::lost).sum();
    drop((back, awake));
    let finding = subject.end(&done)?.with_faults(&[("stalled readers", STALLED as u64)]);
    let counted = finding.account.lost.slow_subscriber;
    Ok(finding
        .demand(counted > 0, || "readers that took nothing lost nothing".to_owned())
        .demand(counted == told, || format!("{counted} events counted as lost for readers, {told} told to them")))
}

/// The daemon and its readers.
pub(crate) struct Witness {
    subject: Subject,
    before: Totals,
    stalled: Vec<Subscriber>,
}

/// Starts it; it sees whatever comes.
pub(crate) fn begin(field: &mut Field) -> Result<Witness> {
    let subject = Subject::start(field, &format!("{HISTORY}[events]\nrate_per_second = 0\n"))?;
    let socket = subject.daemon.socket();
    let stalled = (0..STALLED).map(|_| Subscriber::new(&socket)).collect::<Result<_>>()?;
    let before = field.grand;
    let mut storms = field.storms()?;
    // More than the queues and the sockets' buffers hold: from now on each of them loses.
    field.storm(&mut storms, 1500)?;
    Ok(Witness { subject, before, stalled })
}

impl Witness {
    /// Waits until the readers are cut off, and closes the account of everything.
    pub(crate) fn end(self, field: &mut Field) -> Result<Finding> {
        let Self { subject, before, stalled } = self;
        let mut storms = field.storms()?;
        wait::until_true("the stalled readers to be cut off", CUT, || {
            // They are looked at when there is something for them.
            field.storm(&mut storms, 20)?;
            Ok(subject.scrape()?.count("rstmon_subscribers_cut_total", &[]) >= STALLED as u64)
        })?;
        drop(stalled);
        let done = field.grand.since(&before);
        ensure!(done.received > 0, "nothing was witnessed");
        let finding = subject.end(&done)?.with_faults(&[("readers cut off", STALLED as u64)]);
        let lost = finding.account.lost.slow_subscriber;
        Ok(finding.demand(lost > 0, || "readers that took nothing lost nothing".to_owned()))
    }
}
