//! Does the kernel's own count of one network namespace agree? `OutRsts` grows by one for each reset sent there (6.10
//! on; docs/kernels.md), so the two differ by a constant: what was sent before rstmon looked. Pure.
//!
//! Exact or silent: every reading gives bounds for that difference, and only a reading that cannot be reconciled with
//! the earlier ones counts as a gap.

use crate::host::counters::Explaining;

/// `OutRsts` of a namespace, and what rstmon had counted there just before and just after it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `OutRsts`.
    pub(crate) kernel: u64,
    /// Resets counted by rstmon: before, after.
    pub(crate) counted: (u64, u64),
}

/// Bounds of `OutRsts` minus counted.
type Bounds = (i128, i128);

impl Reading {
    /// What the difference can be if no reset was in one count and not yet in the other: the kernel's two steps are
    /// not one. The bounds coincide when none was counted meanwhile.
    fn bounds(self) -> Bounds {
        let (kernel, before, after) = (i128::from(self.kernel), i128::from(self.counted.0), i128::from(self.counted.1));
        (kernel - after, kernel - before)
    }
}

/// What a reading says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// There is nothing to compare with yet: look again at once.
    Unsettled,
    /// Both counts agree, but for a reset on each CPU that may be half counted: look again at once to be sure.
    Doubtful,
    /// Both counts agree.
    Agrees,
    /// The kernel counted this many resets more (negative: fewer) than rstmon.
    Differs(i64),
}

/// What is known of the constant difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coverage {
    bounds: Bounds,
    confirmed: bool,
    last: Reading,
    explaining: Explaining,
    cpus: i128,
}

impl Coverage {
    /// Begins with a first reading. `explaining` was read before it; `cpus` is how many resets may be half counted.
    #[must_use]
    pub(crate) fn new(first: Reading, explaining: Explaining, cpus: u64) -> Self {
        let cpus = i128::from(cpus);
        Self { bounds: widened(first.bounds(), cpus), confirmed: false, last: first, explaining, cpus }
    }

    /// Takes in a later reading. Between it and the one before a moment has passed: if neither count has moved,
    /// nothing is half counted.
    pub(crate) fn observe(&mut self, reading: Reading) -> Finding {
        let still = reading.counted.0 == reading.counted.1 && reading == self.last;
        self.last = reading;
        let exact = reading.bounds();
        let bounds = if still { exact } else { widened(exact, self.cpus) };
        let Some(common) = intersection(self.bounds, bounds) else {
            if self.confirmed {
                let difference =
                    if bounds.0 > self.bounds.1 { bounds.0 - self.bounds.1 } else { bounds.1 - self.bounds.0 };
                return Finding::Differs(i64::try_from(difference).unwrap_or(i64::MAX));
            }
            // The two have no moment in common in which they could agree: begin again.
            self.bounds = bounds;
            return Finding::Unsettled;
        };
        let in_doubt = intersection(self.bounds, exact).is_none();
        (self.bounds, self.confirmed) = (common, true);
        if in_doubt { Finding::Doubtful } else { Finding::Agrees }
    }

    /// What of a difference the kernel's own accounting does not explain; 0 = nothing.
    #[must_use]
    pub(crate) fn unexplained(&self, difference: i64, now: Explaining) -> i64 {
        let growth = |now: u64, before: u64| i64::try_from(now.saturating_sub(before)).unwrap_or(i64::MAX);
        if difference > 0 {
            difference.saturating_sub(growth(now.abort_failed, self.explaining.abort_failed)).max(0)
        } else {
            difference.saturating_add(growth(now.no_route, self.explaining.no_route)).min(0)
        }
    }
}

fn widened((low, high): Bounds, by: i128) -> Bounds {
    (low - by, high + by)
}

fn intersection(one: Bounds, other: Bounds) -> Option<Bounds> {
    let (low, high) = (one.0.max(other.0), one.1.min(other.1));
    (low <= high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::{Coverage, Finding, Reading};
    use crate::host::counters::Explaining;

    fn quiet(kernel: u64, counted: u64) -> Reading {
        Reading { kernel, counted: (counted, counted) }
    }

    fn settled(kernel: u64, counted: u64) -> Coverage {
        let mut coverage = Coverage::new(quiet(kernel, counted), Explaining::default(), 4);
        assert_eq!(coverage.observe(quiet(kernel, counted)), Finding::Agrees);
        coverage
    }

    /// Looks twice, as is done where the first look is no agreement.
    fn look(coverage: &mut Coverage, reading: Reading) -> Finding {
        match coverage.observe(reading) {
            Finding::Agrees => Finding::Agrees,
            _ => coverage.observe(reading),
        }
    }

    #[test]
    fn agreement_is_the_same_difference_as_before() {
        assert_eq!(settled(100, 0).observe(quiet(150, 50)), Finding::Agrees);
    }

    #[test]
    fn a_single_reset_that_was_missed_shows_and_stays() {
        let mut coverage = settled(100, 0);
        assert_eq!(look(&mut coverage, quiet(151, 50)), Finding::Differs(1));
        assert_eq!(look(&mut coverage, quiet(152, 51)), Finding::Differs(1));
    }

    #[test]
    fn a_reset_counted_twice_is_negative() {
        assert_eq!(look(&mut settled(0, 0), quiet(9, 10)), Finding::Differs(-1));
    }

    #[test]
    fn resets_during_a_reading_are_no_difference() {
        let mut coverage = settled(100, 0);
        assert_eq!(coverage.observe(Reading { kernel: 151, counted: (50, 52) }), Finding::Agrees);
        // Half counted on each of four CPUs, at most.
        assert_eq!(coverage.observe(Reading { kernel: 147, counted: (51, 52) }), Finding::Doubtful);
        assert_eq!(coverage.observe(Reading { kernel: 156, counted: (51, 52) }), Finding::Doubtful);
        assert_eq!(coverage.observe(Reading { kernel: 157, counted: (51, 52) }), Finding::Differs(1));
    }

    #[test]
    fn a_reset_half_counted_never_becomes_the_measure() {
        // Counted here, and not yet by the kernel, in the first reading and in one that seems quiet.
        let mut coverage = Coverage::new(quiet(99, 0), Explaining::default(), 4);
        assert_eq!(coverage.observe(quiet(119, 20)), Finding::Agrees);
        assert_eq!(look(&mut coverage, quiet(120, 20)), Finding::Agrees);
        assert_eq!(look(&mut coverage, quiet(120, 20)), Finding::Agrees);
        assert_eq!(look(&mut coverage, quiet(121, 20)), Finding::Differs(1));
    }

    #[test]
    fn a_busy_start_is_narrowed_once_nothing_moves() {
        let mut coverage = Coverage::new(Reading { kernel: 110, counted: (5, 15) }, Explaining::default(), 4);
        assert_eq!(coverage.observe(Reading { kernel: 115, counted: (12, 18) }), Finding::Agrees);
        assert_eq!(coverage.observe(quiet(120, 20)), Finding::Agrees);
        assert_eq!(coverage.observe(quiet(120, 20)), Finding::Agrees);
        assert_eq!(look(&mut coverage, quiet(121, 20)), Finding::Differs(1));
    }

    #[test]
    fn readings_that_have_nothing_in_common_begin_again() {
        let mut coverage = Coverage::new(quiet(120, 0), Explaining::default(), 4);
        assert_eq!(coverage.observe(quiet(120, 30)), Finding::Unsettled);
        assert_eq!(coverage.observe(quiet(120, 30)), Finding::Agrees);
        assert_eq!(coverage.observe(quiet(130, 40)), Finding::Agrees);
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
