//! The table in front of the hashes: where a reset is counted with one comparison instead of a hash and a look-up.

use crate::{atomic, maps::FRONT};
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use rstmon_common::{
    CountKey, CountSlot,
    front::{BUSY, Front, LAST, Place, TAKEN, WORDS, place_of, place_of_namespace},
};

/// This CPU's table.
#[inline(always)]
fn table() -> Option<*mut Front> {
    // SAFETY: takes nothing, returns a number.
    FRONT.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })
}

/// The slot of a key, if its place is the key's own or free.
#[inline(always)]
pub fn slot(key: &CountKey, generation: u32) -> Option<*mut CountSlot> {
    // SAFETY: a key is as many words, and is aligned to them; the indices are within their arrays.
    unsafe {
        let key = &*core::ptr::from_ref(key).cast::<[u64; WORDS]>();
        let place = &raw mut (*table()?).keys[generation as usize & 1][place_of(key)];
        (is_of(place, key) || take(place, key)).then_some(&raw mut (*place).slot)
    }
}

/// # Safety
/// `place` must be a live map value.
#[inline(always)]
unsafe fn is_of(place: *const Place, key: &[u64; WORDS]) -> bool {
    // SAFETY: by the caller's promise. The mark is looked at with the rest: a place without it is not the key's.
    let known = unsafe { &(*place).key };
    let mut difference = known[LAST] ^ (key[LAST] | TAKEN);
    for word in 0..LAST {
        difference |= known[word] ^ key[word];
    }
    difference == 0
}

/// Takes a free place for a key.
///
/// # Safety
/// `place` must be a live map value.
#[inline(never)]
unsafe fn take(place: *mut Place, key: &[u64; WORDS]) -> bool {
    // SAFETY: by the caller's promise; whoever has marked a free place is alone with it. Its count is zero.
    unsafe {
        let mark = &raw mut (*place).key[LAST];
        if !atomic::claim(mark, BUSY) {
            return false;
        }
        (&mut (*place).key)[..LAST].copy_from_slice(&key[..LAST]);
        // A full barrier: who sees the mark sees the key.
        atomic::swap(mark, key[LAST] | TAKEN);
    }
    true
}

/// The counter of a network namespace, if its place is its own or free.
#[inline(always)]
pub fn sent(cookie: u64) -> Option<*mut u64> {
    // SAFETY: a live map value, and an index within its array.
    unsafe {
        let place = &raw mut (*table()?).sent[place_of_namespace(cookie)];
        // The count of a free place is zero.
        ((*place).cookie == cookie || atomic::claim(&raw mut (*place).cookie, cookie))
            .then_some(&raw mut (*place).resets)
    }
}
