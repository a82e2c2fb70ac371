//! The front table (`rstmon_common::front`): counts a reset with one comparison instead of a hash and a look-up.

use crate::{atomic, maps::FRONT};
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use rstmon_common::{
    CountKey, CountSlot,
    front::{BUSY, FrontTable, KeySlot, TAKEN, WORDS, slot_of, slot_of_namespace},
};

/// The table of this CPU.
#[inline(always)]
fn table() -> Option<*mut FrontTable> {
    // SAFETY: takes nothing, returns a number.
    FRONT.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })
}

/// The count of a key, if its slot has this key or is free.
#[inline(always)]
pub fn count_of(key: &CountKey, generation: u32) -> Option<*mut CountSlot> {
    // SAFETY: a key is `WORDS` aligned words; the indices are within their arrays.
    unsafe {
        let key = &*core::ptr::from_ref(key).cast::<[u64; WORDS]>();
        let slot = &raw mut (*table()?).keys[generation as usize & 1][slot_of(key)];
        (has_key(slot, key) || take(slot, key)).then_some(&raw mut (*slot).count)
    }
}

/// # Safety
/// `slot` must be within a live map value.
#[inline(always)]
unsafe fn has_key(slot: *const KeySlot, key: &[u64; WORDS]) -> bool {
    // SAFETY: by the caller's promise. The mark is compared with the rest: a slot without it does not match.
    let KeySlot { key: known, mark, .. } = unsafe { &*slot };
    let mut difference = *mark ^ TAKEN;
    for (known, word) in known.iter().zip(key) {
        difference |= known ^ word;
    }
    difference == 0
}

/// Takes a free slot for a key.
///
/// # Safety
/// `slot` must be within a live map value.
#[inline(never)]
unsafe fn take(slot: *mut KeySlot, key: &[u64; WORDS]) -> bool {
    // SAFETY: by the caller's promise; only the program that has marked a free slot writes to it. Its count is zero.
    unsafe {
        let mark = &raw mut (*slot).mark;
        if !atomic::claim(mark, BUSY) {
            return false;
        }
        (*slot).key = *key;
        // A full barrier: a reader that sees the mark sees the key.
        atomic::swap(mark, TAKEN);
    }
    true
}

/// The counter of a network namespace, if its slot has this namespace or is free.
#[inline(always)]
pub fn sent(cookie: u64) -> Option<*mut u64> {
    // SAFETY: a live map value, and an index within its array.
    unsafe {
        let slot = &raw mut (*table()?).sent[slot_of_namespace(cookie)];
        // The count of a free slot is zero.
        ((*slot).cookie == cookie || atomic::claim(&raw mut (*slot).cookie, cookie)).then_some(&raw mut (*slot).resets)
    }
}
