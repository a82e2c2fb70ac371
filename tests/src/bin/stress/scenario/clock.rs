//! The wall clock steps ahead and back under load. Counts do not depend on a clock, and events carry the wall-clock
//! time at which they are read; their ages and idle times come from the kernel's own clocks and must not jump.
//!
//! All other programs of the machine see the step, too, so that this is for dedicated machines only, such as the guests
//! of the kernel matrix: `tests/tests/clock.rs`.

use crate::{
    observed::{HISTORY, ObservedDaemon},
    outcome::ScenarioFinding,
    testbed::Testbed,
};
use anyhow::Result;
use rstmon_tests::{
    clock::{ClockStep, SteppedClock},
    wait,
};
use std::time::Duration;

const FAR: Duration = Duration::from_hours(1);
const WHILE: Duration = Duration::from_millis(200);

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let observed = ObservedDaemon::start(testbed, HISTORY)?;
    let steps = testbed.arguments.times(6, 60);
    let load = testbed.begin(testbed.storms()?);
    for step in 0..steps {
        let step = if step % 2 == 0 { ClockStep::Ahead(FAR) } else { ClockStep::Back(FAR) };
        let stepped = SteppedClock::by(step)?;
        wait::moment(WHILE);
        observed.scrape()?;
        drop(stepped);
        observed.scrape()?;
    }
    let (_, done) = testbed.end(load)?;
    Ok(observed.end(&done)?.with_faults(&[("steps of an hour and back", steps)]))
}
