//! The sequence numbers of a RST, which are the same at both of its ends, also where addresses are translated.
//!
//! Sent without a segment that is answered (`tcp_send_active_reset`, `net/ipv4/tcp_output.c`): the RST has the socket's
//! `snd_nxt` and acknowledges its `rcv_nxt`. Sent as an answer (`tcp_v4_send_reset`): it has the number that the
//! segment acknowledges, 0 if it acknowledges none, and acknowledges the end of the segment. Received: the numbers of
//! the socket, which accepts a RST at `rcv_nxt`, at one less after a FIN, and at the right-most edge behind a gap
//! (`tcp_validate_incoming`, `net/ipv4/tcp_input.c`).

use crate::{
    layout::{TCP_NUM_SACKS, TCP_RCV_NXT, TCP_SELECTIVE_ACKS, TCP_SND_NXT, TCP_SND_UNA, probe},
    reset::ResetBuilder,
    sock::Tcp,
};
use rstmon_common::{
    WireRecord, evidence,
    key::direction,
    record::wire::{AFTER_FIN, BEHIND_GAP, KNOWN},
};

/// The numbers of a reset whose key is complete.
#[inline(always)]
pub fn numbers(reset: &ResetBuilder) -> WireRecord {
    let unknown = WireRecord::default();
    match reset.tcp {
        Some(tcp) if reset.work.key.direction == direction::RECEIVED => received(tcp),
        Some(tcp) if reset.has(evidence::ACTIVE) => active(tcp),
        None if reset.has(evidence::ACTIVE) => unknown,
        _ => answer(reset),
    }
}

#[inline(always)]
fn active(tcp: Tcp) -> WireRecord {
    let (Some(seq), Some(ack)) = (tcp.get(&TCP_SND_NXT), tcp.get(&TCP_RCV_NXT)) else { return WireRecord::default() };
    WireRecord { seq, ack, flags: KNOWN, ..WireRecord::default() }
}

#[inline(always)]
fn answer(reset: &ResetBuilder) -> WireRecord {
    let seq = if reset.has(evidence::SEGMENT_ACK) { reset.work.acknowledgement } else { 0 };
    let (syn, fin) = (reset.has(evidence::SEGMENT_SYN), reset.has(evidence::SEGMENT_FIN));
    let length = reset.work.segment_bytes.wrapping_add(u32::from(syn)).wrapping_add(u32::from(fin));
    WireRecord { seq, ack: reset.work.sequence.wrapping_add(length), flags: KNOWN, ..WireRecord::default() }
}

#[inline(always)]
fn received(tcp: Tcp) -> WireRecord {
    let numbers = (tcp.get(&TCP_RCV_NXT), tcp.get(&TCP_SND_UNA), tcp.get(&TCP_SND_NXT));
    let (Some(seq), Some(ack), Some(ack_end)) = numbers else { return WireRecord::default() };
    let after_fin = if tcp.fin_received() { AFTER_FIN } else { 0 };
    let (sack_edge, behind_gap) = match sack_edge(tcp) {
        Some(edge) => (edge, BEHIND_GAP),
        None => (0, 0),
    };
    WireRecord { seq, ack, ack_end, sack_edge, flags: KNOWN | after_fin | behind_gap, zero: 0 }
}

/// The right-most edge of the blocks that arrived behind a gap. `struct tcp_sack_block` is two sequence numbers, of
/// which the second is the end.
#[inline(always)]
fn sack_edge(tcp: Tcp) -> Option<u32> {
    let blocks = tcp.get::<u8>(&TCP_NUM_SACKS)?;
    if blocks == 0 {
        return None;
    }
    // In one call: a typed load reads one member of one block.
    let ends = probe::<[u64; 4]>(tcp.address() as *const u8, &TCP_SELECTIVE_ACKS)?;
    let end = |block: u64| (block >> 32) as u32;
    let mut edge = end(ends[0]);
    for (index, block) in ends.into_iter().enumerate() {
        if index < usize::from(blocks) && end(block).wrapping_sub(edge).cast_signed() > 0 {
            edge = end(block);
        }
    }
    Some(edge)
}
