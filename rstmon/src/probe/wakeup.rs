//! Decides when the kernel half wakes the reader of the ring.
//!
//! A wake-up for each event would cost more than the event, so the two halves share a counter: how many more events may
//! come before the reader must be woken. The kernel half reserves room in the ring, then decrements the counter, then
//! submits the event, and wakes the reader if the counter was 1. Before the reader sleeps without a time limit it
//! stores 1 and then checks whether room in the ring is reserved: each side writes first and reads second, so either
//! the reader sees the event or the event sees that the reader sleeps. While events keep coming, the reader sleeps for
//! a moment only and asks to be woken when a quarter of the ring is full.

use super::sys::SharedPages;
use aya::maps::{MapData, RingBuf};
use rstmon_common::ResetRecord;
use std::{
    io,
    os::fd::AsFd,
    sync::atomic::{AtomicI64, AtomicUsize, Ordering, fence},
};

/// Bytes that the ring adds to each record (`BPF_RINGBUF_HDR_SZ`).
const HEADER_BYTES: usize = 8;
/// The ring may fill by one part in so many while the reader sleeps for a moment: a quarter leaves it time to wake up.
const PARTS: usize = 4;

/// The reader's side of the counter, and of the ring's two positions.
pub(super) struct WakeupControl {
    until_wake: SharedPages,
    positions: SharedPages,
    page: usize,
    /// How many bytes may wait in the ring while the reader sleeps for a moment.
    enough_bytes: usize,
}

/// How long the reader may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleep {
    UntilWoken,
    /// For a moment, or until it is woken.
    Briefly,
    /// Not at all: a quarter of the ring is full.
    No,
}

impl WakeupControl {
    /// Maps the counter (the only entry of `until_wake`) and the positions of a ring of `ring_bytes`.
    pub(super) fn new(ring: &RingBuf<MapData>, until_wake: &MapData, ring_bytes: u32) -> io::Result<Self> {
        let page = rustix::param::page_size();
        Ok(Self {
            until_wake: SharedPages::map(until_wake.fd().as_fd(), page, true)?,
            // The consumer's position is in the first page, the producer's in the second (`kernel/bpf/ringbuf.c`).
            positions: SharedPages::map(ring.as_fd(), 2 * page, false)?,
            page,
            enough_bytes: usize::try_from(ring_bytes).unwrap_or(usize::MAX) / PARTS,
        })
    }

    /// Stores when the reader must be woken, and returns how long it may sleep: for a moment only, if it was `busy`.
    pub(super) fn prepare(&self, busy: bool) -> Sleep {
        let events = if busy { self.enough_bytes / (HEADER_BYTES + size_of::<ResetRecord>()) } else { 1 };
        self.counter().store(i64::try_from(events).unwrap_or(1).max(1), Ordering::SeqCst);
        fence(Ordering::SeqCst);
        match self.waiting_bytes() {
            bytes if bytes >= self.enough_bytes => Sleep::No,
            0 if !busy => Sleep::UntilWoken,
            _ => Sleep::Briefly,
        }
    }

    /// Bytes in the ring, including those of events that are still being written.
    fn waiting_bytes(&self) -> usize {
        let position = |offset| {
            // SAFETY: both positions are aligned words within the two pages.
            unsafe { self.positions.at::<AtomicUsize>(offset) }.load(Ordering::Acquire)
        };
        let consumed = position(0);
        position(self.page).wrapping_sub(consumed)
    }

    fn counter(&self) -> &AtomicI64 {
        // SAFETY: the array's only entry is at the beginning of its page, and eight bytes wide.
        unsafe { self.until_wake.at(0) }
    }
}
