//! Tombstones of connections: a ring of the last that closed, and a table that has the newest of those whose ends have the
//! same hash; each has the number of the one before it.
//!
//! A close writes where the one before it wrote, so that little of it has to be fetched from far away. A grave's word is
//! [`BUSY`] while it is written to: whoever finds it so stays away, and what was read is believed only if the word was the
//! same before and after, and the ends are those that were looked for. So nobody is told the owner of another connection.

use crate::{
    atomic,
    layout::TOMBSTONES_MASK,
    maps::{BURIED, NEWEST, TOMBSTONES},
};
use rstmon_common::{Tombstone, Tuple, note::Grave};

/// A grave that is being written to. Its number would be one that is never given.
const BUSY: u64 = u32::MAX as u64;
/// How often a busy grave is looked at before it is given up: longer than another CPU writes.
const PATIENCE: u32 = 16;
/// How many of the same hash are looked at, from the newest on. On average there are two.
const DEPTH: u32 = 8;
const TUPLE_WORDS: usize = size_of::<Tuple>() / size_of::<u64>();

#[inline(always)]
fn words(tuple: &Tuple) -> &[u64; TUPLE_WORDS] {
    // SAFETY: a tuple is as many words, and is aligned to them.
    unsafe { &*core::ptr::from_ref(tuple).cast() }
}

/// Without a way out for each word, all of which the verifier would follow.
#[inline(always)]
fn is_same(one: &Tuple, other: &Tuple) -> bool {
    let mut difference = 0;
    for (one, other) in words(one).iter().zip(words(other)) {
        difference |= one ^ other;
    }
    difference == 0
}

/// The newest grave of a hash, by number; 0 = none.
#[inline(always)]
fn newest(tuple: &Tuple) -> Option<*mut u64> {
    let mut sum = 0u64;
    for word in words(tuple) {
        sum = (sum ^ word ^ word >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    NEWEST.get_ptr_mut(number_of(sum >> 32) & TOMBSTONES_MASK.load())
}

#[inline(always)]
fn grave(number: u32) -> Option<*mut Grave> {
    TOMBSTONES.get_ptr_mut(number & TOMBSTONES_MASK.load())
}

/// The number in a word; what is above it is the number of the one before.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "half a word")]
fn number_of(word: u64) -> u32 {
    word as u32
}

/// Remembers a closed connection: `write` fills in its tombstone, every byte of it.
///
/// It is forgotten where somebody still writes to the grave, a whole ring later: that costs an owner, never a reset.
#[inline(always)]
pub fn bury(tuple: &Tuple, write: impl FnOnce(*mut Tombstone)) {
    let (Some(buried), Some(newest)) = (BURIED.get_ptr_mut(0), newest(tuple)) else { return };
    // SAFETY: live map values; the word lets in one at a time.
    unsafe {
        let number = number_of(atomic::add(buried, 1) + 1);
        let Some(grave) = grave(number) else { return };
        let word = &raw mut (*grave).word;
        let before = word.read_volatile();
        if number == 0 || u64::from(number) == BUSY || before == BUSY || !atomic::replace(word, before, BUSY) {
            return;
        }
        (*grave).tuple = *tuple;
        write(&raw mut (*grave).tombstone);
        let older = atomic::swap(newest, number.into());
        // A full barrier: who sees the word sees what was written.
        atomic::swap(word, u64::from(number) | older << 32);
    }
}

/// Copies what is remembered of a connection; tells whether anything is. `own` is any word of this CPU.
#[inline(never)]
pub fn find(tuple: &Tuple, to: *mut Tombstone, own: *mut u64) -> bool {
    let Some(newest) = newest(tuple) else { return false };
    // SAFETY: live map values.
    unsafe {
        let mut number = number_of(newest.read_volatile());
        if let Some(grave) = grave(number) {
            wait(&raw const (*grave).word);
        }
        for _ in 0..DEPTH {
            let Some(grave) = grave(number) else { return false };
            let word = (&raw const (*grave).word).read_volatile();
            if number == 0 || number_of(word) != number {
                return false;
            }
            if is_same(&(*grave).tuple, tuple) {
                break;
            }
            number = number_of(word >> 32);
        }
        // Found, or too far away: the copy is of another connection then, and told so.
        grave(number).is_some_and(|grave| copy(grave, number, tuple, to, own))
    }
}

/// Waits until a grave is not busy: the newest of a hash may just be written.
///
/// # Safety
/// `word` must be within a live map value.
#[inline(always)]
unsafe fn wait(word: *const u64) {
    for _ in 0..PATIENCE {
        // SAFETY: by the caller's promise.
        if unsafe { word.read_volatile() } != BUSY {
            break;
        }
    }
}

/// Copies a tombstone; tells whether it is of that connection, and whole.
///
/// # Safety
/// All must be within live map values.
#[inline(always)]
unsafe fn copy(grave: *const Grave, number: u32, tuple: &Tuple, to: *mut Tombstone, own: *mut u64) -> bool {
    // SAFETY: by the caller's promise.
    unsafe {
        let word = (&raw const (*grave).word).read_volatile();
        atomic::fence(own);
        let same = number_of(word) == number && is_same(&(*grave).tuple, tuple);
        *to = (*grave).tombstone;
        atomic::fence(own);
        same && (&raw const (*grave).word).read_volatile() == word
    }
}
