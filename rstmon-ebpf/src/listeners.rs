//! Which ports have listeners: decides which end of a connection without a socket is the service.

use crate::maps::{LISTENED, LISTENERS};
use rstmon_common::Tuple;

/// Adds a listener.
#[inline(always)]
pub fn add(key: &Tuple) {
    if let Some(ports) = LISTENED.get_ptr_mut(0) {
        // SAFETY: a live map value with an entry for each port.
        unsafe { (*ports)[port_index(key)] = 1 };
    }
    if let Some(count) = LISTENERS.get_ptr_mut(key) {
        // SAFETY: a live, aligned map value.
        unsafe { *count += 1 };
    } else {
        // A full map drops this listener: an unknown connection to its port then has no service port.
        let _ = LISTENERS.insert(key, 1, 0);
    }
}

/// Removes a listener; its port is removed with the last one (`SO_REUSEPORT` allows several).
#[inline(always)]
pub fn remove(key: &Tuple) {
    if let Some(count) = LISTENERS.get_ptr_mut(key) {
        // SAFETY: a live, aligned map value. Two CPUs that add or remove listeners of one port at the same instant may
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
