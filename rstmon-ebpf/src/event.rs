//! The event path: a reset with all its evidence, offered to the ring buffer.
//!
//! A record is put together in the ring itself, and only when the rate limit of its key allows it. Waking the reader
//! costs more than all the rest of a reset (an interrupt on this CPU, a task on another), so the reader stores in
//! [`UNTIL_WAKE`] how many events may come before it must be woken: 1 when it sleeps until it is woken, the number that
//! fills a quarter of the ring when it sleeps for a moment only. The event that takes the last of them wakes the
//! reader; `probe::wakeup` in user space has the reader's half and explains why no event is overlooked.

use crate::{
    atomic,
    clock::{jiffies_to_ms, now_ns},
    count,
    layout::{ICSK_PROBES_OUT, SK_UID, TCP_SRTT_US, TCP_TOTAL_RETRANS},
    maps::{EVENTS, UNTIL_WAKE, Work},
    reset::ResetBuilder,
    sock::Tcp,
    wire,
};
use aya_ebpf::helpers::generated::{bpf_ringbuf_reserve, bpf_ringbuf_submit};
use rstmon_common::{
    EvidenceRecord, Nudge, ResetRecord,
    key::state,
    limits::{ABSENT_U32, lost},
};

/// Flags of `bpf_ringbuf_submit` (`include/uapi/linux/bpf.h`).
const BPF_RB_NO_WAKEUP: u64 = 1;
const BPF_RB_FORCE_WAKEUP: u64 = 2;

/// Puts the event of a reset that was counted together in the ring. A full ring loses the event, and the loss is
/// counted.
#[inline(always)]
pub fn offer(reset: &ResetBuilder) {
    let record = reserve::<ResetRecord>();
    if record.is_null() {
        return count::lose(lost::RING_FULL);
    }
    complete(reset, record);
    submit(record);
}

/// Copies a complete record into the ring. A full ring loses it, and the loss is counted.
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

/// Notifies the reader that a received reset waits on this CPU. A full ring wakes the reader without it.
#[inline(always)]
pub fn nudge(cpu: u32) {
    let nudge = reserve::<Nudge>();
    if !nudge.is_null() {
        // SAFETY: room for one in the ring.
        unsafe { *nudge = Nudge { cpu, zero: 0 } };
        submit(nudge);
    }
}

/// Reserves room in the ring; NULL where there is none.
#[inline(always)]
fn reserve<T>() -> *mut T {
    let ring = core::ptr::from_ref(&EVENTS).cast_mut().cast();
    // SAFETY: the map is the ring.
    unsafe { bpf_ringbuf_reserve(ring, size_of::<T>() as u64, 0) }.cast()
}

/// Submits a record that was written into reserved room.
///
/// The room is reserved before [`UNTIL_WAKE`] is decremented, and the decrement is a full barrier: either the reader
/// sees the reserved room, or this decrement sees that the reader is about to sleep.
#[inline(always)]
fn submit<T>(record: *mut T) {
    let mut flags = BPF_RB_NO_WAKEUP;
    if let Some(events) = UNTIL_WAKE.get_ptr_mut(0) {
        // SAFETY: a live map value.
        if unsafe { atomic::take_one(events) } == 1 {
            flags = BPF_RB_FORCE_WAKEUP;
        }
    }
    // SAFETY: room from `reserve`, submitted once.
    unsafe { bpf_ringbuf_submit(record.cast(), flags) };
}

/// Writes every byte of the record of a reset whose key is complete.
#[inline(never)]
pub fn complete(reset: &ResetBuilder, record: *mut ResetRecord) {
    fill(reset, record);
    no_pointer_returned();
}

/// Sets the register of the return value, which a function without one leaves as it is: the verifier refuses a function
/// that ends with a pointer to its stack there.
#[inline(always)]
fn no_pointer_returned() {
    #[cfg(target_arch = "bpf")]
    // SAFETY: a move to a register that is declared as changed.
    unsafe {
        core::arch::asm!("r0 = 0", out("r0") _, options(nomem, nostack, preserves_flags));
    }
}

/// The record is taken apart by reference, field by field: a field of which nothing is written does not compile.
#[inline(always)]
#[deny(unused_variables, reason = "a field that is not written would keep what the ring had there before")]
fn fill(reset: &ResetBuilder, record: *mut ResetRecord) {
    let work: &Work = reset.work;
    // SAFETY: room for a record, in the ring or a map value, to which nothing else has a reference.
    let ResetRecord {
        key,
        time_ns,
        owner_start_ns,
        evidence,
        local,
        remote,
        netns,
        tgid,
        uid,
        local_port,
        remote_port,
        wire: numbers,
    } = unsafe { &mut *record };
    let EvidenceRecord {
        established_ns,
        closed_ns,
        bytes_sent,
        bytes_received,
        send_idle_ms,
        receive_idle_ms,
        silent_ms,
        idle_before_close_ms,
        unread_bytes,
        unsent_bytes,
        unacked_bytes,
        after_fin_bytes,
        segment_bytes,
        backlog,
        backlog_limit,
        rtt_us,
        retransmits,
        role,
        exit_signal,
        probes,
        zero,
    } = evidence;
    *key = work.key;
    *time_ns = if work.time_ns == 0 { now_ns() } else { work.time_ns };
    *owner_start_ns = work.start_ns;
    *established_ns = work.established_ns;
    *closed_ns = work.closed_ns;
    *idle_before_close_ms = work.idle_before_close_ms;
    *after_fin_bytes = work.after_fin_bytes;
    *segment_bytes = work.segment_bytes;
    *tgid = work.tgid;
    [*role, ..] = work.role.to_le_bytes();
    [*exit_signal, ..] = work.exit_signal.to_le_bytes();
    *bytes_sent = work.bytes_sent;
    *bytes_received = work.bytes_received;
    *uid = ABSENT_U32;
    *send_idle_ms = ABSENT_U32;
    *receive_idle_ms = ABSENT_U32;
    *silent_ms = ABSENT_U32;
    *unread_bytes = ABSENT_U32;
    *unsent_bytes = ABSENT_U32;
    *unacked_bytes = ABSENT_U32;
    *backlog = ABSENT_U32;
    *backlog_limit = ABSENT_U32;
    *rtt_us = ABSENT_U32;
    *retransmits = ABSENT_U32;
    *probes = 0;
    *zero = 0;

    let is_listener = reset.state() == state::LISTEN;
    let mut tuple = work.tuple;
    if let Some(tcp) = reset.tcp
        && !reset.has_ends_of_segment()
    {
        tcp.endpoints(&mut tuple);
    }
    *local = tuple.local;
    *remote = tuple.remote;
    *netns = tuple.netns;
    *local_port = tuple.local_port;
    *remote_port = tuple.remote_port;

    *numbers = wire::numbers(reset);
    let Some(tcp) = reset.tcp else { return };
    *uid = tcp.get(&SK_UID).unwrap_or(ABSENT_U32);
    if is_listener {
        *silent_ms = work.full_ms;
        *backlog = tcp.backlog();
        *backlog_limit = tcp.backlog_limit();
        return;
    }
    let (unsent, unacked) = tcp.outstanding(key.state);
    *bytes_sent = tcp.bytes_sent();
    *bytes_received = tcp.bytes_received();
    *unread_bytes = tcp.unread();
    *unsent_bytes = unsent;
    *unacked_bytes = unacked;
    *send_idle_ms = jiffies_to_ms(tcp.send_idle(reset.now));
    *receive_idle_ms = jiffies_to_ms(tcp.receive_idle(reset.now));
    *silent_ms = jiffies_to_ms(tcp.silence(reset.now, unacked));
    *rtt_us = rtt(tcp);
    *retransmits = tcp.get(&TCP_TOTAL_RETRANS).unwrap_or(ABSENT_U32);
    *probes = tcp.get(&ICSK_PROBES_OUT).unwrap_or(0);
}

/// Smoothed round-trip time in microseconds (`srtt_us` is eight times it).
#[inline(always)]
fn rtt(tcp: Tcp) -> u32 {
    match tcp.get::<u32>(&TCP_SRTT_US) {
        Some(eighth) if eighth != 0 => eighth >> 3,
        _ => ABSENT_U32,
    }
}
