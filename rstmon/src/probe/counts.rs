//! Reads the counting path: both generations of the front table and of the hash, the overflow slots, the losses.

use super::{error::ProbeError, front::FrontReader, sys};
use aya::maps::{Array, MapData, PerCpuArray};
use rstmon_common::{
    CountKey, CountSlot,
    key::direction,
    limits::{NETNS_ENTRIES, REASONS, lost},
    maps::{GENERATION, LOST, OVERFLOW},
};
use std::{
    collections::HashMap,
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};
use zerocopy::FromBytes;

/// A [`CountSlot`] that aya may copy out of the kernel.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct SlotPod(CountSlot);
// SAFETY: CountSlot is plain integers without padding (it derives zerocopy's FromBytes and IntoBytes).
unsafe impl aya::Pod for SlotPod {}

/// Everything that the kernel half has counted, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Counts of the current generation. They grow until the generation changes.
    pub(crate) live: Vec<(CountKey, u64)>,
    /// Counts of the generation that this reading has emptied; to be added once.
    pub(crate) settled: Vec<(CountKey, u64)>,
    /// Overflow counts: direction, reason, count. They only grow.
    pub(crate) overflow: Vec<(u8, u8, u64)>,
    /// Losses by `limits::lost`. They only grow.
    pub(crate) lost: [u64; lost::COUNT as usize],
}

/// Sums of the current generation at the last reading, and when the generation began to count.
#[derive(Clone, Copy, Debug)]
pub(super) struct GenerationTally {
    /// Resets counted in the front table.
    front: u64,
    /// Resets counted in the hash.
    hash: u64,
    since: Instant,
}

impl GenerationTally {
    /// The tally of a generation that begins now.
    pub(super) fn begin() -> Self {
        Self { front: 0, hash: 0, since: Instant::now() }
    }
}

/// How long a generation counts at least before it is emptied only to give the front table other keys.
const MIN_AGE: Duration = Duration::from_mins(1);
/// Resets counted in the hash between two readings, below which a stale front table does not matter.
const MIN_HASH_RESETS: u64 = 1000;

/// Whether the keys in the front table are out of date: most resets since the last reading (`front` in the table,
/// `hash` in the hash) were counted in the hash. `age` is the age of the generation.
fn is_front_stale(front: u64, hash: u64, age: Duration) -> bool {
    hash >= MIN_HASH_RESETS && hash > front && age >= MIN_AGE
}

/// Reads the counting maps.
pub(crate) struct CountReader {
    pub(super) front: FrontReader,
    pub(super) generations: [MapData; 2],
    pub(super) generation: Array<MapData, u32>,
    pub(super) overflow: PerCpuArray<MapData, SlotPod>,
    pub(super) lost: PerCpuArray<MapData, u64>,
    pub(super) netns_sent: MapData,
    pub(super) max_entries: u32,
    pub(super) cpus: usize,
    /// Whether a generation can be emptied: not on a kernel that refuses `membarrier`.
    pub(super) recycles: bool,
    pub(super) current: usize,
    pub(super) tally: GenerationTally,
    /// Whether the other generation counts already, while the current one is being emptied.
    pub(super) emptying: bool,
    /// Counts that were taken out of the current generation and not returned yet, because a reading failed in between.
    pub(super) settled: Vec<(CountKey, u64)>,
}

impl CountReader {
    /// Reads everything. When the hash is more than half full, or the keys in the front table are out of date, the
    /// other generation takes over and this one is emptied, after every program that may still write to it has ended:
    /// no count is lost or read twice.
    pub(crate) fn read(&mut self) -> Result<Counts, ProbeError> {
        let [mut hash, mut front] = self.read_current()?;
        let crowded = hash.len() * 2 > self.max_entries as usize;
        if self.emptying || (self.recycles && (crowded || self.becomes_stale(hits(&front), hits(&hash)))) {
            self.recycle()?;
            [hash, front] = self.read_current()?;
        }
        hash.append(&mut front);
        let (overflow, lost) = (self.read_overflow()?, sums(&self.lost)?);
        let settled = std::mem::take(&mut self.settled);
        Ok(Counts { live: merged(hash), settled: merged(settled), overflow, lost })
    }

    /// The counts in the current generation's tables: those of the hash, and those of the front table.
    fn read_current(&self) -> Result<[Vec<(CountKey, u64)>; 2], ProbeError> {
        let (mut hash, mut front) = (Vec::new(), Vec::new());
        self.read_hash(self.current, false, &mut hash)?;
        self.front.read(self.current, |key, hits| front.push((key, hits)));
        Ok([hash, front])
    }

    /// Stores the sums of both tables. Returns whether the front table has become stale.
    fn becomes_stale(&mut self, front: u64, hash: u64) -> bool {
        let before = self.tally;
        self.tally = GenerationTally { front, hash, ..before };
        let (front, hash) = (front.saturating_sub(before.front), hash.saturating_sub(before.hash));
        is_front_stale(front, hash, before.since.elapsed())
    }

    /// Whether full hashes are emptied: only where the kernel allows `membarrier`.
    #[must_use]
    pub(crate) fn recycles(&self) -> bool {
        self.recycles
    }

    /// Switches to the other generation and empties this one. A step that fails is tried again at the next reading; the
    /// counts that were taken out until then are kept.
    fn recycle(&mut self) -> Result<(), ProbeError> {
        let next = 1 - self.current;
        let number = u32::try_from(next).unwrap_or(0);
        self.generation.set(0, number, 0).map_err(ProbeError::map(GENERATION))?;
        self.emptying = true;
        sys::wait_for_running_programs().map_err(|source| ProbeError::ReadCounts { source })?;
        let mut settled = std::mem::take(&mut self.settled);
        let emptied = self.read_hash(self.current, true, &mut settled);
        if emptied.is_ok() {
            self.front.read(self.current, |key, hits| settled.push((key, hits)));
            self.front.empty(self.current);
        }
        self.settled = settled;
        emptied?;
        self.current = next;
        self.tally = GenerationTally::begin();
        self.emptying = false;
        Ok(())
    }

    /// Appends to `counts`, including what was read before an error.
    fn read_hash(&self, index: usize, delete: bool, counts: &mut Vec<(CountKey, u64)>) -> Result<(), ProbeError> {
        let map = &self.generations[index];
        let slot_bytes = size_of::<CountSlot>().next_multiple_of(8);
        sys::read_hash(
            map.fd().as_fd(),
            size_of::<CountKey>(),
            slot_bytes * self.cpus,
            self.max_entries,
            delete,
            |key, slots| {
                if let Ok(key) = CountKey::read_from_bytes(key) {
                    let hits = slots
                        .chunks_exact(slot_bytes)
                        .filter_map(|slot| CountSlot::read_from_prefix(slot).ok())
                        .map(|(slot, _)| slot.hits)
                        .sum();
                    counts.push((key, hits));
                }
            },
        )
        .map_err(|source| ProbeError::ReadCounts { source })
    }

    /// Resets sent in each network namespace, by its cookie, and the number of resets whose namespace is not known. A
    /// namespace's count only grows, until [`Self::forget_netns`] is called for it.
    pub(crate) fn sent_by_netns(&self) -> Result<(HashMap<u64, u64>, u64), ProbeError> {
        if self.recycles {
            let freed = self.front.free_given_up(sys::wait_for_running_programs);
            freed.map_err(|source| ProbeError::ReadCounts { source })?;
        }
        let mut sent = HashMap::new();
        sys::read_hash(
            self.netns_sent.fd().as_fd(),
            size_of::<u64>(),
            size_of::<u64>() * self.cpus,
            NETNS_ENTRIES,
            false,
            |cookie, counts| {
                if let Ok(cookie) = u64::read_from_bytes(cookie) {
                    let counts = counts.chunks_exact(size_of::<u64>());
                    sent.insert(cookie, counts.filter_map(|count| u64::read_from_bytes(count).ok()).sum());
                }
            },
        )
        .map_err(|source| ProbeError::ReadCounts { source })?;
        self.front.add_sent(&mut sent);
        let unknown = sums::<{ lost::COUNT as usize }>(&self.lost)?[lost::NETNS_TALLY as usize];
        Ok((sent, unknown))
    }

    /// Removes the count of a network namespace.
    pub(crate) fn forget_netns(&self, cookie: u64) -> Result<(), ProbeError> {
        self.front.give_up(cookie);
        sys::delete(self.netns_sent.fd().as_fd(), cookie).map_err(|source| ProbeError::ReadCounts { source })
    }

    /// Number of CPUs that may count at the same time.
    #[must_use]
    pub(crate) fn cpus(&self) -> usize {
        self.cpus
    }

    fn read_overflow(&self) -> Result<Vec<(u8, u8, u64)>, ProbeError> {
        let mut overflow = Vec::new();
        for index in 0..direction::COUNT * REASONS {
            let slots = self.overflow.get(&index, 0).map_err(ProbeError::map(OVERFLOW))?;
            let hits: u64 = slots.iter().map(|slot| slot.0.hits).sum();
            if hits > 0 {
                let (direction, reason) = (index / REASONS, index % REASONS);
                overflow.push((u8::try_from(direction).unwrap_or(0), u8::try_from(reason).unwrap_or(0), hits));
            }
        }
        Ok(overflow)
    }
}

fn hits(counts: &[(CountKey, u64)]) -> u64 {
    counts.iter().map(|(_, hits)| hits).sum()
}

/// The counts with each key once: a key may be in the front table of several CPUs and in the hash.
fn merged(counts: Vec<(CountKey, u64)>) -> Vec<(CountKey, u64)> {
    let mut sums: HashMap<CountKey, u64> = HashMap::with_capacity(counts.len());
    for (key, hits) in counts {
        *sums.entry(key).or_default() += hits;
    }
    sums.into_iter().collect()
}

fn sums<const N: usize>(map: &PerCpuArray<MapData, u64>) -> Result<[u64; N], ProbeError> {
    let mut sums = [0; N];
    for (index, sum) in (0u32..).zip(&mut sums) {
        *sum = map.get(&index, 0).map_err(ProbeError::map(LOST))?.iter().sum();
    }
    Ok(sums)
}

/// Number of CPUs that a per-CPU value has slots for.
pub(super) fn possible_cpus() -> Result<usize, ProbeError> {
    aya::util::nr_cpus().map_err(|(file, source)| ProbeError::Cpus { file, source: io::Error::other(source) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_table_is_stale_when_most_resets_are_counted_in_the_hash() {
        assert!(is_front_stale(900, 1000, MIN_AGE));
        assert!(!is_front_stale(1000, 1000, MIN_AGE), "half of them are counted in the table");
        assert!(!is_front_stale(900, 1000, Duration::from_secs(59)), "the generation is too young");
        assert!(!is_front_stale(0, 999, MIN_AGE), "too few resets");
    }

    #[test]
    fn a_key_of_several_tables_is_counted_once() {
        let key = |service_port| CountKey { service_port, ..CountKey::default() };
        let mut sums = merged(vec![(key(80), 1), (key(443), 2), (key(80), 4)]);
        sums.sort_by_key(|(key, _)| key.service_port);
        assert_eq!(sums, [(key(80), 5), (key(443), 2)]);
        assert_eq!(merged(Vec::new()), []);
    }
}
