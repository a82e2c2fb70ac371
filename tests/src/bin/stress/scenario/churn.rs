//! Thousands of processes that live for one reset each, some with one of a few names, some with one of very many.

use crate::{
    observed::{HISTORY, ObservedDaemon},
    outcome::ScenarioFinding,
    testbed::{OURS, Testbed},
};
use anyhow::Result;
use rstmon_tests::watched::RESETS;

const MAX_SERIES: usize = 300;
/// Number of distinct names and their prefix: few that recur, and so many that they hardly do.
const NAMES: [(u64, &str); 2] = [(40, "a"), (1_000_000, "b")];

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let observed = ObservedDaemon::start(testbed, &format!("{HISTORY}[metrics]\nmax_series = {MAX_SERIES}\n"))?;
    let mut crowds = vec![testbed.actor("crowd-a")?, testbed.actor("crowd-b")?];
    let each = testbed.arguments.times(1500, 40_000);
    let (closed, mut commands) = (testbed.closed_address(), Vec::new());
    for (names, letter) in NAMES {
        let seed = testbed.random.number();
        commands.push(format!("crowd {closed} {each} {seed} {names} {OURS}{letter}"));
    }
    let done = testbed.run(&mut crowds, &commands)?;
    let series = observed.scrape()?.select(RESETS, &[]).count();
    let finding = observed.end(&done)?.with_faults(&[("processes", each * NAMES.len() as u64)]);
    Ok(finding.demand(series <= MAX_SERIES, || format!("{series} series, allowed are {MAX_SERIES}")))
}
