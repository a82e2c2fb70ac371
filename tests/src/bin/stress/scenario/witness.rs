//! Subscribers that read nothing: their events are counted as lost, they cost no memory, and they are cut off after a
//! minute. And the witness: one daemon with such subscribers that runs through all scenarios, whose account is the sum
//! of theirs.

use crate::{
    load::Totals,
    observed::{HISTORY, ObservedDaemon},
    outcome::ScenarioFinding,
    testbed::Testbed,
};
use anyhow::{Result, ensure};
use rstmon_tests::{
    follower::{Follower, Subscriber},
    wait::{self, LATER},
};
use std::time::Duration;

/// For the report and `--only`.
pub(crate) const NAME: &str = "witness";
/// One line of description.
pub(crate) const WHAT: &str = "one daemon through all that is played, with readers that take nothing for over a minute";

/// Subscribers that read nothing.
const STALLED: usize = 8;
/// Deadline for the cut-off, which comes after a minute.
const CUT: Duration = Duration::from_secs(100);

/// Subscribers stop reading and go on within the minute: the daemon announces every event that they missed.
pub(super) fn stalled(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let toml = format!("{HISTORY}[events]\nrate_per_second = 0\n");
    let observed = ObservedDaemon::start(testbed, &toml)?;
    let socket = observed.daemon.socket();
    let asleep: Vec<Subscriber> = (0..STALLED).map(|_| Subscriber::new(&socket)).collect::<Result<_>>()?;
    let awake = Subscriber::new(&socket)?.follow()?;
    let mut storms = testbed.storms()?;
    let each = testbed.arguments.times(6_000, 200_000);
    let mut done = testbed.storm(&mut storms, each)?;
    let back: Vec<Follower> = asleep.into_iter().map(Subscriber::follow).collect::<Result<_>>()?;
    // The daemon announces a gap with the next line that fits: one more event is needed once they have read their
    // queues.
    let kept = |follower: &Follower| follower.seen();
    wait::until_true("stalled readers to read their queues", LATER, || {
        let before: Vec<u64> = back.iter().map(kept).collect();
        wait::pause_for_settling();
        Ok(before.iter().all(|seen| *seen > 0) && before == back.iter().map(kept).collect::<Vec<_>>())
    })?;
    done.add(&testbed.storm(&mut storms, 1)?);
    for follower in back.iter().chain([&awake]) {
        observed.events_add_up(&done, follower)?;
    }
    let announced: u64 = back.iter().chain([&awake]).map(Follower::lost).sum();
    drop((back, awake));
    let finding = observed.end(&done)?.with_faults(&[("stalled readers", STALLED as u64)]);
    let counted = finding.account.lost.slow_subscriber;
    Ok(finding
        .demand(counted > 0, || "readers that took nothing lost nothing".to_owned())
        .demand(counted == announced, || {
            format!("{counted} events counted as lost for readers, {announced} announced to them")
        }))
}

pub(crate) struct Witness {
    observed: ObservedDaemon,
    before: Totals,
    stalled: Vec<Subscriber>,
}

/// Starts the witness, which observes every reset from now on.
pub(crate) fn begin(testbed: &mut Testbed) -> Result<Witness> {
    let observed = ObservedDaemon::start(testbed, &format!("{HISTORY}[events]\nrate_per_second = 0\n"))?;
    let socket = observed.daemon.socket();
    let stalled = (0..STALLED).map(|_| Subscriber::new(&socket)).collect::<Result<_>>()?;
    let before = testbed.all_totals;
    let mut storms = testbed.storms()?;
    // More than the queues and the sockets' buffers hold: from now on each subscriber loses events.
    testbed.storm(&mut storms, 1500)?;
    Ok(Witness { observed, before, stalled })
}

impl Witness {
    /// Waits until the subscribers are cut off, and compares all provoked resets with the counted ones.
    pub(crate) fn end(self, testbed: &mut Testbed) -> Result<ScenarioFinding> {
        let Self { observed, before, stalled } = self;
        let mut storms = testbed.storms()?;
        wait::until_true("the stalled readers to be cut off", CUT, || {
            // The daemon notices a stalled subscriber when there is an event for it.
            testbed.storm(&mut storms, 20)?;
            Ok(observed.scrape()?.count("rstmon_subscribers_cut_total", &[]) >= STALLED as u64)
        })?;
        drop(stalled);
        let done = testbed.all_totals.since(&before);
        ensure!(done.received > 0, "nothing was witnessed");
        let finding = observed.end(&done)?.with_faults(&[("readers cut off", STALLED as u64)]);
        let lost = finding.account.lost.slow_subscriber;
        Ok(finding.demand(lost > 0, || "readers that took nothing lost nothing".to_owned()))
    }
}
