//! Which segments are removed to make room. Pure: the caller removes them before it writes.

use super::name::{SegmentForm, SegmentKind, SegmentName};
use jiff::Timestamp;

/// Segments of a store: each costs a directory entry, and a daemon that restarts for ever begins many.
const MAX_SEGMENTS: usize = 4096;
/// The unit in which file systems give out space.
const BLOCK: u64 = 4096;

/// A segment on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptSegment {
    pub(super) name: SegmentName,
    pub(super) bytes: u64,
}

impl KeptSegment {
    /// What it takes on disk.
    pub(super) fn on_disk(&self) -> u64 {
        self.bytes.max(1).next_multiple_of(BLOCK)
    }
}

/// What is about to be written, and what limits it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoomNeeded {
    pub(super) kind: SegmentKind,
    /// Bytes to write.
    pub(super) incoming: u64,
    /// Limit of this kind's segments, the open one and `incoming` included.
    pub(super) max_bytes: u64,
    /// Bytes that have to be freed besides, because the file system is short of space.
    pub(super) to_free: u64,
    /// Segments whose last time is before this are removed.
    pub(super) oldest: Timestamp,
}

/// The segments to remove, oldest first. `segments` are all of the store in the order in which they were written;
/// `is_open` is true of those that must stay.
pub(super) fn excess(
    segments: &[KeptSegment],
    needed: &RoomNeeded,
    is_open: impl Fn(&SegmentName) -> bool,
) -> Vec<SegmentName> {
    let RoomNeeded { kind, incoming, max_bytes, to_free, oldest } = *needed;
    let mut removed: Vec<SegmentName> = Vec::new();
    let mut freed = 0;
    let mut total: u64 =
        incoming + segments.iter().filter(|kept| kept.name.kind == kind).map(KeptSegment::on_disk).sum::<u64>();
    let mut count = segments.len();
    for kept in segments.iter().filter(|kept| !is_open(&kept.name)) {
        let is_own = kept.name.kind == kind;
        let too_many = is_own && (total > max_bytes || count > MAX_SEGMENTS);
        // Space is made by events only: the counts are few bytes and last.
        let too_full = kept.name.kind == SegmentKind::Events && freed < to_free;
        if too_many || too_full || is_past(&kept.name, oldest) {
            freed += kept.on_disk();
            total -= if is_own { kept.on_disk() } else { 0 };
            count -= 1;
            removed.push(kept.name);
        }
    }
    removed
}

fn is_past(name: &SegmentName, oldest: Timestamp) -> bool {
    matches!(name.form, SegmentForm::Closed { span, .. } if span.until < oldest)
}

#[cfg(test)]
mod tests {
    use super::{KeptSegment, MAX_SEGMENTS, RoomNeeded, excess};
    use crate::{
        event::span::TimeSpan,
        sink::store::name::{SegmentKind, SegmentName},
    };
    use jiff::Timestamp;

    const MIB: u64 = 1 << 20;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    /// A closed segment of a MiB whose last time is `until`.
    fn kept(kind: SegmentKind, number: u64, until: i64) -> KeptSegment {
        let span = TimeSpan { since: second(0), until: second(until) };
        KeptSegment { name: SegmentName::closed(kind, number, span, false), bytes: MIB }
    }

    fn needed(max_bytes: u64) -> RoomNeeded {
        RoomNeeded { kind: SegmentKind::Events, incoming: 100, max_bytes, to_free: 0, oldest: second(0) }
    }

    fn numbers(names: &[SegmentName]) -> Vec<(SegmentKind, u64)> {
        names.iter().map(|name| (name.kind, name.number)).collect()
    }

    #[test]
    fn the_oldest_goes_before_the_limit_is_passed() {
        let segments: Vec<_> = (1..=4).map(|number| kept(SegmentKind::Events, number, 100)).collect();
        let none_open = |_: &SegmentName| false;
        assert_eq!(excess(&segments, &needed(5 * MIB), none_open), []);
        let removed = excess(&segments, &needed(4 * MIB), none_open);
        assert_eq!(numbers(&removed), [(SegmentKind::Events, 1)], "the bytes to come count");
        let removed = excess(&segments, &needed(2 * MIB + 200), |name| name.number == 2);
        assert_eq!(numbers(&removed), [(SegmentKind::Events, 1), (SegmentKind::Events, 3)], "an open one stays");
    }

    #[test]
    fn events_do_not_push_out_counts() {
        let segments = [kept(SegmentKind::Events, 1, 100), kept(SegmentKind::Counts, 1, 100)];
        let removed = excess(&segments, &RoomNeeded { to_free: 100 * MIB, ..needed(0) }, |_| false);
        assert_eq!(numbers(&removed), [(SegmentKind::Events, 1)]);
    }

    #[test]
    fn age_is_that_of_the_last_line() {
        let segments = [kept(SegmentKind::Events, 1, 50), kept(SegmentKind::Events, 2, 150)];
        let removed = excess(&segments, &RoomNeeded { oldest: second(100), ..needed(100 * MIB) }, |_| false);
        assert_eq!(numbers(&removed), [(SegmentKind::Events, 1)]);
        let after_a_step_back = RoomNeeded { oldest: second(-1_000_000), ..needed(100 * MIB) };
        assert_eq!(excess(&segments, &after_a_step_back, |_| false), []);
    }

    #[test]
    fn small_segments_are_bounded_by_number_and_by_their_blocks() {
        let tiny = |number| KeptSegment { bytes: 10, ..kept(SegmentKind::Events, number, 100) };
        let segments: Vec<_> = (0..MAX_SEGMENTS as u64 + 5).map(tiny).collect();
        assert_eq!(excess(&segments, &needed(u64::MAX / 2), |_| false).len(), 5);
        assert_eq!(excess(&segments[..10], &needed(4096 * 10), |_| false).len(), 1);
    }
}
