//! When the kernel half wakes the reader of the ring.
//!
//! A wake-up for each event would cost more than the event. So the two halves share a word: for how many more events
//! the reader need not be woken. The kernel half takes room in the ring, then takes one off the word, then hands the
//! event over, and wakes the reader if it took the last one. Before the reader sleeps for good it puts a 1 there and
//! then looks whether anybody has taken room in the ring: each side writes first and looks second, so that either
//! the reader sees the event or the event sees that the reader sleeps. While events keep coming, the reader sleeps for
//! a moment only and asks to be woken when part of the ring is full.

use super::sys::SharedPages;
use aya::maps::{MapData, RingBuf};
use rstmon_common::ResetRecord;
use std::{
    io,
    os::fd::AsFd,
    sync::atomic::{AtomicI64, AtomicUsize, Ordering, fence},
};

/// What a record takes in the ring besides itself (`BPF_RINGBUF_HDR_SZ`).
const HEADER_BYTES: usize = 8;
/// Which part of the ring may fill while the reader sleeps for a moment: a quarter leaves it time to wake up.
const PART: usize = 4;

/// The reader's side of the word, and of the ring's two positions.
pub(super) struct Doorbell {
    until_wake: SharedPages,
    positions: SharedPages,
    page: usize,
    /// How much may wait in the ring while the reader sleeps for a moment.
    enough_bytes: usize,
}

/// How long the reader may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleep {
    /// Until it is woken.
    Sound,
    /// For a moment, or until it is woken.
    Light,
    /// Not at all: there is plenty to do.
    None,
}

impl Doorbell {
    /// Maps the word (the only entry of `until_wake`) and the positions of a ring of `ring_bytes`.
    pub(super) fn new(ring: &RingBuf<MapData>, until_wake: &MapData, ring_bytes: u32) -> io::Result<Self> {
        let page = rustix::param::page_size();
        Ok(Self {
            until_wake: SharedPages::map(until_wake.fd().as_fd(), page, true)?,
            // The consumer's position is in the first page, the producer's in the second (`kernel/bpf/ringbuf.c`).
            positions: SharedPages::map(ring.as_fd(), 2 * page, false)?,
            page,
            enough_bytes: usize::try_from(ring_bytes).unwrap_or(usize::MAX) / PART,
        })
    }

    /// Says when the reader wants to be woken, and how long it may sleep: for a moment only, if it was `busy`.
    pub(super) fn prepare(&self, busy: bool) -> Sleep {
        let events = if busy { self.enough_bytes / (HEADER_BYTES + size_of::<ResetRecord>()) } else { 1 };
        self.word().store(i64::try_from(events).unwrap_or(1).max(1), Ordering::SeqCst);
        fence(Ordering::SeqCst);
        match self.waiting_bytes() {
            bytes if bytes >= self.enough_bytes => Sleep::None,
            0 if !busy => Sleep::Sound,
            _ => Sleep::Light,
        }
    }

    /// Bytes in the ring, also those of events that are still being written.
    fn waiting_bytes(&self) -> usize {
        let position = |offset| {
            // SAFETY: both positions are aligned words within the two pages.
            unsafe { self.positions.at::<AtomicUsize>(offset) }.load(Ordering::Acquire)
        };
        let consumed = position(0);
        position(self.page).wrapping_sub(consumed)
    }

    fn word(&self) -> &AtomicI64 {
        // SAFETY: the array's only entry is at the begin of its page, and eight bytes wide.
        unsafe { self.until_wake.at(0) }
    }
}
