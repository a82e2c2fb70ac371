//! The front table: one table for each CPU in front of the count hashes, in which most resets are counted without a
//! look-up in the hash.
//!
//! A key has one slot in it. The first key that comes to a slot keeps it until the generation is emptied; another key
//! of the same slot is counted in the hash. A slot is marked [`BUSY`] before its key is written and [`TAKEN`]
//! afterwards, so that neither an interrupt nor the reader uses a key that is written only in part.

use crate::{CountKey, CountSlot};

/// Slots for keys in a generation, a power of two.
pub const KEYS: usize = 128;
/// Slots for network namespaces, a power of two.
pub const NAMESPACES: usize = 64;
/// Length of a key in 64-bit words.
pub const WORDS: usize = size_of::<CountKey>() / size_of::<u64>();
/// Mark of a slot that has a key.
pub const TAKEN: u64 = 1;
/// Mark of a slot that is being taken. No cookie of a namespace has this value.
pub const BUSY: u64 = 2 << 32;

/// The slot of a key: one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct KeySlot {
    /// The key in words: valid where the mark is [`TAKEN`].
    pub key: [u64; WORDS],
    /// [`TAKEN`], [`BUSY`], or 0 where the slot is free.
    pub mark: u64,
    /// Count of the key.
    pub count: CountSlot,
}

/// The slot of a network namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct NetnsSlot {
    /// Cookie of the namespace; 0 = free, [`BUSY`] = given up and not free yet.
    pub cookie: u64,
    /// Resets sent in the namespace.
    pub resets: u64,
}

/// The front table of one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FrontTable {
    /// Counts of resets, by generation.
    pub keys: [[KeySlot; KEYS]; 2],
    /// Resets sent, by network namespace.
    pub sent: [NetnsSlot; NAMESPACES],
}

/// Index of a key's slot. Every bit of the key affects it.
#[inline]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a few bits")]
pub fn slot_of(key: &[u64; WORDS]) -> usize {
    // Odd numbers without a pattern: each word affects the highest bits differently, and those of consecutive numbers
    // (control groups, ports) are far apart.
    const WEIGHTS: [u64; WORDS] = [
        0x9e37_79b9_7f4a_7c15,
        0xc2b2_ae3d_27d4_eb4f,
        0x1656_67b1_9e37_79f9,
        0x27d4_eb2f_1656_67c5,
        0x61c8_8646_80b5_83eb,
    ];
    let mut sum = 0u64;
    for (word, weight) in key.iter().zip(WEIGHTS) {
        sum = sum.wrapping_add((word ^ word >> 32).wrapping_mul(weight));
    }
    // The highest bits of the sum: a bit of a word has no effect on lower bits of its product.
    let slot = (sum >> (u64::BITS - KEYS.ilog2())) as usize;
    slot & (KEYS - 1)
}

/// Index of a network namespace's slot: cookies are consecutive numbers.
#[inline]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "masked to a few bits")]
pub fn slot_of_namespace(cookie: u64) -> usize {
    cookie as usize & (NAMESPACES - 1)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::{collections::BTreeSet, vec::Vec};

    fn words(key: CountKey) -> [u64; WORDS] {
        zerocopy::transmute!(key)
    }

    #[test]
    fn a_slot_is_a_cache_line() {
        assert_eq!(size_of::<KeySlot>(), 64);
        assert_eq!(size_of::<FrontTable>() % 64, 0);
    }

    #[test]
    fn keys_that_differ_in_one_field_spread() {
        let slots =
            |keys: Vec<CountKey>| keys.into_iter().map(|key| slot_of(&words(key))).collect::<BTreeSet<_>>().len();
        let ports = (0..64).map(|port| CountKey { service_port: 8000 + port, ..CountKey::default() }).collect();
        let cgroups = (0..64).map(|cgroup| CountKey { cgroup: 4000 + cgroup, ..CountKey::default() }).collect();
        let reasons = (0..64).map(|reason| CountKey { reason, ..CountKey::default() }).collect();
        let evidence = (0..58).map(|bit| CountKey { evidence: 1 << bit, ..CountKey::default() }).collect();
        // 64 balls in 128 boxes take about 50 of them.
        for (name, keys, least) in
            [("ports", ports, 40), ("cgroups", cgroups, 40), ("reasons", reasons, 40), ("evidence", evidence, 36)]
        {
            let found = slots(keys);
            assert!(found >= least, "{name}: {found} slots");
        }
    }
}
