//! Does the kernel's own count agree? `OutRsts` grows by one for each reset sent in a network namespace (6.10 on;
//! KERNEL facts in docs/kernels.md), so its growth is compared with the resets counted there. Pure.

/// What both counts said when the probe was attached.
///
/// Nothing can be read at the very moment of attachment, so what the kernel counted before it is known only within
/// bounds; on a quiet host they coincide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    low: u64,
    high: u64,
}

impl Coverage {
    /// `before` and `after`: `OutRsts` before and after attaching; `counted`: resets counted by the time of `after`.
    #[must_use]
    pub fn new(before: u64, after: u64, counted: u64) -> Self {
        Self { low: before, high: after.saturating_sub(counted).max(before) }
    }

    /// Resets that the kernel counts and rstmon does not (negative: the other way round). 0 when the two can be
    /// reconciled. `counted` is what rstmon had before and after `OutRsts` was read.
    #[must_use]
    pub fn uncounted(&self, out_rsts: u64, counted: (u64, u64)) -> i64 {
        let least = i128::from(self.low) + i128::from(counted.0);
        let most = i128::from(self.high) + i128::from(counted.1);
        let kernel = i128::from(out_rsts);
        let difference = if kernel < least {
            kernel - least
        } else if kernel > most {
            kernel - most
        } else {
            0
        };
        i64::try_from(difference).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Coverage;

    #[test]
    fn agreement_is_zero() {
        let coverage = Coverage::new(100, 100, 0);
        assert_eq!(coverage.uncounted(150, (50, 50)), 0);
    }

    #[test]
    fn a_reset_that_was_missed_shows() {
        assert_eq!(Coverage::new(100, 100, 0).uncounted(153, (50, 50)), 3);
    }

    #[test]
    fn a_reset_between_two_readings_is_no_difference() {
        assert_eq!(Coverage::new(100, 100, 0).uncounted(151, (50, 52)), 0);
        assert_eq!(Coverage::new(100, 104, 1).uncounted(153, (50, 50)), 0);
    }

    #[test]
    fn events_without_a_segment_show_as_negative() {
        assert_eq!(Coverage::new(0, 0, 0).uncounted(9, (10, 10)), -1);
    }
}
