//! Steps of the wall clock that are undone on drop. For dedicated machines only: every process of a machine sees them.

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::{env, time::Duration};

/// Environment variable: set if the machine is dedicated to the tests, so that its clock may be stepped.
pub const OURS: &str = "RSTMON_TEST_OWN_CLOCK";

/// Whether the clock may be stepped.
#[must_use]
pub fn is_ours() -> bool {
    env::var_os(OURS).is_some()
}

/// A step of `CLOCK_REALTIME`. On drop the clock is set back, to the time that has really passed.
#[derive(Debug)]
#[must_use = "the clock is set right when this is dropped"]
pub struct SteppedClock {
    /// Wall clock minus boot clock before the step, in nanoseconds.
    offset: i128,
}

/// The direction and length of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStep {
    /// Into the future.
    Ahead(Duration),
    /// Into the past.
    Back(Duration),
}

impl SteppedClock {
    /// Steps the wall clock.
    ///
    /// # Errors
    /// When the kernel refuses to set the clock.
    pub fn by(step: ClockStep) -> Result<Self> {
        let before = Self { offset: now(ClockId::Realtime) - now(ClockId::Boottime) };
        let by = match step {
            ClockStep::Ahead(by) => i128::try_from(by.as_nanos())?,
            ClockStep::Back(by) => -i128::try_from(by.as_nanos())?,
        };
        set(before.offset + by).context("stepping the clock")?;
        Ok(before)
    }
}

impl Drop for SteppedClock {
    fn drop(&mut self) {
        let _ = set(self.offset);
    }
}

fn now(clock: ClockId) -> i128 {
    let time = clock_gettime(clock);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// Sets the wall clock to the boot clock plus `offset`.
fn set(offset: i128) -> Result<()> {
    let time = now(ClockId::Boottime) + offset;
    let tv_sec = time.div_euclid(1_000_000_000).try_into()?;
    clock_settime(ClockId::Realtime, Timespec { tv_sec, tv_nsec: time.rem_euclid(1_000_000_000).try_into()? })?;
    Ok(())
}
