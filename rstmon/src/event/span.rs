//! A span of time that events are looked at in.

use jiff::Timestamp;

/// From `since` to `until`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeSpan {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl TimeSpan {
    /// All of time.
    pub(crate) const ALWAYS: Self = Self { since: Timestamp::MIN, until: Timestamp::MAX };

    #[must_use]
    pub(crate) fn contains(&self, time: Timestamp) -> bool {
        (self.since..=self.until).contains(&time)
    }

    #[must_use]
    pub(crate) fn overlaps(&self, other: Self) -> bool {
        self.since <= other.until && other.since <= self.until
    }

    /// The span from the begin of the earlier to the end of the later.
    #[must_use]
    pub(crate) fn hull(self, other: Self) -> Self {
        Self { since: self.since.min(other.since), until: self.until.max(other.until) }
    }
}

#[cfg(test)]
mod tests {
    use super::{TimeSpan, Timestamp};

    #[test]
    fn both_ends_are_included() {
        let second = |second| Timestamp::from_second(second).expect("a time");
        let span = TimeSpan { since: second(10), until: second(20) };
        let contained: Vec<i64> = [9, 10, 15, 20, 21].into_iter().filter(|&it| span.contains(second(it))).collect();
        assert_eq!(contained, [10, 15, 20]);
        assert!(TimeSpan::ALWAYS.contains(Timestamp::MIN) && TimeSpan::ALWAYS.contains(Timestamp::MAX));
    }
}
