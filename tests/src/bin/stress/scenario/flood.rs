//! As many distinct addresses and ports as possible, with a reader that keeps up: counts are exact, and each event has
//! been seen or is counted as lost.

use crate::{
    observed::{HISTORY, ObservedDaemon},
    outcome::ScenarioFinding,
    testbed::Testbed,
};
use anyhow::Result;
use rstmon_tests::follower::Subscriber;

/// The least number of addresses and of closed ports.
const MANY: u64 = 20_000;

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let observed = ObservedDaemon::start(testbed, &format!("{HISTORY}[events]\nrate_per_second = 0\n"))?;
    let follower = Subscriber::new(&observed.daemon.socket())?.follow()?;
    let mut storms = testbed.storms()?;
    let each = testbed.arguments.times(25_000, 1_000_000);
    let done = testbed.storm(&mut storms, each)?;
    observed.events_add_up(&done, &follower)?;
    drop(follower);
    let finding = observed.end(&done)?.with_faults(&[("addresses", done.addresses), ("closed ports", done.ports)]);
    Ok(finding.demand(done.addresses > MANY && done.ports > MANY, || format!("no flood: {done:?}")))
}
