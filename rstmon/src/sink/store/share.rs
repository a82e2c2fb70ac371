//! Which events are stored when there are too many: no kind of reset takes more than its share of a minute's events, so
//! that a storm of one kind leaves room for the others and for the past. Pure.
//!
//! Shares are token buckets that fill over time. Each kind has one; all kinds together have one for the budget of a
//! minute, and one more as large that only kinds with few events may use. A kind stores at once what its bucket holds,
//! and then evenly over the minute what flows in.

use crate::model::Direction;
use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

/// Bytes that a stored event takes on disk, for the budget; measured on recorded events with a margin.
const BYTES_PER_EVENT: u64 = 100;
/// The least time in which a storm of many kinds may fill the store: twelve hours, a night.
const MINUTES_TO_FILL: u64 = 12 * 60;
/// Budget of the smallest store.
const LEAST_PER_MINUTE: u64 = 64;
/// A kind may take the budget divided by this.
const KINDS_AT_FULL_SHARE: u64 = 4;
/// Events that a kind may store in a minute out of the reserve for rare kinds.
const FEW_PER_MINUTE: f64 = 10.0;
/// Kinds that have buckets of their own at a time; further ones share one.
const KINDS: usize = 4096;
const MINUTE_MS: f64 = 60_000.0;

/// What makes resets one kind. The port distinguishes only resets that a process here owns: a port scan is one kind.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct ResetKind<'a> {
    pub(crate) direction: Direction,
    pub(crate) cause: &'a str,
    pub(crate) process: Option<&'a str>,
    pub(crate) port: Option<u16>,
}

/// Tokens for events; times are milliseconds since the store was started.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    capacity: f64,
    filled_ms: u64,
}

impl Bucket {
    /// A full bucket, which lets at most `per_minute` events pass in any minute: half at once, half over the minute.
    fn new(per_minute: f64, now_ms: u64) -> Self {
        let capacity = per_minute / 2.0;
        Self { tokens: capacity, capacity, filled_ms: now_ms }
    }

    fn fill(&mut self, now_ms: u64) {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of an uptime are exact up to 2^53")]
        let elapsed = now_ms.saturating_sub(self.filled_ms) as f64;
        self.tokens = (self.tokens + self.capacity * elapsed / MINUTE_MS).min(self.capacity);
        self.filled_ms = now_ms.max(self.filled_ms);
    }

    fn has_one(&self) -> bool {
        self.tokens >= 1.0
    }

    fn take(&mut self) {
        self.tokens -= 1.0;
    }
}

/// The buckets of one kind.
#[derive(Clone, Copy, Debug)]
struct KindBuckets {
    share: Bucket,
    /// For the reserve of rare kinds.
    few: Bucket,
}

pub(crate) struct Shares {
    per_kind: f64,
    budget: Bucket,
    reserve: Bucket,
    kinds: HashMap<u64, KindBuckets>,
    /// Kinds beyond [`KINDS`].
    others: KindBuckets,
    hasher: RandomState,
}

impl Shares {
    /// The shares of a store that may take `max_bytes` on disk.
    #[must_use]
    pub(crate) fn new(max_bytes: u64) -> Self {
        let budget = (max_bytes / BYTES_PER_EVENT / MINUTES_TO_FILL).max(LEAST_PER_MINUTE);
        #[expect(clippy::cast_precision_loss, reason = "a number of events, exact up to 2^53")]
        let (budget, per_kind) = (budget as f64, (budget / KINDS_AT_FULL_SHARE) as f64);
        Self {
            per_kind,
            budget: Bucket::new(budget, 0),
            reserve: Bucket::new(budget, 0),
            kinds: HashMap::new(),
            others: KindBuckets { share: Bucket::new(per_kind, 0), few: Bucket::new(per_kind, 0) },
            hasher: RandomState::new(),
        }
    }

    /// Whether an event of this kind is stored.
    pub(crate) fn admits(&mut self, kind: ResetKind<'_>, now_ms: u64) -> bool {
        let id = self.hasher.hash_one(kind);
        if !self.kinds.contains_key(&id) && self.kinds.len() >= KINDS {
            self.forget_idle(now_ms);
        }
        let per_kind = self.per_kind;
        let buckets = if self.kinds.len() < KINDS || self.kinds.contains_key(&id) {
            self.kinds.entry(id).or_insert_with(|| KindBuckets {
                share: Bucket::new(per_kind, now_ms),
                few: Bucket::new(2.0 * FEW_PER_MINUTE, now_ms),
            })
        } else {
            &mut self.others
        };
        buckets.share.fill(now_ms);
        buckets.few.fill(now_ms);
        self.budget.fill(now_ms);
        self.reserve.fill(now_ms);
        if !buckets.share.has_one() {
            return false;
        }
        if self.budget.has_one() {
            self.budget.take();
        } else if buckets.few.has_one() && self.reserve.has_one() {
            buckets.few.take();
            self.reserve.take();
        } else {
            return false;
        }
        buckets.share.take();
        true
    }

    /// Removes the kinds whose buckets have filled up: a new bucket is the same.
    fn forget_idle(&mut self, now_ms: u64) {
        self.kinds.retain(|_, buckets| {
            buckets.share.fill(now_ms);
            buckets.share.tokens < buckets.share.capacity
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{KINDS, ResetKind, Shares};
    use crate::model::Direction;

    const DEFAULT: u64 = 256 << 20;

    fn kind(port: u16) -> ResetKind<'static> {
        ResetKind { direction: Direction::Sent, cause: "refused", process: Some("java"), port: Some(port) }
    }

    /// Events of one kind that are stored of `offered` ones, spread over `milliseconds` from `from` on.
    fn stored(shares: &mut Shares, kind: ResetKind<'_>, offered: u64, from: u64, milliseconds: u64) -> u64 {
        (0..offered).map(|n| u64::from(shares.admits(kind, from + n * milliseconds / offered))).sum()
    }

    #[test]
    fn a_storm_of_one_kind_gets_a_quarter_of_the_minute_and_leaves_room_for_others() {
        let mut shares = Shares::new(DEFAULT);
        // The budget is 3,728 events a minute, so that twelve hours fill 256 MiB.
        for minute in 0..10 {
            let found = stored(&mut shares, kind(80), 600_000, minute * 60_000, 60_000);
            assert!((400..=932).contains(&found), "minute {minute}: {found}");
        }
        assert_eq!(stored(&mut shares, kind(443), 100, 600_000, 1), 100, "another kind is stored in full");
    }

    #[test]
    fn a_storm_of_every_kind_leaves_a_few_events_of_rare_ones() {
        let mut shares = Shares::new(DEFAULT);
        let mut taken = 0;
        for port in 1..=40 {
            taken += stored(&mut shares, kind(port), 1000, 0, 1000);
        }
        assert!(taken <= 2 * 3728, "{taken}");
        assert!((1..=10).contains(&stored(&mut shares, kind(50_000), 1000, 1000, 1)), "a rare kind");
    }

    #[test]
    fn ordinary_resets_are_all_stored() {
        let mut shares = Shares::new(DEFAULT);
        assert_eq!(stored(&mut shares, kind(80), 400, 0, 1), 400);
    }

    #[test]
    fn kinds_without_number_are_bounded_and_idle_ones_forgotten() {
        let mut shares = Shares::new(DEFAULT);
        for round in 0..3_u64 {
            for port in 1..=20_000 {
                shares.admits(kind(port), round * 600_000);
            }
            assert!(shares.kinds.len() <= KINDS, "{}", shares.kinds.len());
        }
    }

    #[test]
    fn the_smallest_store_keeps_something() {
        let mut shares = Shares::new(0);
        assert!(stored(&mut shares, kind(80), 1000, 0, 1000) >= 8);
    }
}
