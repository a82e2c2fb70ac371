//! The counting path: one slot for each key, exact under any load.

use crate::{
    atomic, front,
    layout::{RATE_PER_SECOND, SECOND_JIFFIES},
    maps::{COUNTS_0, COUNTS_1, GENERATION, LOST, OVERFLOW},
};
use rstmon_common::{
    CountKey, CountSlot,
    limits::{REASONS, lost},
};

const BPF_NOEXIST: u64 = 1;

/// Counts one reset, at `now` in jiffies: reading a finer clock would cost more than the rate limit needs. Returns
/// whether the rate limit of the key allows an event.
#[inline(never)]
pub fn reset(key: &CountKey, now: u32) -> bool {
    let Some(slot) = slot(key) else { return false };
    // SAFETY: a slot is a live per-CPU map value.
    unsafe {
        atomic::add_one(&raw mut (*slot).hits);
        is_within_rate(slot, now)
    }
}

/// The slot of a key on this CPU: in the front table, else in the hash of the current generation or, where the hash is
/// full, an overflow slot.
#[inline(always)]
fn slot(key: &CountKey) -> Option<*mut CountSlot> {
    let generation = GENERATION.get(0).copied().unwrap_or(1);
    if let Some(slot) = front::count_of(key, generation) {
        return Some(slot);
    }
    let map = if generation == 0 { &COUNTS_0 } else { &COUNTS_1 };
    if let Some(slot) = map.get_ptr_mut(key) {
        return Some(slot);
    }
    // Another CPU may insert the same key first (EEXIST): either way it is there afterwards, unless the map is full
    // or the program that this one interrupted has locked its bucket (EBUSY).
    let _ = map.insert(key, CountSlot { hits: 0, window: 0, offered: 0 }, BPF_NOEXIST);
    if let Some(slot) = map.get_ptr_mut(key) {
        return Some(slot);
    }
    lose(lost::COUNT_OVERFLOW);
    OVERFLOW.get_ptr_mut(u32::from(key.direction & 1) * REASONS + (u32::from(key.reason) & (REASONS - 1)))
}

/// Adds an event to the current window of one second. Returns whether the window is within the limit, which holds for
/// each key on each CPU.
///
/// # Safety
/// `slot` must be a live map value.
#[inline(always)]
unsafe fn is_within_rate(slot: *mut CountSlot, now: u32) -> bool {
    let limit = RATE_PER_SECOND.load();
    if limit == 0 {
        return true;
    }
    // SAFETY: by the caller's promise.
    unsafe {
        if now.wrapping_sub((*slot).window) >= SECOND_JIFFIES.load() {
            (*slot).window = now;
            (*slot).offered = 0;
        }
        if (*slot).offered >= limit {
            lose(lost::RATE_LIMITED);
            return false;
        }
        (*slot).offered += 1;
    }
    true
}

/// Counts a loss (`limits::lost`).
#[inline(always)]
pub fn lose(why: u32) {
    if let Some(count) = LOST.get_ptr_mut(why) {
        // SAFETY: a live map value.
        unsafe { atomic::add_one(count) };
    }
}
