//! The event path: a reset with all its evidence, offered to the ring buffer.

use crate::{
    count,
    maps::{EVENTS, Work},
    reset::{Reset, outstanding},
    sock::jiffies_to_ms,
};
use aya_ebpf::helpers::generated::bpf_ringbuf_output;
use rstmon_common::{Nudge, ResetRecord, key::state, limits::lost};

/// Offers a complete record; a full ring loses it, counted.
#[inline(always)]
pub fn offer(record: *const ResetRecord) {
    // SAFETY: `record` is a whole record in a map value; the helper copies it.
    let error = unsafe { bpf_ringbuf_output(ring(), record.cast_mut().cast(), size_of::<ResetRecord>() as u64, 0) };
    if error != 0 {
        count::lose(lost::RING_FULL);
    }
}

/// Wakes the reader because a received reset waits on this CPU. A full ring wakes it anyway.
#[inline(always)]
pub fn nudge(cpu: u32) {
    let mut nudge = Nudge { cpu, zero: 0 };
    // SAFETY: the helper copies the local.
    unsafe {
        bpf_ringbuf_output(ring(), core::ptr::from_mut(&mut nudge).cast(), size_of::<Nudge>() as u64, 0);
    }
}

fn ring() -> *mut core::ffi::c_void {
    core::ptr::from_ref(&EVENTS).cast_mut().cast()
}

/// Completes the record of a reset whose key is complete: it was blank, so that every byte of it is written.
#[inline(never)]
pub fn complete(reset: &mut Reset) {
    let is_listener = reset.state() == state::LISTEN;
    let Work { tuple, owner, record: r, state: _ } = &mut *reset.work;
    r.time_ns = reset.now_ns;
    r.owner_start_ns = owner.start_ns;
    r.tgid = owner.tgid;
    r.local = tuple.local;
    r.remote = tuple.remote;
    r.netns = tuple.netns;
    r.local_port = tuple.local_port;
    r.remote_port = tuple.remote_port;
    let Some(tcp) = reset.tcp else { return };
    r.uid = tcp.uid();
    if is_listener {
        r.backlog = tcp.backlog();
        r.backlog_limit = tcp.backlog_limit();
        return;
    }
    let (unsent, unacked) = outstanding(tcp, r.key.state);
    r.bytes_sent = tcp.bytes_sent();
    r.bytes_received = tcp.bytes_received();
    r.unread_bytes = tcp.unread();
    r.unsent_bytes = unsent;
    r.unacked_bytes = unacked;
    r.send_idle_ms = jiffies_to_ms(tcp.send_idle(reset.now));
    r.receive_idle_ms = jiffies_to_ms(tcp.receive_idle(reset.now));
    r.silent_ms = jiffies_to_ms(tcp.silence(reset.now));
    r.rtt_us = tcp.rtt_us();
    r.retransmits = tcp.retransmits();
    r.probes = tcp.probes();
    r.shutdown = tcp.shutdown();
}
