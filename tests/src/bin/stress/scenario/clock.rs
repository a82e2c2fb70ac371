//! The wall clock jumps ahead and back under load. Counts know no clock, and events carry the time as it is told when they
//! are read; the ages and idle times in them are the kernel's own and must not jump.
//!
//! Whatever else runs on a machine sees such a step, so that this is only for a machine of one's own. The guests of the
//! kernel matrix are: `tests/tests/clock.rs`.

use crate::{
    field::Field,
    outcome::Finding,
    subject::{HISTORY, Subject},
};
use anyhow::Result;
use rstmon_tests::{
    clock::{Step, Stepped},
    wait,
};
use std::time::Duration;

const FAR: Duration = Duration::from_hours(1);
const WHILE: Duration = Duration::from_millis(200);

pub(super) fn play(field: &mut Field) -> Result<Finding> {
    let subject = Subject::start(field, HISTORY)?;
    let steps = field.arguments.times(6, 60);
    let load = field.begin(field.storms()?);
    for step in 0..steps {
        let step = if step % 2 == 0 { Step::Ahead(FAR) } else { Step::Back(FAR) };
        let stepped = Stepped::by(step)?;
        wait::moment(WHILE);
        subject.scrape()?;
        drop(stepped);
        subject.scrape()?;
    }
    let (_, done) = field.end(load)?;
    Ok(subject.end(&done)?.with_faults(&[("steps of an hour and back", steps)]))
}
