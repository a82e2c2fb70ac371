//! Which ports have listeners: tells the service end of a connection that no socket knows any more.

use crate::maps::{LISTENED, LISTENERS};
use rstmon_common::Tuple;

/// A socket began to listen.
#[inline(always)]
pub fn add(key: &Tuple) {
    if let Some(ports) = LISTENED.get_ptr_mut(0) {
        // SAFETY: a live map value, as long as there are ports.
        unsafe { (*ports)[place(key)] = 1 };
    }
    if let Some(count) = LISTENERS.get_ptr_mut(key) {
        // SAFETY: a live, aligned map value.
        unsafe { *count += 1 };
    } else {
        // A full map forgets this listener: an unknown connection to its port then has no service port.
        let _ = LISTENERS.insert(key, 1, 0);
    }
}

/// A socket ended listening; its port is forgotten with the last one (`SO_REUSEPORT` has several).
#[inline(always)]
pub fn remove(key: &Tuple) {
    if let Some(count) = LISTENERS.get_ptr_mut(key) {
        // SAFETY: a live, aligned map value. Two CPUs that end or begin listening on one port at the same instant may
        // miscount, which costs a service port in an unknown connection's event, never a reset.
        let last = unsafe {
            *count = (*count).saturating_sub(1);
            *count == 0
        };
        if last {
            let _ = LISTENERS.remove(key);
        }
    }
}

/// Whether anything has ever listened on a port, as far as rstmon knows, in any network namespace: otherwise there is
/// neither a listener nor the tombstone of one. One load instead of two look-ups, at every refused connection.
#[inline(always)]
pub fn ever(key: &Tuple) -> bool {
    // SAFETY: a live map value, as long as there are ports.
    LISTENED.get_ptr(0).is_some_and(|ports| unsafe { (*ports)[place(key)] } != 0)
}

/// The port as an index, through memory: after a byte swap, verifiers before 6.13 do not know that it has 16 bits.
#[inline(always)]
fn place(key: &Tuple) -> usize {
    // SAFETY: a field of a live key.
    usize::from(unsafe { (&raw const key.local_port).read_volatile() })
}

/// Whether a socket listens on the port of `key`.
#[inline(always)]
pub fn has(key: &Tuple) -> bool {
    LISTENERS.get_ptr(key).is_some()
}
