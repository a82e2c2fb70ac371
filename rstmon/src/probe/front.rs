//! Reads the front table (`rstmon_common::front`), in memory that is shared with the kernel half.

use super::sys::SharedPages;
use aya::maps::MapData;
use rstmon_common::{
    CountKey, CountSlot,
    front::{BUSY, FrontTable, KEYS, KeySlot, NAMESPACES, NetnsSlot, TAKEN, WORDS},
};
use std::{
    collections::HashMap,
    io,
    mem::offset_of,
    os::fd::AsFd as _,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

/// The front tables of all CPUs.
pub(super) struct FrontReader {
    pages: SharedPages,
    cpus: usize,
}

impl FrontReader {
    /// Maps an array map that has an entry for each of `cpus`.
    pub(super) fn map(map: &MapData, cpus: usize) -> io::Result<Self> {
        Ok(Self { pages: SharedPages::map(map.fd().as_fd(), Self::bytes(cpus), true)?, cpus })
    }

    /// Size of the tables of that many CPUs, in whole pages.
    fn bytes(cpus: usize) -> usize {
        (cpus * size_of::<FrontTable>()).next_multiple_of(rustix::param::page_size())
    }

    /// Calls `found` with each key of a generation and its count, once for each CPU that counted it.
    pub(super) fn read(&self, generation: usize, mut found: impl FnMut(CountKey, u64)) {
        for slot in self.slots(generation) {
            // Pairs with the barrier of the program that set the mark: a reader that sees the mark sees the key.
            if self.mark(slot).load(Ordering::Acquire) == TAKEN {
                let mut key = [0; WORDS];
                for (index, word) in key.iter_mut().enumerate() {
                    *word = self.word(slot + offset_of!(KeySlot, key) + index * 8).load(Ordering::Relaxed);
                }
                found(zerocopy::transmute!(key), self.hits(slot).load(Ordering::Relaxed));
            }
        }
    }

    /// Frees every slot of a generation, in which no program may be counting any more.
    pub(super) fn empty(&self, generation: usize) {
        for slot in self.slots(generation) {
            self.hits(slot).store(0, Ordering::Relaxed);
            for window in [offset_of!(CountSlot, window), offset_of!(CountSlot, offered)] {
                // SAFETY: an aligned word of four bytes within the mapping.
                unsafe { self.pages.at::<AtomicU32>(slot + offset_of!(KeySlot, count) + window) }
                    .store(0, Ordering::Relaxed);
            }
            self.mark(slot).store(0, Ordering::Release);
        }
    }

    /// Adds the resets sent in each network namespace.
    pub(super) fn add_sent(&self, sent: &mut HashMap<u64, u64>) {
        for slot in self.namespaces() {
            let cookie = self.cookie(slot).load(Ordering::Acquire);
            if cookie != 0 && cookie != BUSY {
                *sent.entry(cookie).or_default() += self.resets(slot).load(Ordering::Relaxed);
            }
        }
    }

    /// Gives up the slots of a network namespace; [`Self::free_given_up`] frees them for others.
    pub(super) fn give_up(&self, cookie: u64) {
        for slot in self.namespaces() {
            let _ = self.cookie(slot).compare_exchange(cookie, BUSY, Ordering::SeqCst, Ordering::Relaxed);
        }
    }

    /// Frees the slots that were given up, if there are any. `wait` returns when every program has ended that may have
    /// found one of them before; it takes a while, so it is called once for all slots.
    pub(super) fn free_given_up(&self, wait: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let given_up = |slot: &usize| self.cookie(*slot).load(Ordering::Relaxed) == BUSY;
        let slots: Vec<usize> = self.namespaces().filter(given_up).collect();
        if slots.is_empty() {
            return Ok(());
        }
        wait()?;
        for slot in slots {
            self.resets(slot).store(0, Ordering::Relaxed);
            self.cookie(slot).store(0, Ordering::Release);
        }
        Ok(())
    }

    /// Offsets of a generation's slots, on every CPU.
    fn slots(&self, generation: usize) -> impl Iterator<Item = usize> {
        self.tables().flat_map(move |table| {
            let first = table + offset_of!(FrontTable, keys) + generation * size_of::<[KeySlot; KEYS]>();
            (0..KEYS).map(move |index| first + index * size_of::<KeySlot>())
        })
    }

    /// Offsets of the slots of network namespaces.
    fn namespaces(&self) -> impl Iterator<Item = usize> {
        self.tables().flat_map(|table| {
            (0..NAMESPACES).map(move |index| table + offset_of!(FrontTable, sent) + index * size_of::<NetnsSlot>())
        })
    }

    fn tables(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.cpus).map(|cpu| cpu * size_of::<FrontTable>())
    }

    fn mark(&self, slot: usize) -> &AtomicU64 {
        self.word(slot + offset_of!(KeySlot, mark))
    }

    fn hits(&self, slot: usize) -> &AtomicU64 {
        self.word(slot + offset_of!(KeySlot, count) + offset_of!(CountSlot, hits))
    }

    fn cookie(&self, slot: usize) -> &AtomicU64 {
        self.word(slot + offset_of!(NetnsSlot, cookie))
    }

    fn resets(&self, slot: usize) -> &AtomicU64 {
        self.word(slot + offset_of!(NetnsSlot, resets))
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: all offsets come from the layout of the table, whose fields are aligned to their width.
        unsafe { self.pages.at(offset) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstmon_common::front::{slot_of, slot_of_namespace};
    use std::cell::Cell;

    const CPUS: usize = 3;

    /// Tables in a file instead of a map.
    fn tables() -> FrontReader {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(FrontReader::bytes(CPUS) as u64).expect("room");
        let pages = SharedPages::map(file.as_fd(), FrontReader::bytes(CPUS), true).expect("mapped");
        FrontReader { pages, cpus: CPUS }
    }

    fn key(port: u16) -> CountKey {
        CountKey { service_port: port, reason: 200, provenance: 3, evidence: u64::MAX, ..CountKey::default() }
    }

    /// Counts a key like the kernel half, with any mark.
    fn count(front: &FrontReader, cpu: usize, generation: usize, key: CountKey, hits: u64, mark: u64) {
        let words: [u64; WORDS] = zerocopy::transmute!(key);
        let slot = cpu * size_of::<FrontTable>()
            + offset_of!(FrontTable, keys)
            + (generation * KEYS + slot_of(&words)) * size_of::<KeySlot>();
        for (index, word) in words.into_iter().enumerate() {
            front.word(slot + offset_of!(KeySlot, key) + index * 8).store(word, Ordering::Relaxed);
        }
        front.mark(slot).store(mark, Ordering::Relaxed);
        front.hits(slot).store(hits, Ordering::Relaxed);
    }

    fn counted(front: &FrontReader, generation: usize) -> Vec<(CountKey, u64)> {
        let mut counts = Vec::new();
        front.read(generation, |key, hits| counts.push((key, hits)));
        counts
    }

    #[test]
    fn keys_come_out_as_they_went_in_from_every_cpu() {
        let front = tables();
        count(&front, 0, 0, key(80), 5, TAKEN);
        count(&front, CPUS - 1, 0, key(80), 7, TAKEN);
        count(&front, 1, 1, key(443), 9, TAKEN);
        assert_eq!(counted(&front, 0), [(key(80), 5), (key(80), 7)]);
        assert_eq!(counted(&front, 1), [(key(443), 9)]);
    }

    #[test]
    fn a_slot_that_is_being_taken_is_not_read() {
        let front = tables();
        count(&front, 0, 0, key(80), 0, BUSY);
        assert_eq!(counted(&front, 0), []);
    }

    #[test]
    fn an_emptied_generation_is_empty_and_the_other_is_not() {
        let front = tables();
        count(&front, 2, 0, key(80), 5, TAKEN);
        count(&front, 2, 1, key(80), 6, TAKEN);
        front.empty(0);
        assert_eq!(counted(&front, 0), []);
        assert_eq!(counted(&front, 1), [(key(80), 6)]);
        count(&front, 2, 0, key(80), 0, TAKEN);
        assert_eq!(counted(&front, 0), [(key(80), 0)], "its count began at zero");
    }

    fn send(front: &FrontReader, cpu: usize, cookie: u64, resets: u64) {
        let slot = cpu * size_of::<FrontTable>()
            + offset_of!(FrontTable, sent)
            + slot_of_namespace(cookie) * size_of::<NetnsSlot>();
        front.cookie(slot).store(cookie, Ordering::Relaxed);
        front.resets(slot).store(resets, Ordering::Relaxed);
    }

    fn sent(front: &FrontReader) -> HashMap<u64, u64> {
        let mut sent = HashMap::from([(7, 100)]);
        front.add_sent(&mut sent);
        sent
    }

    #[test]
    fn a_namespace_is_added_up_and_given_up_on_every_cpu() {
        let front = tables();
        send(&front, 0, 7, 1);
        send(&front, 2, 7, 2);
        send(&front, 1, 8, 3);
        assert_eq!(sent(&front), HashMap::from([(7, 103), (8, 3)]));
        front.give_up(7);
        assert_eq!(sent(&front), HashMap::from([(7, 100), (8, 3)]), "its slots are given up");
        let waits = Cell::new(0);
        let wait = || {
            waits.set(waits.get() + 1);
            Ok(())
        };
        front.free_given_up(wait).expect("freed");
        front.free_given_up(wait).expect("nothing to free");
        assert_eq!(waits.get(), 1, "once for all slots, and not for none");
        let freed = front.namespaces().filter(|slot| front.cookie(*slot).load(Ordering::Relaxed) == 0).count();
        assert_eq!(freed, CPUS * NAMESPACES - 1);
        assert!(front.namespaces().all(|slot| [0, 3].contains(&front.resets(slot).load(Ordering::Relaxed))));
    }

    #[test]
    fn slots_stay_given_up_where_waiting_fails() {
        let front = tables();
        send(&front, 0, 7, 1);
        front.give_up(7);
        assert!(front.free_given_up(|| Err(io::ErrorKind::Unsupported.into())).is_err());
        assert!(front.namespaces().any(|slot| front.cookie(slot).load(Ordering::Relaxed) == BUSY));
    }
}
