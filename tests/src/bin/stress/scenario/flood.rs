//! As many different ends as there can be, with a reader who keeps up: counts are exact, and of each event it is known
//! whether it was seen.

use crate::{
    field::Field,
    outcome::Finding,
    subject::{HISTORY, Subject},
};
use anyhow::Result;
use rstmon_tests::follower::Subscriber;

/// Addresses that make a flood worth the name.
const MANY: u64 = 20_000;

pub(super) fn play(field: &mut Field) -> Result<Finding> {
    let subject = Subject::start(field, &format!("{HISTORY}[events]\nrate_per_second = 0\n"))?;
    let follower = Subscriber::new(&subject.daemon.socket())?.follow()?;
    let mut storms = field.storms()?;
    let each = field.arguments.times(25_000, 1_000_000);
    let done = field.storm(&mut storms, each)?;
    subject.events_add_up(&done, &follower)?;
    drop(follower);
    let finding = subject.end(&done)?.with_faults(&[("addresses", done.addresses), ("closed ports", done.ports)]);
    Ok(finding.demand(done.addresses > MANY && done.ports > MANY, || format!("no flood: {done:?}")))
}
