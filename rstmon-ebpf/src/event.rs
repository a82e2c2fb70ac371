//! The event path: a reset with all its evidence, offered to the ring buffer.
//!
//! A record is put together in the ring itself, and only when its rate limit has let it through. Waking the reader costs
//! more than all the rest of a reset (an interrupt to this CPU, a task to another), so the reader says for how many
//! events it need not be woken: one when it sleeps, what fills part of the ring when it comes back by itself in a moment.
//! The event that takes the last of them wakes it; `probe::ring` has the other half and the reason why none is forgotten.

use crate::{
    atomic, count,
    maps::{EVENTS, UNTIL_WAKE, Work},
    reset::{Reset, now_ns, outstanding},
    sock::jiffies_to_ms,
};
use aya_ebpf::helpers::generated::{bpf_ringbuf_reserve, bpf_ringbuf_submit};
use rstmon_common::{
    Nudge, ResetRecord,
    key::state,
    limits::{ABSENT_U32, lost},
};

/// Flags of `bpf_ringbuf_submit` (`include/uapi/linux/bpf.h`).
const BPF_RB_NO_WAKEUP: u64 = 1;
const BPF_RB_FORCE_WAKEUP: u64 = 2;

/// Puts together and offers the event of a reset that was counted; a full ring loses it, counted.
#[inline(always)]
pub fn offer(reset: &Reset) {
    let record = reserve::<ResetRecord>();
    if record.is_null() {
        return count::lose(lost::RING_FULL);
    }
    complete(reset, record);
    submit(record);
}

/// Offers a copy of a complete record.
#[inline(always)]
pub fn offer_copy(from: *const ResetRecord) {
    let record = reserve::<ResetRecord>();
    if record.is_null() {
        return count::lose(lost::RING_FULL);
    }
    // SAFETY: a whole record in a map value, and room for one in the ring.
    unsafe { *record = *from };
    submit(record);
}

/// Wakes the reader because a received reset waits on this CPU. A full ring wakes it anyway.
#[inline(always)]
pub fn nudge(cpu: u32) {
    let nudge = reserve::<Nudge>();
    if !nudge.is_null() {
        // SAFETY: room for one in the ring.
        unsafe { *nudge = Nudge { cpu, zero: 0 } };
        submit(nudge);
    }
}

/// Room in the ring; NULL where there is none.
#[inline(always)]
fn reserve<T>() -> *mut T {
    let ring = core::ptr::from_ref(&EVENTS).cast_mut().cast();
    // SAFETY: the map is the ring.
    unsafe { bpf_ringbuf_reserve(ring, size_of::<T>() as u64, 0) }.cast()
}

/// Hands over what was written into room in the ring.
///
/// The room is taken before the number is looked at, and the look is a full barrier: the reader sees one or the other.
#[inline(always)]
fn submit<T>(record: *mut T) {
    let mut flags = BPF_RB_NO_WAKEUP;
    if let Some(events) = UNTIL_WAKE.get_ptr_mut(0) {
        // SAFETY: a live map value.
        if unsafe { atomic::take_one(events) } == 1 {
            flags = BPF_RB_FORCE_WAKEUP;
        }
    }
    // SAFETY: room from `reserve`, given back once.
    unsafe { bpf_ringbuf_submit(record.cast(), flags) };
}

/// Writes the record of a reset whose key is complete: every byte of it.
#[inline(never)]
pub fn complete(reset: &Reset, record: *mut ResetRecord) {
    let work: &Work = reset.work;
    // SAFETY: room for a record, in the ring or a map value, which nobody else uses.
    let r = unsafe { &mut *record };
    r.key = work.key;
    r.time_ns = now_ns();
    r.owner_start_ns = work.start_ns;
    r.established_ns = work.established_ns;
    r.closed_ns = work.closed_ns;
    r.idle_before_close_ms = work.idle_before_close_ms;
    r.after_fin_bytes = work.after_fin_bytes;
    r.segment_bytes = work.segment_bytes;
    r.tgid = work.tgid;
    [r.role, ..] = work.role.to_le_bytes();
    [r.exit_signal, ..] = work.exit_signal.to_le_bytes();
    r.bytes_sent = work.bytes_sent;
    r.bytes_received = work.bytes_received;
    r.uid = ABSENT_U32;
    r.send_idle_ms = ABSENT_U32;
    r.receive_idle_ms = ABSENT_U32;
    r.silent_ms = ABSENT_U32;
    r.unread_bytes = ABSENT_U32;
    r.unsent_bytes = ABSENT_U32;
    r.unacked_bytes = ABSENT_U32;
    r.backlog = ABSENT_U32;
    r.backlog_limit = ABSENT_U32;
    r.rtt_us = ABSENT_U32;
    r.retransmits = ABSENT_U32;
    r.shutdown = 0;
    r.probes = 0;

    let is_listener = reset.state() == state::LISTEN;
    let mut tuple = work.tuple;
    if let Some(tcp) = reset.tcp
        && !reset.is_told_by_segment()
    {
        tcp.endpoints(&mut tuple);
    }
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
