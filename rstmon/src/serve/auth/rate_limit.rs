//! A token bucket over all requests, as exporter-toolkit's `rate_limit` has it.

use crate::sync::lock;
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// How many requests may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// A token comes back once in this time; above zero.
    pub(crate) interval: Duration,
    /// Tokens that can be saved up. None means that nothing is ever let through, as with the toolkit.
    pub(crate) burst: u32,
}

/// Lets requests through at a [`Rate`].
#[derive(Debug)]
pub(crate) struct RateLimiter {
    rate: Rate,
    /// When the bucket was or will be full again: the bucket as one number (the generic cell rate algorithm).
    full_at: Mutex<Instant>,
}

impl RateLimiter {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, full_at: Mutex::new(now) }
    }

    /// Takes a token if there is one.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        let Rate { interval, burst } = self.rate;
        let mut full_at = lock(&self.full_at);
        let next = (*full_at).max(now).checked_add(interval);
        let capacity = interval.saturating_mul(burst);
        match next {
            Some(next) if next.saturating_duration_since(now) <= capacity => {
                *full_at = next;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_a_burst_and_then_one_an_interval() {
        let interval = Duration::from_secs(1);
        let start = Instant::now();
        let limiter = RateLimiter::new(Rate { interval, burst: 2 }, start);
        let allowed: Vec<_> = [0, 0, 0, 500, 1000, 1000, 10_000, 10_000, 10_000]
            .map(|millis| limiter.allows(start + Duration::from_millis(millis)))
            .into();
        assert_eq!(allowed, [true, true, false, false, true, false, true, true, false]);
    }

    #[test]
    fn without_tokens_nothing_passes() {
        let now = Instant::now();
        assert!(!RateLimiter::new(Rate { interval: Duration::from_secs(1), burst: 0 }, now).allows(now));
    }
}
