//! Notes of connections that are opened here, in a table: the kernel takes longer to allocate socket-local storage than
//! everything else that rstmon does at `connect()`.
//!
//! A note has one of two places, by the cookie of its socket, which the kernel gives to one socket only: no note is taken
//! for another's. Whoever opens a connection takes a free place, or one whose connection closed a while ago. Where both
//! are in use, the note goes to the socket's local storage, as all others do.

use crate::{
    atomic,
    layout::{SKC_COOKIE, field},
    maps::{OPENED, OPENED_PLACES},
    sock::jiffies,
};
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use rstmon_common::{Note, limits::ABSENT_OFFSET, note::Opened};

/// Mark of a place that may be taken by another, after a while. Cookies are numbers in turn, and never as large.
const CLOSED: u64 = 1 << 63;
/// A place that is being written to.
const BUSY: u64 = u64::MAX;
/// For so long after the close a note keeps its place: the reset that a close sends is under way, on this CPU.
const KEPT_JIFFIES: u32 = 4;
/// Places of a cookie.
const WAYS: u32 = 2;

/// The cookie of a socket; 0 = it has none yet.
#[inline(always)]
fn cookie_of(sk: *const u8) -> u64 {
    // SAFETY: a typed socket pointer; minisocks have the field, too.
    if sk.is_null() { 0 } else { unsafe { field(sk, &SKC_COOKIE) }.unwrap_or(0) }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a few bits")]
fn place(cookie: u64, way: u32) -> Option<*mut Opened> {
    OPENED.get_ptr_mut((cookie as u32 ^ way) & (OPENED_PLACES - 1))
}

/// The place of a cookie, and its word.
#[inline(always)]
fn place_of(cookie: u64) -> Option<(*mut Opened, u64)> {
    if cookie == 0 {
        return None;
    }
    for way in 0..WAYS {
        let place = place(cookie, way)?;
        // SAFETY: a live map value.
        let word = unsafe { (&raw const (*place).word).read_volatile() };
        if word & !CLOSED == cookie {
            return Some((place, word));
        }
    }
    None
}

/// The note of a socket, if the table has it.
#[inline(always)]
pub fn find(sk: *const u8) -> Option<*mut Note> {
    // SAFETY: within a live map value.
    place_of(cookie_of(sk)).map(|(place, _)| unsafe { &raw mut (*place).note })
}

/// Copies the note of a socket, if the table has it, and tells whether the copy is whole: another may take the place of a
/// closed connection meanwhile. `own` is any word of this CPU.
#[inline(always)]
pub fn copy(sk: *const u8, to: &mut Note, own: *mut u64) -> Option<bool> {
    let (place, word) = place_of(cookie_of(sk))?;
    // SAFETY: live map values.
    unsafe {
        atomic::fence(own);
        *to = (*place).note;
        atomic::fence(own);
        Some((&raw const (*place).word).read_volatile() == word)
    }
}

/// Gives a socket that is being opened a place for its note; tells whether there was one. `write` fills in every byte.
#[inline(always)]
pub fn open(sk: *const u8, write: impl Fn(*mut Note)) -> bool {
    // From another time; it may be where this one does not go.
    forget(sk);
    // SAFETY: a typed socket pointer; the helper gives the socket a cookie if it has none.
    let cookie = unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) };
    if cookie == 0 || SKC_COOKIE.load() == ABSENT_OFFSET {
        return false;
    }
    for way in 0..WAYS {
        let Some(place) = place(cookie, way) else { return false };
        // SAFETY: a live map value; the word lets in one at a time.
        unsafe {
            let word = &raw mut (*place).word;
            let held = word.read_volatile();
            if is_free(place, held) && atomic::replace(word, held, BUSY) {
                write(&raw mut (*place).note);
                // A full barrier: who sees the cookie sees the note.
                atomic::swap(word, cookie);
                return true;
            }
        }
    }
    false
}

/// # Safety
/// `place` must be a live map value.
#[inline(always)]
unsafe fn is_free(place: *const Opened, held: u64) -> bool {
    // SAFETY: by the caller's promise.
    let age_jiffies = || jiffies().wrapping_sub(unsafe { (&raw const (*place).closed_jiffies).read_volatile() });
    held == 0 || held != BUSY && held & CLOSED != 0 && age_jiffies() >= KEPT_JIFFIES
}

/// The connection has ended: its place may be taken, after a while.
#[inline(always)]
pub fn close(sk: *const u8) {
    if let Some((place, word)) = place_of(cookie_of(sk))
        && word & CLOSED == 0
    {
        // SAFETY: a live map value, which is this socket's until it is marked.
        unsafe {
            (*place).closed_jiffies = jiffies();
            atomic::replace(&raw mut (*place).word, word, word | CLOSED);
        }
    }
}

/// The socket is used for something else: its note is not here.
#[inline(always)]
pub fn forget(sk: *const u8) {
    if let Some((place, word)) = place_of(cookie_of(sk)) {
        // SAFETY: a live map value. Where another has taken it meanwhile, there is nothing to forget.
        unsafe { atomic::replace(&raw mut (*place).word, word, 0) };
    }
}
