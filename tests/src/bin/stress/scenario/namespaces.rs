//! Network namespaces that are made, reset in, and cleared away, faster than anybody looks, while a storm goes on elsewhere.
//! There are more of them than are counted apart, so that reconciliation has to say that it cannot tell.

use crate::{
    field::Field,
    outcome::Finding,
    subject::{HISTORY, Subject},
};
use anyhow::Result;
use rstmon_tests::bpf;

/// `NETNS_ENTRIES` of rstmon-common.
const TALLIED: u64 = 1024;

pub(super) fn play(field: &mut Field) -> Result<Finding> {
    let subject = Subject::start(field, HISTORY)?;
    let load = field.begin(field.storms()?);
    let mut nomads = vec![field.actor("nomad-a")?, field.actor("nomad-b")?];
    let each = field.arguments.times(560, 5_000);
    let commands: Vec<String> = nomads.iter().map(|_| format!("nomad {each} {}", field.random.number())).collect();
    let wandered = field.run(&mut nomads, &commands);
    let (_, mut done) = field.end(load)?;
    let wandered = wandered?;
    done.add(&wandered);
    let tallied = bpf::entries(subject.daemon.pid(), "NETNS_SENT")?;
    let metrics = subject.scrape()?;
    let states = ["reconciled", "differing", "unreadable", "unsettled"]
        .map(|state| format!("{} {state}", metrics.count("rstmon_network_namespaces", &[("state", state)])));
    drop(nomads);
    let finding = subject.end(&done)?.with_faults(&[("namespaces", wandered.namespaces)]);
    Ok(finding
        .with_note(format!("{tallied} namespaces counted apart at most; at the end {}", states.join(", ")))
        .demand(wandered.namespaces > TALLIED, || format!("{wandered:?} did not fill the tally"))
        .demand(tallied as u64 <= TALLIED, || format!("{tallied} namespaces are counted apart")))
}
