//! Waiting for a condition with a deadline: the only module of this crate that sleeps.

use crate::interruption;
use anyhow::{Result, bail};
use std::{
    env,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

/// Time limit for a condition that only needs to be scheduled, on a loaded machine.
pub const SOON: Duration = Duration::from_secs(10);

/// Time limit for a condition that waits for kernel timers of some seconds.
pub const LATER: Duration = Duration::from_secs(30);

/// Environment variable: factor on all time limits, for a slow machine.
pub const SLOWNESS: &str = "RSTMON_TEST_SLOWNESS";

/// The time between two checks of a condition.
const POLL: Duration = Duration::from_millis(2);

/// Several times the time for which rstmon holds back a reset.
const SETTLING: Duration = Duration::from_millis(60);

/// The factor on all time limits; 1 unless [`SLOWNESS`] is set.
#[must_use]
pub fn slowness() -> u32 {
    static FACTOR: LazyLock<u32> = LazyLock::new(|| {
        env::var(SLOWNESS).ok().and_then(|factor| factor.parse().ok()).filter(|factor| *factor > 0).unwrap_or(1)
    });
    *FACTOR
}

/// A time limit multiplied by [`slowness`].
#[must_use]
pub(crate) fn patient(deadline: Duration) -> Duration {
    deadline * slowness()
}

/// A number of repetitions divided by [`slowness`], so that they take the same time on a slow machine.
#[must_use]
pub fn feasible(count: u64) -> u64 {
    count / u64::from(slowness())
}

/// Sleeps until the next check of a condition.
pub fn pause() {
    thread::sleep(POLL * slowness());
}

/// Sleeps longer than rstmon holds back anything (12 ms for a received reset that may prove to be none), so that the
/// next scrape counts all that has happened, and shows what would be counted once too often.
pub fn pause_for_settling() {
    thread::sleep(SETTLING * slowness());
}

/// Sleeps for `length`, to act at a random time. Never used to wait for a condition.
pub fn moment(length: Duration) {
    thread::sleep(length);
}

/// Polls `condition` until it yields a value.
///
/// # Errors
/// The condition's own error at once, an [`interruption`], or, after `deadline`, an error that names `what`.
pub fn until<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let (started, deadline) = (Instant::now(), patient(deadline));
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        interruption::check()?;
        if started.elapsed() > deadline {
            bail!("gave up after {deadline:?} waiting for {what}");
        }
        pause();
    }
}

/// Polls until `condition` holds.
///
/// # Errors
/// As [`until`].
pub fn until_true(what: &str, deadline: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    until(what, deadline, || Ok(condition()?.then_some(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yields_the_value_of_the_first_look_that_has_one() {
        let mut looks = 0;
        let found = until("third look", SOON, || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.expect("third look"), 3);
    }

    #[test]
    fn names_what_it_waited_for() {
        let error = until_true("godot", Duration::ZERO, || Ok(false)).expect_err("never true");
        assert!(error.to_string().contains("godot"), "{error}");
    }

    #[test]
    fn an_error_ends_the_wait() {
        let error = until_true("x", LATER, || bail!("broken")).expect_err("condition failed");
        assert_eq!(error.to_string(), "broken");
    }
}
