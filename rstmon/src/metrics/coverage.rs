//! Does the kernel's own count of one network namespace agree? `OutRsts` grows by one for each reset sent there (6.10
//! on; docs/kernels.md), so the two differ by a constant: what was sent before rstmon looked. Pure.
//!
//! Exact or silent: every reading gives bounds for that difference, and only a reading that cannot be reconciled with
//! the earlier ones counts as a gap.

/// `OutRsts` of a namespace, and what rstmon had counted there just before and just after it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// `OutRsts`.
    pub kernel: u64,
    /// Resets counted by rstmon: before, after.
    pub counted: (u64, u64),
}

impl Reading {
    /// Bounds of `OutRsts` minus counted. They coincide when nothing was sent meanwhile. Otherwise a reset may have
    /// been in one count and not yet in the other, on each CPU: the kernel's two steps are not one.
    fn bounds(self, cpus: u64) -> (i128, i128) {
        let (kernel, before, after) = (i128::from(self.kernel), i128::from(self.counted.0), i128::from(self.counted.1));
        let in_flight = if before == after { 0 } else { i128::from(cpus) };
        (kernel - after - in_flight, kernel - before + in_flight)
    }
}

/// Counters that explain a difference (KERNEL facts in docs/metrics.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explaining {
    /// `TCPAbortFailed`: an active reset for which no packet could be had is in `OutRsts`, and there is no event.
    pub abort_failed: u64,
    /// `Ip6OutNoRoutes`: an answer over IPv6 that found no route is an event and not in `OutRsts`.
    pub no_route: u64,
}

/// What a reading says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Look again at once: there is nothing to compare with yet.
    Unsettled,
    /// Both counts agree.
    Agrees,
    /// The kernel counted this many resets more (negative: fewer) than rstmon.
    Differs(i64),
}

/// What is known of the constant difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    low: i128,
    high: i128,
    confirmed: bool,
    explaining: Explaining,
    cpus: u64,
}

impl Coverage {
    /// Begins with a first reading. `explaining` was read before it.
    #[must_use]
    pub fn new(first: Reading, explaining: Explaining, cpus: u64) -> Self {
        let (low, high) = first.bounds(cpus);
        Self { low, high, confirmed: false, explaining, cpus }
    }

    /// Takes in a later reading.
    pub fn observe(&mut self, reading: Reading) -> Finding {
        let (low, high) = reading.bounds(self.cpus);
        if low <= self.high && high >= self.low {
            (self.low, self.high, self.confirmed) = (self.low.max(low), self.high.min(high), true);
            return Finding::Agrees;
        }
        if !self.confirmed {
            // The first reading caught a reset half counted.
            (self.low, self.high) = (low, high);
            return Finding::Unsettled;
        }
        let difference = if low > self.high { low - self.high } else { high - self.low };
        Finding::Differs(i64::try_from(difference).unwrap_or(i64::MAX))
    }

    /// What of a difference the kernel's own accounting does not explain; 0 = nothing.
    #[must_use]
    pub fn unexplained(&self, difference: i64, now: Explaining) -> i64 {
        let growth = |now: u64, before: u64| i64::try_from(now.saturating_sub(before)).unwrap_or(i64::MAX);
        if difference > 0 {
            difference.saturating_sub(growth(now.abort_failed, self.explaining.abort_failed)).max(0)
        } else {
            difference.saturating_add(growth(now.no_route, self.explaining.no_route)).min(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Coverage, Explaining, Finding, Reading};

    fn quiet(kernel: u64, counted: u64) -> Reading {
        Reading { kernel, counted: (counted, counted) }
    }

    fn settled(kernel: u64, counted: u64) -> Coverage {
        let mut coverage = Coverage::new(quiet(kernel, counted), Explaining::default(), 4);
        assert_eq!(coverage.observe(quiet(kernel, counted)), Finding::Agrees);
        coverage
    }

    #[test]
    fn agreement_is_the_same_difference_as_before() {
        assert_eq!(settled(100, 0).observe(quiet(150, 50)), Finding::Agrees);
    }

    #[test]
    fn a_reset_that_was_missed_shows_and_stays() {
        let mut coverage = settled(100, 0);
        assert_eq!(coverage.observe(quiet(153, 50)), Finding::Differs(3));
        assert_eq!(coverage.observe(quiet(154, 51)), Finding::Differs(3));
    }

    #[test]
    fn a_reset_counted_twice_is_negative() {
        assert_eq!(settled(0, 0).observe(quiet(9, 10)), Finding::Differs(-1));
    }

    #[test]
    fn resets_during_a_reading_are_no_difference() {
        let mut coverage = settled(100, 0);
        assert_eq!(coverage.observe(Reading { kernel: 151, counted: (50, 52) }), Finding::Agrees);
        // Half counted on each of four CPUs.
        assert_eq!(coverage.observe(Reading { kernel: 147, counted: (51, 52) }), Finding::Agrees);
        assert_eq!(coverage.observe(Reading { kernel: 157, counted: (51, 52) }), Finding::Differs(1));
    }

    #[test]
    fn a_busy_start_is_narrowed_by_a_quiet_reading() {
        let mut coverage = Coverage::new(Reading { kernel: 110, counted: (5, 15) }, Explaining::default(), 0);
        assert_eq!(coverage.observe(quiet(120, 20)), Finding::Agrees);
        assert_eq!(coverage.observe(quiet(121, 20)), Finding::Differs(1));
    }

    #[test]
    fn a_first_reading_that_caught_half_a_reset_is_replaced() {
        let mut coverage = Coverage::new(quiet(101, 0), Explaining::default(), 4);
        assert_eq!(coverage.observe(quiet(101, 1)), Finding::Unsettled);
        assert_eq!(coverage.observe(quiet(101, 1)), Finding::Agrees);
        assert_eq!(coverage.observe(quiet(103, 3)), Finding::Agrees);
    }

    #[test]
    fn the_kernels_own_counters_explain_at_most_their_growth() {
        let before = Explaining { abort_failed: 5, no_route: 7 };
        let coverage = Coverage::new(quiet(0, 0), before, 4);
        let now = Explaining { abort_failed: 7, no_route: 10 };
        assert_eq!(coverage.unexplained(2, now), 0);
        assert_eq!(coverage.unexplained(5, now), 3);
        assert_eq!(coverage.unexplained(-3, now), 0);
        assert_eq!(coverage.unexplained(-4, now), -1);
        assert_eq!(coverage.unexplained(4, before), 4);
    }
}
