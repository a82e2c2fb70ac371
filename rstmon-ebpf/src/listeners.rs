//! Which ports have listeners: tells the service end of a connection that no socket knows any more.

use crate::maps::LISTENERS;
use rstmon_common::Tuple;

/// A socket began to listen.
#[inline(always)]
pub fn add(key: &Tuple) {
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

/// Whether a socket listens on the port of `key`.
#[inline(always)]
pub fn has(key: &Tuple) -> bool {
    LISTENERS.get_ptr(key).is_some()
}
