//! Which ports have listeners: decides which end of a connection without a socket is the service. And when their accept
//! queues were last seen to be full: the kernel drops the handshakes that complete meanwhile without a trace.

use crate::{
    layout::{Object, SK_ACK_BACKLOG, SK_MAX_ACK_BACKLOG, TCP_TYPE},
    maps::{LISTENED, LISTENERS},
};
use rstmon_common::{ListenedPort, Tuple};

/// Adds a listener, since when it listens: `CLOCK_BOOTTIME` nanoseconds, or 0.
#[inline(always)]
pub fn add(key: &Tuple, since_ns: u64) {
    if let Some(ports) = LISTENED.get_ptr_mut(0) {
        // SAFETY: a live map value with an entry for each port.
        unsafe { (*ports)[port_index(key)] = 1 };
    }
    if let Some(port) = LISTENERS.get_ptr_mut(key) {
        // SAFETY: a live, aligned map value.
        unsafe { (*port).count += 1 };
    } else {
        // A full map drops this listener: an unknown connection to its port then has no service port.
        let _ = LISTENERS.insert(key, ListenedPort { since_ns, full_ns: 0, count: 1 }, 0);
    }
}

/// Removes a listener; its port is removed with the last one (`SO_REUSEPORT` allows several).
#[inline(always)]
pub fn remove(key: &Tuple) {
    if let Some(port) = LISTENERS.get_ptr_mut(key) {
        // SAFETY: a live, aligned map value. Two CPUs that add or remove listeners of one port at the same instant may
        // miscount, which costs a service port in an unknown connection's event, never a reset.
        let last = unsafe {
            (*port).count = (*port).count.saturating_sub(1);
            (*port).count == 0
        };
        if last {
            let _ = LISTENERS.remove(key);
        }
    }
}

/// Whether a socket has ever listened on a port since the start of rstmon or at it, in any network namespace: otherwise
/// there is neither a listener nor the tombstone of one. One load instead of two look-ups, at every refused connection.
#[inline(always)]
pub fn ever_listened(key: &Tuple) -> bool {
    // SAFETY: a live map value with an entry for each port.
    LISTENED.get_ptr(0).is_some_and(|ports| unsafe { (*ports)[port_index(key)] } != 0)
}

/// The port as an index, read back from memory: after a byte swap, verifiers before 6.13 do not know that it has 16
/// bits.
#[inline(always)]
fn port_index(key: &Tuple) -> usize {
    // SAFETY: a field of a live key.
    usize::from(unsafe { (&raw const key.local_port).read_volatile() })
}

/// Whether a socket listens on the port of `key`.
#[inline(always)]
pub fn has(key: &Tuple) -> bool {
    LISTENERS.get_ptr(key).is_some()
}

/// When an accept queue of the port of `key` was last seen to be full, `CLOCK_BOOTTIME` nanoseconds; 0 = never.
#[inline(always)]
pub fn full_ns(key: &Tuple) -> u64 {
    // SAFETY: a live, aligned map value.
    LISTENERS.get_ptr(key).map_or(0, |port| unsafe { (*port).full_ns })
}

/// Stores that the accept queue of a listener is full.
#[inline(always)]
pub fn set_full(key: &Tuple, now_ns: u64) {
    if let Some(port) = LISTENERS.get_ptr_mut(key) {
        // SAFETY: a live, aligned map value.
        unsafe { (*port).full_ns = now_ns };
    }
}

/// Called for each connection that enters an accept queue; `listener` is the address of its listener, which the kernel
/// holds at that moment. From `sk_ack_backlog` above `sk_max_ack_backlog` on, the kernel drops what completes its
/// handshake (`sk_acceptq_is_full`, `tcp_v4_syn_recv_sock`).
#[inline(always)]
pub fn has_filled_queue(listener: u64) -> bool {
    let listener = Object::at(listener as *const u8, &TCP_TYPE);
    let (length, limit) = (listener.get::<u32>(&SK_ACK_BACKLOG), listener.get::<u32>(&SK_MAX_ACK_BACKLOG));
    length.unwrap_or(0) > limit.unwrap_or(u32::MAX)
}
