//! Reading the table in front of the count hashes (`rstmon_common::front`): memory that both halves map.

use super::sys::SharedPages;
use aya::maps::MapData;
use rstmon_common::{
    CountKey, CountSlot,
    front::{BUSY, Front, KEYS, LAST, NAMESPACES, Place, Sent, TAKEN, WORDS},
};
use std::{
    collections::HashMap,
    io,
    mem::offset_of,
    os::fd::AsFd as _,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

/// The tables of all CPUs.
pub(super) struct FrontReader {
    pages: SharedPages,
    cpus: usize,
}

impl FrontReader {
    /// Maps the map of that name, which has an entry for each of `cpus`.
    pub(super) fn map(map: &MapData, cpus: usize) -> io::Result<Self> {
        let bytes = (cpus * size_of::<Front>()).next_multiple_of(rustix::param::page_size());
        Ok(Self { pages: SharedPages::map(map.fd().as_fd(), bytes, true)?, cpus })
    }

    /// Hands over each key of a generation with its count, once for each CPU that counted it.
    pub(super) fn read(&self, generation: usize, mut found: impl FnMut(CountKey, u64)) {
        for place in self.places(generation) {
            // Together with the barrier of whoever set the mark: who sees it sees the key.
            let last = self.word(place + offset_of!(Place, key) + LAST * 8).load(Ordering::Acquire);
            if last & TAKEN != 0 {
                let mut key = [0; WORDS];
                for (index, word) in key.iter_mut().enumerate() {
                    *word = self.word(place + offset_of!(Place, key) + index * 8).load(Ordering::Relaxed);
                }
                key[LAST] = last & !TAKEN;
                found(zerocopy::transmute!(key), self.hits(place).load(Ordering::Relaxed));
            }
        }
    }

    /// Makes every place of a generation free. Nobody may be counting in it.
    pub(super) fn empty(&self, generation: usize) {
        for place in self.places(generation) {
            self.hits(place).store(0, Ordering::Relaxed);
            for window in [offset_of!(CountSlot, window), offset_of!(CountSlot, offered)] {
                // SAFETY: an aligned word of four bytes within the mapping.
                unsafe { self.pages.at::<AtomicU32>(place + offset_of!(Place, slot) + window) }
                    .store(0, Ordering::Relaxed);
            }
            self.word(place + offset_of!(Place, key) + LAST * 8).store(0, Ordering::Release);
        }
    }

    /// Adds the resets sent in each network namespace.
    pub(super) fn add_sent(&self, sent: &mut HashMap<u64, u64>) {
        for place in self.namespaces() {
            let cookie = self.cookie(place).load(Ordering::Acquire);
            if cookie != 0 && cookie != BUSY {
                *sent.entry(cookie).or_default() += self.resets(place).load(Ordering::Relaxed);
            }
        }
    }

    /// Frees the places of a network namespace. `wait` returns when every program has ended that may have found one before.
    pub(super) fn forget(&self, cookie: u64, wait: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let own = |place: &usize| self.cookie(*place).load(Ordering::Relaxed) == cookie;
        let places: Vec<usize> = self.namespaces().filter(own).collect();
        if places.is_empty() {
            return Ok(());
        }
        for &place in &places {
            self.cookie(place).store(BUSY, Ordering::SeqCst);
        }
        wait()?;
        for place in places {
            self.resets(place).store(0, Ordering::Relaxed);
            self.cookie(place).store(0, Ordering::Release);
        }
        Ok(())
    }

    /// Where the places of a generation are, on every CPU.
    fn places(&self, generation: usize) -> impl Iterator<Item = usize> {
        self.tables().flat_map(move |table| {
            let first = table + offset_of!(Front, keys) + generation * size_of::<[Place; KEYS]>();
            (0..KEYS).map(move |index| first + index * size_of::<Place>())
        })
    }

    /// Where those of network namespaces are.
    fn namespaces(&self) -> impl Iterator<Item = usize> {
        self.tables().flat_map(|table| {
            (0..NAMESPACES).map(move |index| table + offset_of!(Front, sent) + index * size_of::<Sent>())
        })
    }

    fn tables(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.cpus).map(|cpu| cpu * size_of::<Front>())
    }

    fn hits(&self, place: usize) -> &AtomicU64 {
        self.word(place + offset_of!(Place, slot) + offset_of!(CountSlot, hits))
    }

    fn cookie(&self, place: usize) -> &AtomicU64 {
        self.word(place + offset_of!(Sent, cookie))
    }

    fn resets(&self, place: usize) -> &AtomicU64 {
        self.word(place + offset_of!(Sent, resets))
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: all offsets come from the layout of the table, whose fields are aligned to their width.
        unsafe { self.pages.at(offset) }
    }
}
