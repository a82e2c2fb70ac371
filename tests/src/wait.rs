//! Waiting for a condition, with a deadline: the only place of this crate that sleeps.

use crate::interruption;
use anyhow::{Result, bail};
use std::{
    env,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

/// How long a condition that needs no more than a scheduler's turn may take on a loaded machine.
pub const SOON: Duration = Duration::from_secs(10);

/// How long a condition may take that waits for kernel timers of some seconds.
pub const LATER: Duration = Duration::from_secs(30);

/// Environment variable: how much longer than usual everything may take, on a machine that is slow by nature.
pub const SLOWNESS: &str = "RSTMON_TEST_SLOWNESS";

/// The pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(2);

/// Several times what rstmon holds a reset back for.
const SETTLING: Duration = Duration::from_millis(60);

/// How much longer than usual everything may take; 1 unless [`SLOWNESS`] says otherwise.
#[must_use]
pub fn slowness() -> u32 {
    static FACTOR: LazyLock<u32> = LazyLock::new(|| {
        env::var(SLOWNESS).ok().and_then(|factor| factor.parse().ok()).filter(|factor| *factor > 0).unwrap_or(1)
    });
    *FACTOR
}

/// A deadline, as long as this machine needs it.
#[must_use]
pub fn patient(deadline: Duration) -> Duration {
    deadline * slowness()
}

/// A number of repetitions, as many as this machine can do in the same time.
#[must_use]
pub fn feasible(count: u64) -> u64 {
    count / u64::from(slowness())
}

/// Sleeps until it is time for the next look.
pub fn pause() {
    thread::sleep(POLL * slowness());
}

/// Lets more time pass than rstmon holds anything back (a received reset that may prove to be none: 12 ms), so that what
/// has happened by now is counted by the next look, and what would be counted once too often is noticed.
pub fn pause_for_settling() {
    thread::sleep(SETTLING * slowness());
}

/// Lets some time pass, for what has to happen at a random moment. Never a way to wait for something.
pub fn moment(length: Duration) {
    thread::sleep(length);
}

/// Polls `condition` until it yields a value.
///
/// # Errors
/// The condition's own error at once, an [`interruption`], or after `deadline` one that names `what` was awaited.
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
