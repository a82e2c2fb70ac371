//! Waiting for a condition, with a deadline: the only place of this crate that sleeps.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How long a condition that needs no more than a scheduler's turn may take on a loaded machine.
pub const SOON: Duration = Duration::from_secs(10);

/// How long a condition may take that waits for kernel timers of some seconds.
pub const LATER: Duration = Duration::from_secs(30);

/// The pause between two looks at a condition.
const POLL: Duration = Duration::from_millis(2);

/// Polls `condition` until it yields a value.
///
/// # Errors
/// The condition's own error at once, or after `deadline` one that names `what` was awaited.
pub fn until<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if started.elapsed() > deadline {
            bail!("gave up after {deadline:?} waiting for {what}");
        }
        thread::sleep(POLL);
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
