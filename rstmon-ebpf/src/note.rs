//! Finds the note of a socket, which is in its local storage or in the table of opened connections; and the tombstones
//! of listeners.

use crate::{
    layout::TOMBSTONES_ON,
    maps::{GONE_LISTENERS, NOTES},
    opened,
    skb::{from_words, is_unspecified, to_words},
    sock::Sock,
};
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use rstmon_common::{SocketNote, Tombstone, Tuple};

const BPF_SK_STORAGE_GET_F_CREATE: u64 = 1;

/// The note of a socket, if it has one. NULL and minisocks have none (the helper checks, 5.11 on).
#[inline(always)]
pub fn find(sock: Sock) -> Option<*mut SocketNote> {
    opened::find(sock.as_ptr()).or_else(|| get(sock.as_ptr(), 0))
}

/// Copies the note of a socket, and adds flags to the note itself. Returns whether the socket has one. `own` is any
/// word that only this CPU writes to.
#[inline(never)]
pub fn copy(sock: &Sock, to: &mut SocketNote, own: *mut u64, flags: u8) -> bool {
    if let Some(whole) = opened::copy(sock.as_ptr(), to, own, flags) {
        return whole;
    }
    let Some(note) = get(sock.as_ptr(), 0) else { return false };
    // SAFETY: socket-local storage lives as long as the socket, which the hook holds.
    unsafe {
        *to = *note;
        (*note).flags |= flags;
    }
    true
}

/// The note of a socket, created (all zero) where it has none. Allocates: never called in the reset path.
#[inline(always)]
pub fn find_or_create(sk: *const u8) -> Option<*mut SocketNote> {
    opened::find(sk).or_else(|| get(sk, BPF_SK_STORAGE_GET_F_CREATE))
}

/// Creates the note of a listener in its local storage, which children inherit.
#[inline(always)]
pub fn create_for_listener(sk: *const u8, write: impl Fn(*mut SocketNote)) {
    opened::forget(sk);
    if let Some(note) = get(sk, BPF_SK_STORAGE_GET_F_CREATE) {
        write(note);
    }
}

/// Creates the note of a connection that is being opened: in the table, unless the socket still has one in its local
/// storage from an earlier use, or the table has no room. `write` fills in every byte of it.
#[inline(always)]
pub fn create_for_opened(sk: *const u8, write: impl Fn(*mut SocketNote)) {
    if let Some(note) = get(sk, 0) {
        write(note);
    } else if !opened::open(sk, &write)
        && let Some(note) = get(sk, BPF_SK_STORAGE_GET_F_CREATE)
    {
        write(note);
    }
}

#[inline(always)]
fn get(sk: *const u8, flags: u64) -> Option<*mut SocketNote> {
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
    .cast::<SocketNote>();
    if note.is_null() { None } else { Some(note) }
}

/// The tombstone of a listener.
#[inline(always)]
pub fn gone_listener(key: &Tuple) -> Option<&'static Tombstone> {
    if TOMBSTONES_ON.load() == 0 {
        return None;
    }
    // SAFETY: an entry that is evicted meanwhile may be overwritten with the tombstone of another listener, whose owner
    // is then returned. The LRU recycles the least recently used entry first, and a look-up makes an entry recent.
    unsafe { GONE_LISTENERS.get(key) }
}

/// The address that the listener of a tombstone listened on, in the place of numbers that a listener has none of.
#[inline(always)]
pub fn set_listener_address(tombstone: &mut Tombstone, address: &[u8; 16]) {
    let [first, second] = to_words(address);
    (tombstone.bytes_sent, tombstone.bytes_received) = (first, second);
}

/// Whether the listener of a tombstone listened on an address, or on all addresses.
#[inline(always)]
pub fn listened_on(tombstone: &Tombstone, address: &[u8; 16]) -> bool {
    let listened = from_words(tombstone.bytes_sent, tombstone.bytes_received);
    is_unspecified(&listened) || to_words(&listened) == to_words(address)
}

/// Key of a listener and of its tombstone: the namespace and the port of the segments that it receives.
#[inline(always)]
pub fn listener_key(netns: u32, local_port: u16) -> Tuple {
    Tuple { netns, local_port, ..Tuple::default() }
}

/// Adds the tombstone of a listener. A full map replaces the least recently used one, so that no close fails.
#[inline(always)]
pub fn add_gone_listener(key: &Tuple, tombstone: &Tombstone) {
    // An LRU insert fails only when every entry is being evicted at once; all it costs is this tombstone.
    let _ = GONE_LISTENERS.insert(key, tombstone, 0);
}
