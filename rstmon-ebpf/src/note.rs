//! Where the note of a socket is: in its local storage, or in the table of opened connections. And the tombstones of
//! listeners.

use crate::{
    layout::{RACE_WINDOW_NS, TOMBSTONES_ON},
    maps::{GONE_LISTENERS, NOTES},
    opened,
    sock::Sock,
};
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use rstmon_common::{Note, Tombstone, Tuple};

const BPF_SK_STORAGE_GET_F_CREATE: u64 = 1;

/// The note of a socket, if it has one. NULL and minisocks have none (the helper checks, 5.11 on).
#[inline(always)]
pub fn find(sock: Sock) -> Option<*mut Note> {
    opened::find(sock.as_ptr()).or_else(|| get(sock.as_ptr(), 0))
}

/// Copies the note of a socket; tells whether it has one. `own` is any word of this CPU.
#[inline(never)]
pub fn copy(sock: &Sock, to: &mut Note, own: *mut u64) -> bool {
    if let Some(whole) = opened::copy(sock.as_ptr(), to, own) {
        return whole;
    }
    let Some(note) = get(sock.as_ptr(), 0) else { return false };
    // SAFETY: socket-local storage lives as long as the socket, which the hook holds.
    *to = unsafe { *note };
    true
}

/// The note of a socket, made (all zero) where it has none. Allocates: never called in the reset path.
#[inline(always)]
pub fn find_or_create(sk: *const u8) -> Option<*mut Note> {
    opened::find(sk).or_else(|| get(sk, BPF_SK_STORAGE_GET_F_CREATE))
}

/// Begins the note of a listener: in its local storage, which children inherit.
#[inline(always)]
pub fn listen(sk: *const u8, write: impl Fn(*mut Note)) {
    opened::forget(sk);
    if let Some(note) = get(sk, BPF_SK_STORAGE_GET_F_CREATE) {
        write(note);
    }
}

/// Begins the note of a connection that is being opened: in the table, unless the socket has one already, from another
/// time, or there is no room. `write` fills it in, every byte of it.
#[inline(always)]
pub fn open(sk: *const u8, write: impl Fn(*mut Note)) {
    if let Some(note) = get(sk, 0) {
        write(note);
    } else if !opened::open(sk, &write)
        && let Some(note) = get(sk, BPF_SK_STORAGE_GET_F_CREATE)
    {
        write(note);
    }
}

#[inline(always)]
fn get(sk: *const u8, flags: u64) -> Option<*mut Note> {
    if sk.is_null() {
        return None;
    }
    // SAFETY: the map is the socket-local storage, `sk` a typed socket pointer; no initial value is given.
    let note = unsafe {
        bpf_sk_storage_get(
            core::ptr::from_ref(&NOTES).cast_mut().cast(),
            sk.cast_mut().cast(),
            core::ptr::null_mut(),
            flags,
        )
    }
    .cast::<Note>();
    if note.is_null() { None } else { Some(note) }
}

/// What is remembered of a listener that is gone.
#[inline(always)]
pub fn gone_listener(key: &Tuple) -> Option<&'static Tombstone> {
    if TOMBSTONES_ON.load() == 0 {
        return None;
    }
    // SAFETY: an entry that is evicted meanwhile may be overwritten with another's facts; its owner then was another
    // listener's. The LRU recycles the least recently used first, so one that is looked for is safe.
    unsafe { GONE_LISTENERS.get(key) }
}

/// Key of a listener, and of its tombstone: the one that a segment to that port would have met.
#[inline(always)]
pub fn listener_key(netns: u32, local_port: u16) -> Tuple {
    Tuple { netns, local_port, ..Tuple::default() }
}

/// Remembers a listener that is gone. Replaces the least recently used one when full: never fails the close.
#[inline(always)]
pub fn bury_listener(key: &Tuple, tombstone: &Tombstone) {
    // An LRU insert fails only when every entry is being evicted at once; forgetting this one is all it costs.
    let _ = GONE_LISTENERS.insert(key, tombstone, 0);
}

/// Whether a segment that arrives now may have crossed a close at `closed_ns`.
#[inline(always)]
pub fn is_recent(now_ns: u64, closed_ns: u64) -> bool {
    now_ns.wrapping_sub(closed_ns) <= RACE_WINDOW_NS.load()
}
