//! What is counted without a hash: a table a CPU in front of the hashes, where most resets find their slot at once.
//!
//! A key has one place in it, and whoever comes there first keeps it until the generation is emptied; another key of the
//! same place is counted in the hash. A place is marked as being taken before its key is written and as taken after, so
//! that neither an interrupt nor the reader takes half a key for a whole one.

use crate::{CountKey, CountSlot};

/// Places for keys, a power of two.
pub const KEYS: usize = 128;
/// Places for network namespaces, a power of two.
pub const NAMESPACES: usize = 64;
/// Words of a key.
pub const WORDS: usize = size_of::<CountKey>() / size_of::<u64>();
/// The last word of a key, the upper half of which is zero in every key (`CountKey::zero`): there is room for the mark.
pub const LAST: usize = WORDS - 1;
/// Mark of a place that has a key.
pub const TAKEN: u64 = 1 << 32;
/// Mark of a place that is being taken. A cookie is never this one.
pub const BUSY: u64 = 2 << 32;

/// A key's place: one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The key by words, with the mark in the last; that one is 0 where the place is free.
    pub key: [u64; WORDS],
    /// Its count.
    pub slot: CountSlot,
}

/// A network namespace's place.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// Cookie of the namespace; 0 = free, [`BUSY`] = being taken or given up.
    pub cookie: u64,
    /// Resets sent there.
    pub resets: u64,
}

/// One CPU's table.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Front {
    /// Counts, by generation.
    pub keys: [[Place; KEYS]; 2],
    /// Resets sent, by network namespace.
    pub sent: [Sent; NAMESPACES],
}

/// The place of a key. Every bit of it weighs.
#[inline]
#[must_use]
pub fn place_of(key: &[u64; WORDS]) -> usize {
    // Odd numbers without a pattern: each word moves the upper bits in a way of its own.
    const WEIGHTS: [u64; WORDS] = [
        0x9e37_79b9_7f4a_7c15,
        0xc2b2_ae3d_27d4_eb4f,
        0x1656_67b1_9e37_79f9,
        0x27d4_eb2f_1656_67c5,
        0xff51_afd7_ed55_8ccd,
    ];
    let mut sum = 0u64;
    for (word, weight) in key.iter().zip(WEIGHTS) {
        sum = sum.wrapping_add((word ^ word >> 32).wrapping_mul(weight));
    }
    let place = (sum >> 32) as usize;
    place & (KEYS - 1)
}

/// The place of a network namespace: cookies are handed out in turn.
#[inline]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a few bits")]
pub fn place_of_namespace(cookie: u64) -> usize {
    cookie as usize & (NAMESPACES - 1)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::{collections::BTreeSet, vec::Vec};
    use zerocopy::FromZeros;

    fn words(key: CountKey) -> [u64; WORDS] {
        zerocopy::transmute!(key)
    }

    #[test]
    fn a_place_is_a_cache_line() {
        assert_eq!(size_of::<Place>(), 64);
        assert_eq!(size_of::<Front>() % 64, 0);
    }

    #[test]
    fn no_key_has_the_bits_of_a_mark() {
        let mut key = CountKey::new_zeroed();
        (key.reason, key.state, key.socket, key.provenance) = (255, 255, 255, 255);
        assert_eq!(words(key)[LAST] & (TAKEN | BUSY), 0);
    }

    #[test]
    fn keys_that_differ_in_one_field_spread() {
        let places =
            |keys: Vec<CountKey>| keys.into_iter().map(|key| place_of(&words(key))).collect::<BTreeSet<_>>().len();
        let ports = (0..64).map(|port| CountKey { service_port: 8000 + port, ..CountKey::default() }).collect();
        let cgroups = (0..64).map(|cgroup| CountKey { cgroup: 4000 + cgroup, ..CountKey::default() }).collect();
        let reasons = (0..64).map(|reason| CountKey { reason, ..CountKey::default() }).collect();
        let evidence = (0..20).map(|bit| CountKey { evidence: 1 << bit, ..CountKey::default() }).collect();
        // 64 balls in 128 boxes take about 50 of them.
        for (name, keys, least) in
            [("ports", ports, 40), ("cgroups", cgroups, 40), ("reasons", reasons, 40), ("evidence", evidence, 15)]
        {
            let found = places(keys);
            assert!(found >= least, "{name}: {found} places");
        }
    }
}
