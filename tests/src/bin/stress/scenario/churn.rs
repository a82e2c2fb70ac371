//! The process table churns: processes that live for one reset, with names of few and of very many.

use crate::{
    field::{Field, OURS},
    outcome::Finding,
    subject::{HISTORY, Subject},
};
use anyhow::Result;
use rstmon_tests::watched::RESETS;

const MAX_SERIES: usize = 300;
/// Names that come again and again, and names that hardly do.
const NAMES: [(u64, &str); 2] = [(40, "a"), (1_000_000, "b")];

pub(super) fn play(field: &mut Field) -> Result<Finding> {
    let subject = Subject::start(field, &format!("{HISTORY}[metrics]\nmax_series = {MAX_SERIES}\n"))?;
    let mut crowds = vec![field.actor("crowd-a")?, field.actor("crowd-b")?];
    let each = field.arguments.times(1500, 40_000);
    let (nobody, mut commands) = (field.nobody(), Vec::new());
    for (names, letter) in NAMES {
        let seed = field.random.number();
        commands.push(format!("crowd {nobody} {each} {seed} {names} {OURS}{letter}"));
    }
    let done = field.run(&mut crowds, &commands)?;
    let series = subject.scrape()?.select(RESETS, &[]).count();
    let finding = subject.end(&done)?.with_faults(&[("processes", each * NAMES.len() as u64)]);
    Ok(finding.demand(series <= MAX_SERIES, || format!("{series} series, allowed are {MAX_SERIES}")))
}
