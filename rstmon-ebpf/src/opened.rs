//! Notes of connections that are opened here, in a table: the kernel takes longer to allocate socket-local storage than
//! everything else that rstmon does at `connect()`.
//!
//! A note is in one of two slots, selected by the cookie of its socket. The kernel gives a cookie to one socket only,
//! so no note is mistaken for another's. A connection that is opened takes a free slot, or one whose connection closed
//! at least [`KEPT_JIFFIES`] ago. Where both slots are in use, the note goes to the socket's local storage, like all
//! other notes.

use crate::{
    atomic,
    clock::jiffies,
    layout::{SKC_COOKIE, field},
    maps::{OPENED, OPENED_SLOTS},
};
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use rstmon_common::{SocketNote, limits::ABSENT_OFFSET, note::OpenedNote};

/// Mark of a slot whose connection has closed. Cookies are consecutive numbers, and never as large.
const CLOSED: u64 = 1 << 63;
/// Word of a slot that is being written to.
const BUSY: u64 = u64::MAX;
/// How long after the close a note keeps its slot: the close sends its reset, on this CPU, after the state has changed.
const KEPT_JIFFIES: u32 = 4;
/// Slots that a cookie may have.
const WAYS: u32 = 2;

/// The cookie of a socket; 0 = it has none yet.
#[inline(always)]
fn cookie_of(sk: *const u8) -> u64 {
    // SAFETY: a typed socket pointer; minisocks have the field, too.
    if sk.is_null() { 0 } else { unsafe { field(sk, &SKC_COOKIE) }.unwrap_or(0) }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "masked to a few bits")]
fn slot(cookie: u64, way: u32) -> Option<*mut OpenedNote> {
    OPENED.get_ptr_mut((cookie as u32 ^ way) & (OPENED_SLOTS - 1))
}

/// The slot that has a cookie, and the slot's word.
#[inline(always)]
fn slot_of(cookie: u64) -> Option<(*mut OpenedNote, u64)> {
    if cookie == 0 {
        return None;
    }
    for way in 0..WAYS {
        let slot = slot(cookie, way)?;
        // SAFETY: a live map value.
        let word = unsafe { (&raw const (*slot).word).read_volatile() };
        if word & !CLOSED == cookie {
            return Some((slot, word));
        }
    }
    None
}

/// The note of a socket, if the table has it.
#[inline(always)]
pub fn find(sk: *const u8) -> Option<*mut SocketNote> {
    // SAFETY: within a live map value.
    slot_of(cookie_of(sk)).map(|(slot, _)| unsafe { &raw mut (*slot).note })
}

/// Copies the note of a socket, if the table has it, and returns whether the copy is complete: another connection may
/// take the slot of a closed one meanwhile. Adds flags to the note itself if so. `own` is any word that only this CPU
/// writes to.
#[inline(always)]
pub fn copy(sk: *const u8, to: &mut SocketNote, own: *mut u64, flags: u8) -> Option<bool> {
    let (slot, word) = slot_of(cookie_of(sk))?;
    // SAFETY: live map values.
    unsafe {
        atomic::fence(own);
        *to = (*slot).note;
        atomic::fence(own);
        let whole = (&raw const (*slot).word).read_volatile() == word;
        if whole && flags != 0 {
            (*slot).note.flags |= flags;
        }
        Some(whole)
    }
}

/// Takes a slot for the note of a socket that is being opened. Returns whether there was one. `write` fills in every
/// byte.
#[inline(always)]
pub fn open(sk: *const u8, write: impl Fn(*mut SocketNote)) -> bool {
    // A note from an earlier use of the socket may be in the slot that the new note does not take.
    forget(sk);
    // SAFETY: a typed socket pointer; the helper gives the socket a cookie if it has none.
    let cookie = unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) };
    if cookie == 0 || SKC_COOKIE.load() == ABSENT_OFFSET {
        return false;
    }
    for way in 0..WAYS {
        let Some(slot) = slot(cookie, way) else { return false };
        // SAFETY: a live map value; the word admits one writer at a time.
        unsafe {
            let word = &raw mut (*slot).word;
            let held = word.read_volatile();
            if is_free(slot, held) && atomic::replace(word, held, BUSY) {
                write(&raw mut (*slot).note);
                // A full barrier: a reader that sees the cookie sees the note.
                atomic::swap(word, cookie);
                return true;
            }
        }
    }
    false
}

/// # Safety
/// `slot` must be a live map value.
#[inline(always)]
unsafe fn is_free(slot: *const OpenedNote, held: u64) -> bool {
    // SAFETY: by the caller's promise.
    let age_jiffies = || jiffies().wrapping_sub(unsafe { (&raw const (*slot).closed_jiffies).read_volatile() });
    held == 0 || held != BUSY && held & CLOSED != 0 && age_jiffies() >= KEPT_JIFFIES
}

/// Marks the slot of a connection that has ended: another may take it after [`KEPT_JIFFIES`].
#[inline(always)]
pub fn close(sk: *const u8) {
    if let Some((slot, word)) = slot_of(cookie_of(sk))
        && word & CLOSED == 0
    {
        // SAFETY: a live map value, which belongs to this socket until it is marked.
        unsafe {
            (*slot).closed_jiffies = jiffies();
            atomic::replace(&raw mut (*slot).word, word, word | CLOSED);
        }
    }
}

/// Removes the note of a socket that is used anew.
#[inline(always)]
pub fn forget(sk: *const u8) {
    if let Some((slot, word)) = slot_of(cookie_of(sk)) {
        // SAFETY: a live map value. Where another socket has taken the slot meanwhile, nothing is removed.
        unsafe { atomic::replace(&raw mut (*slot).word, word, 0) };
    }
}
