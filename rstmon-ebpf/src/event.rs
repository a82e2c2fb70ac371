//! The event path: a reset with all its evidence, offered to the ring buffer.

use crate::{
    count,
    maps::{EVENTS, Work},
    reset::{Reset, outstanding, written_after_fin},
    sock::jiffies_to_ms,
};
use aya_ebpf::helpers::generated::bpf_ringbuf_output;
use rstmon_common::{
    Nudge, ResetRecord,
    key::state,
    limits::{ABSENT_U32, ABSENT_U64, lost},
    note::FIN_SEEN,
};

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

/// Completes the record of a reset whose key is complete: writes every byte that the key's making has not.
#[inline(always)]
pub fn complete(reset: &mut Reset) {
    let Work { tuple, owner, record: r } = &mut *reset.work;
    // SAFETY: notes and tombstones live as long as the hook runs.
    unsafe {
        r.time_ns = reset.now_ns;
        r.owner_start_ns = owner.start_ns;
        r.tgid = owner.tgid;
        r.local = tuple.local;
        r.remote = tuple.remote;
        r.netns = tuple.netns;
        r.local_port = tuple.local_port;
        r.remote_port = tuple.remote_port;

        r.established_ns = 0;
        r.closed_ns = 0;
        r.idle_before_close_ms = ABSENT_U32;
        r.after_fin_bytes = ABSENT_U32;
        if let Some(note) = reset.note {
            let note = &*note;
            r.established_ns = note.established_ns;
            r.closed_ns = note.closed_ns;
            if note.closed_ns != 0 {
                r.idle_before_close_ms = note.idle_before_close_ms;
            }
            if let Some(tcp) = reset.tcp
                && note.flags & FIN_SEEN != 0
            {
                r.after_fin_bytes = written_after_fin(note, tcp);
            }
        }
        if let Some(tombstone) = reset.tombstone {
            r.established_ns = tombstone.established_ns;
            r.closed_ns = tombstone.closed_ns;
            r.idle_before_close_ms = tombstone.idle_before_close_ms;
        }

        match reset.tcp {
            Some(tcp) if reset.sock.state != state::LISTEN => {
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
                r.backlog = ABSENT_U32;
                r.backlog_limit = ABSENT_U32;
                r.probes = tcp.probes();
                r.shutdown = tcp.shutdown();
                r.uid = tcp.uid();
            }
            listener => {
                r.bytes_sent = ABSENT_U64;
                r.bytes_received = ABSENT_U64;
                r.unread_bytes = ABSENT_U32;
                r.unsent_bytes = ABSENT_U32;
                r.unacked_bytes = ABSENT_U32;
                r.send_idle_ms = ABSENT_U32;
                r.receive_idle_ms = ABSENT_U32;
                r.silent_ms = ABSENT_U32;
                r.rtt_us = ABSENT_U32;
                r.retransmits = ABSENT_U32;
                r.probes = 0;
                r.shutdown = 0;
                if let Some(tcp) = listener {
                    r.backlog = tcp.backlog();
                    r.backlog_limit = tcp.backlog_limit();
                    r.uid = tcp.uid();
                } else {
                    r.backlog = ABSENT_U32;
                    r.backlog_limit = ABSENT_U32;
                    r.uid = ABSENT_U32;
                }
                if let Some(tombstone) = reset.tombstone {
                    r.bytes_sent = tombstone.bytes_sent;
                    r.bytes_received = tombstone.bytes_received;
                }
            }
        }
    }
}
