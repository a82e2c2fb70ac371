//! Compares rstmon's count of the resets sent in one network namespace with the kernel's. `OutRsts` grows by one for
//! each reset sent there (from Linux 6.10 on; docs/kernels.md), so the two counts differ by a constant offset: the
//! resets sent before rstmon's first reading. Pure.
//!
//! No false gaps: every reading gives bounds for that offset, and only a reading that contradicts the earlier ones
//! counts as a gap.

use crate::host::counters::Explaining;

/// `OutRsts` of a namespace, and what rstmon had counted there just before and just after it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `OutRsts` of the namespace.
    pub(crate) kernel: u64,
    /// Resets counted by rstmon: before reading `OutRsts`, and after.
    pub(crate) counted: (u64, u64),
}

/// Lower and upper bound of the offset, `OutRsts` minus rstmon's count.
type OffsetBounds = (i128, i128);

impl Reading {
    /// Bounds of the offset if every reset is in both counts or in neither; the kernel's two steps, sending and
    /// counting, are not atomic. The bounds are equal when rstmon counted no reset during the reading.
    fn bounds(self) -> OffsetBounds {
        let (kernel, before, after) = (i128::from(self.kernel), i128::from(self.counted.0), i128::from(self.counted.1));
        (kernel - after, kernel - before)
    }
}

/// The result of comparing a reading with the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// There is no offset to compare with yet: read again at once.
    Unsettled,
    /// The counts agree only if resets are in one count and not yet in the other, at most one for each CPU: read again
    /// at once to be sure.
    Doubtful,
    /// The counts agree: one offset fits all readings.
    Agrees,
    /// The kernel counted this many resets more (negative: fewer) than rstmon.
    Differs(i64),
}

/// The bounds of a namespace's offset so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coverage {
    bounds: OffsetBounds,
    confirmed: bool,
    last: Reading,
    explaining: Explaining,
    cpus: i128,
}

impl Coverage {
    /// Begins with a first reading. `explaining` was read before it; at most `cpus` resets can be in one count and not
    /// yet in the other.
    #[must_use]
    pub(crate) fn new(first: Reading, explaining: Explaining, cpus: u64) -> Self {
        let cpus = i128::from(cpus);
        Self { bounds: widened(first.bounds(), cpus), confirmed: false, last: first, explaining, cpus }
    }

    /// Compares a later reading. Time must have passed since the one before it: if neither count has grown since, every
    /// reset is in both.
    pub(crate) fn observe(&mut self, reading: Reading) -> Comparison {
        let still = reading.counted.0 == reading.counted.1 && reading == self.last;
        self.last = reading;
        let exact = reading.bounds();
        let bounds = if still { exact } else { widened(exact, self.cpus) };
        let Some(common) = intersection(self.bounds, bounds) else {
            if self.confirmed {
                let difference =
                    if bounds.0 > self.bounds.1 { bounds.0 - self.bounds.1 } else { bounds.1 - self.bounds.0 };
                return Comparison::Differs(i64::try_from(difference).unwrap_or(i64::MAX));
            }
            // No offset fits both readings: begin again with this one.
            self.bounds = bounds;
            return Comparison::Unsettled;
        };
        let in_doubt = intersection(self.bounds, exact).is_none();
        (self.bounds, self.confirmed) = (common, true);
        if in_doubt { Comparison::Doubtful } else { Comparison::Agrees }
    }

    /// The part of a difference that the kernel's other counters do not explain; 0 if they explain all of it.
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

fn widened((low, high): OffsetBounds, by: i128) -> OffsetBounds {
    (low - by, high + by)
}

fn intersection(one: OffsetBounds, other: OffsetBounds) -> Option<OffsetBounds> {
    let (low, high) = (one.0.max(other.0), one.1.min(other.1));
    (low <= high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Coverage, Reading};
    use crate::host::counters::Explaining;

    fn quiet(kernel: u64, counted: u64) -> Reading {
        Reading { kernel, counted: (counted, counted) }
    }

    fn settled(kernel: u64, counted: u64) -> Coverage {
        let mut coverage = Coverage::new(quiet(kernel, counted), Explaining::default(), 4);
        assert_eq!(coverage.observe(quiet(kernel, counted)), Comparison::Agrees);
        coverage
    }

    /// Reads twice where the first reading does not agree, as `Namespaces` does.
    fn look(coverage: &mut Coverage, reading: Reading) -> Comparison {
        match coverage.observe(reading) {
            Comparison::Agrees => Comparison::Agrees,
            _ => coverage.observe(reading),
        }
    }

    #[test]
    fn agreement_is_the_same_difference_as_before() {
        assert_eq!(settled(100, 0).observe(quiet(150, 50)), Comparison::Agrees);
    }

    #[test]
    fn a_single_reset_that_was_missed_shows_and_stays() {
        let mut coverage = settled(100, 0);
        assert_eq!(look(&mut coverage, quiet(151, 50)), Comparison::Differs(1));
        assert_eq!(look(&mut coverage, quiet(152, 51)), Comparison::Differs(1));
    }

    #[test]
    fn a_reset_counted_twice_is_negative() {
        assert_eq!(look(&mut settled(0, 0), quiet(9, 10)), Comparison::Differs(-1));
    }

    #[test]
    fn resets_during_a_reading_are_no_difference() {
        let mut coverage = settled(100, 0);
        assert_eq!(coverage.observe(Reading { kernel: 151, counted: (50, 52) }), Comparison::Agrees);
        // At most one reset on each of four CPUs is in one count only.
        assert_eq!(coverage.observe(Reading { kernel: 147, counted: (51, 52) }), Comparison::Doubtful);
        assert_eq!(coverage.observe(Reading { kernel: 156, counted: (51, 52) }), Comparison::Doubtful);
        assert_eq!(coverage.observe(Reading { kernel: 157, counted: (51, 52) }), Comparison::Differs(1));
    }

    #[test]
    fn a_reset_in_one_count_only_never_shifts_the_offset() {
        // In the first reading and in one that seems quiet, a reset is counted here and not yet by the kernel.
        let mut coverage = Coverage::new(quiet(99, 0), Explaining::default(), 4);
        assert_eq!(coverage.observe(quiet(119, 20)), Comparison::Agrees);
        assert_eq!(look(&mut coverage, quiet(120, 20)), Comparison::Agrees);
        assert_eq!(look(&mut coverage, quiet(120, 20)), Comparison::Agrees);
        assert_eq!(look(&mut coverage, quiet(121, 20)), Comparison::Differs(1));
    }

    #[test]
    fn a_busy_start_is_narrowed_once_nothing_moves() {
        let mut coverage = Coverage::new(Reading { kernel: 110, counted: (5, 15) }, Explaining::default(), 4);
        assert_eq!(coverage.observe(Reading { kernel: 115, counted: (12, 18) }), Comparison::Agrees);
        assert_eq!(coverage.observe(quiet(120, 20)), Comparison::Agrees);
        assert_eq!(coverage.observe(quiet(120, 20)), Comparison::Agrees);
        assert_eq!(look(&mut coverage, quiet(121, 20)), Comparison::Differs(1));
    }

    #[test]
    fn readings_that_have_nothing_in_common_begin_again() {
        let mut coverage = Coverage::new(quiet(120, 0), Explaining::default(), 4);
        assert_eq!(coverage.observe(quiet(120, 30)), Comparison::Unsettled);
        assert_eq!(coverage.observe(quiet(120, 30)), Comparison::Agrees);
        assert_eq!(coverage.observe(quiet(130, 40)), Comparison::Agrees);
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
