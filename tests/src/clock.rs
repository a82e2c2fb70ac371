//! Steps of the wall clock, which go back by themselves. Only for a machine of one's own: whatever runs there sees them.

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::{env, time::Duration};

/// Environment variable: set where the machine is the tests' own, and nobody else goes by its clock.
pub const OURS: &str = "RSTMON_TEST_OWN_CLOCK";

/// Whether the clock may be stepped.
#[must_use]
pub fn is_ours() -> bool {
    env::var_os(OURS).is_some()
}

/// `CLOCK_REALTIME` set off by some time; right again, to the time that has passed, when this is dropped.
#[derive(Debug)]
#[must_use = "the clock is set right when this is dropped"]
pub struct Stepped {
    /// Wall clock minus boot clock, in nanoseconds, as it was.
    offset: i128,
}

/// Which way to step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into the future.
    Ahead(Duration),
    /// Into the past.
    Back(Duration),
}

impl Stepped {
    /// Steps the clock.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn by(step: Step) -> Result<Self> {
        let before = Self { offset: now(ClockId::Realtime) - now(ClockId::Boottime) };
        let by = match step {
            Step::Ahead(by) => i128::try_from(by.as_nanos())?,
            Step::Back(by) => -i128::try_from(by.as_nanos())?,
        };
        set(before.offset + by).context("stepping the clock")?;
        Ok(before)
    }
}

impl Drop for Stepped {
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
