//! Network namespaces that are made, have resets and go, faster than the daemon reads their counters, while a storm
//! goes on elsewhere. There are more of them than are counted separately, so that reconciliation has to report what it
//! cannot reconcile.

use crate::{
    observed::{HISTORY, ObservedDaemon},
    outcome::ScenarioFinding,
    testbed::Testbed,
};
use anyhow::Result;
use rstmon_tests::bpf;

/// `NETNS_ENTRIES` of rstmon-common.
const TALLIED: u64 = 1024;

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let observed = ObservedDaemon::start(testbed, HISTORY)?;
    let load = testbed.begin(testbed.storms()?);
    let mut nomads = vec![testbed.actor("nomad-a")?, testbed.actor("nomad-b")?];
    let each = testbed.arguments.times(560, 5_000);
    let commands: Vec<String> = nomads.iter().map(|_| format!("nomad {each} {}", testbed.random.number())).collect();
    let wandered = testbed.run(&mut nomads, &commands);
    let (_, mut done) = testbed.end(load)?;
    let wandered = wandered?;
    done.add(&wandered);
    let tallied = bpf::entries(observed.daemon.pid(), "NETNS_SENT")?;
    let metrics = observed.scrape()?;
    let states = ["reconciled", "differing", "unreadable", "unsettled"]
        .map(|state| format!("{} {state}", metrics.count("rstmon_network_namespaces", &[("state", state)])));
    drop(nomads);
    let finding = observed.end(&done)?.with_faults(&[("namespaces", wandered.namespaces)]);
    Ok(finding
        .with_note(format!("{tallied} namespaces counted apart at most; at the end {}", states.join(", ")))
        .demand(wandered.namespaces > TALLIED, || format!("{wandered:?} did not fill the tally"))
        .demand(tallied as u64 <= TALLIED, || format!("{tallied} namespaces are counted apart")))
}
