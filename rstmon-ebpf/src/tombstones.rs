//! Tombstones of connections: a ring of the connections that closed last, and a table that holds, for each hash of both
//! ends, the number of the newest tombstone. Each tombstone has the number of its predecessor with the same hash.
//!
//! A close writes next to where the close before it wrote, so that few cache lines have to be fetched. The word of a
//! slot is [`BUSY`] while the slot is written to: other writers leave the slot alone, and a reader uses its copy only
//! if the word was the same before and after, and the ends are those that it looked for. So a reset is never given the
//! owner of another connection.

use crate::{
    atomic,
    layout::TOMBSTONES_MASK,
    maps::{BURIED, NEWEST, TOMBSTONES},
};
use rstmon_common::{Tombstone, Tuple, evidence, note::TombstoneSlot};

/// Word of a slot that is being written to. No tombstone is given this number.
const BUSY: u64 = u32::MAX as u64;
/// How many times the word of a busy slot is read before the look-up gives up: longer than another CPU takes to write.
const BUSY_READS: u32 = 16;
/// How many tombstones of the same hash a look-up visits, from the newest on. On average there are two.
const DEPTH: u32 = 8;
const TUPLE_WORDS: usize = size_of::<Tuple>() / size_of::<u64>();

#[inline(always)]
fn words(tuple: &Tuple) -> &[u64; TUPLE_WORDS] {
    // SAFETY: a tuple is `TUPLE_WORDS` aligned words.
    unsafe { &*core::ptr::from_ref(tuple).cast() }
}

/// Compares all words before it branches: the verifier would follow a branch for each word separately.
#[inline(always)]
fn is_same(one: &Tuple, other: &Tuple) -> bool {
    let mut difference = 0;
    for (one, other) in words(one).iter().zip(words(other)) {
        difference |= one ^ other;
    }
    difference == 0
}

/// Where the number of the newest tombstone of the ends' hash is; 0 there = none.
#[inline(always)]
fn newest(tuple: &Tuple) -> Option<*mut u64> {
    let mut sum = 0u64;
    for word in words(tuple) {
        sum = (sum ^ word ^ word >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    NEWEST.get_ptr_mut(number_of(sum >> 32) & TOMBSTONES_MASK.load())
}

#[inline(always)]
fn slot(number: u32) -> Option<*mut TombstoneSlot> {
    TOMBSTONES.get_ptr_mut(number & TOMBSTONES_MASK.load())
}

/// The number in a word's lower half; its upper half is the number of the tombstone before.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "half a word")]
fn number_of(word: u64) -> u32 {
    word as u32
}

/// Adds the tombstone of a closed connection: `write` fills in every byte of it. Returns its number; 0 = there is none.
///
/// It is dropped where another CPU still writes to the slot, after as many closes as the ring has slots: that costs an
/// owner, never a reset.
#[inline(always)]
pub fn add(tuple: &Tuple, write: impl FnOnce(*mut Tombstone)) -> u32 {
    let (Some(added), Some(newest)) = (BURIED.get_ptr_mut(0), newest(tuple)) else { return 0 };
    // SAFETY: live map values; the word admits one writer at a time.
    unsafe {
        let number = number_of(atomic::add(added, 1) + 1);
        let Some(slot) = slot(number) else { return 0 };
        let word = &raw mut (*slot).word;
        let before = word.read_volatile();
        if number == 0 || u64::from(number) == BUSY || before == BUSY || !atomic::replace(word, before, BUSY) {
            return 0;
        }
        (*slot).tuple = *tuple;
        write(&raw mut (*slot).tombstone);
        let older = atomic::swap(newest, number.into());
        // A full barrier: a reader that sees the word sees the tombstone.
        atomic::swap(word, u64::from(number) | older << 32);
        number
    }
}

/// Stores in a tombstone that the connection ended by a reset that this host sent: the kernel sets a socket to CLOSE,
/// which adds the tombstone, before it sends the reset. A tombstone that the ring has replaced meanwhile is left alone.
#[inline(always)]
pub fn mark_reset_sent(number: u32) {
    const ENDED: u32 = evidence::pack(evidence::ENDED);
    const RESET_SENT: u32 = evidence::pack(evidence::with_ended(0, evidence::ended::RESET_SENT));
    let Some(slot) = slot(number) else { return };
    // SAFETY: a live map value; one aligned word, so that no reader sees half of it.
    unsafe {
        if number != 0 && number_of((&raw const (*slot).word).read_volatile()) == number {
            let facts = &raw mut (*slot).tombstone.facts;
            facts.write_volatile(facts.read_volatile() & !ENDED | RESET_SENT);
        }
    }
}

/// Copies the tombstone of a connection. Returns its number; 0 = there is none. `own` is any word that only this CPU
/// writes to.
#[inline(never)]
pub fn find(tuple: &Tuple, to: *mut Tombstone, own: *mut u64) -> u32 {
    let Some(newest) = newest(tuple) else { return 0 };
    // SAFETY: live map values.
    unsafe {
        let mut number = number_of(newest.read_volatile());
        if let Some(slot) = slot(number) {
            wait(&raw const (*slot).word);
        }
        for _ in 0..DEPTH {
            let Some(slot) = slot(number) else { return 0 };
            let word = (&raw const (*slot).word).read_volatile();
            if number == 0 || number_of(word) != number {
                return 0;
            }
            if is_same(&(*slot).tuple, tuple) {
                break;
            }
            number = number_of(word >> 32);
        }
        // Found, or deeper than `DEPTH`: then the ends are those of another connection, and `copy` returns false.
        if slot(number).is_some_and(|slot| copy(slot, number, tuple, to, own)) { number } else { 0 }
    }
}

/// Waits until a slot is not busy: another CPU may be writing the newest tombstone of the hash at this moment.
///
/// # Safety
/// `word` must be within a live map value.
#[inline(always)]
unsafe fn wait(word: *const u64) {
    for _ in 0..BUSY_READS {
        // SAFETY: by the caller's promise.
        if unsafe { word.read_volatile() } != BUSY {
            break;
        }
    }
}

/// Copies a tombstone. Returns whether the copy is complete and of that connection.
///
/// # Safety
/// All pointers must be within live map values.
#[inline(always)]
unsafe fn copy(slot: *const TombstoneSlot, number: u32, tuple: &Tuple, to: *mut Tombstone, own: *mut u64) -> bool {
    // SAFETY: by the caller's promise.
    unsafe {
        let word = (&raw const (*slot).word).read_volatile();
        atomic::fence(own);
        let same = number_of(word) == number && is_same(&(*slot).tuple, tuple);
        *to = (*slot).tombstone;
        atomic::fence(own);
        same && (&raw const (*slot).word).read_volatile() == word
    }
}
