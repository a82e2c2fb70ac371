//! Received resets that may prove to be none.
//!
//! `tcp_reset()` also runs when data arrives after a process shut the socket down (`tcp_rcv_state_process`), and
//! then `tcp_send_reset` follows at once on the same socket. So a received reset in such a state waits, complete,
//! in a slot of its CPU until the next hook there: the same connection's `tcp_send_reset` proves it false and drops it,
//! anything else proves it true. When nothing follows, user space settles it (`settle` below) after a moment.
//!
//! Two slots: softirqs do not nest, so what follows in softirq is decisive; a process that works off a socket's
//! backlog can be interrupted in between, so its slot waits for its own socket or for time to pass.

use crate::{
    atomic, count, event,
    maps::{PENDING, Pending, UNDECIDED, Undecided},
    reset::{Reset, now_ns},
    sock::{Tcp, jiffies},
};
use aya_ebpf::{helpers::generated::bpf_get_smp_processor_id, macros::raw_tracepoint, programs::RawTracePointContext};
use rstmon_common::{
    ResetRecord, Tuple, evidence,
    key::state,
    limits::{PENDING_SETTLE_NS, PENDING_SLOTS},
};

const SOFTIRQ: u32 = 0;
const PROCESS: u32 = 1;
/// How long a process may take between the two hooks before its slot is taken for settled.
const PROCESS_SETTLE_NS: u64 = 100_000_000;

/// Whether a received reset may be data that met a closed socket.
#[inline(always)]
pub fn is_doubtful(reset: &Reset) -> bool {
    reset.has(evidence::SHUT_RECEIVE)
        && matches!(
            reset.state(),
            state::FIN_WAIT1 | state::FIN_WAIT2 | state::CLOSE_WAIT | state::CLOSING | state::LAST_ACK
        )
}

/// Lets a doubtful reset wait; what waited in its slot is settled as received.
#[inline(always)]
pub fn wait(reset: &Reset) {
    let index = if reset.has(evidence::LOCKED) { PROCESS } else { SOFTIRQ };
    let Some(undecided) = UNDECIDED.get_ptr_mut(0) else { return };
    let Some(slot) = PENDING.get_ptr_mut(index) else { return };
    commit(undecided, index, slot);
    // SAFETY: live map values of this CPU; `sk` is written last, so that an interrupt sees a whole record or none.
    unsafe {
        event::complete(reset, &raw mut (*slot).record);
        let now_ns = (*slot).record.time_ns;
        if now_ns.wrapping_sub((*slot).nudged_ns) >= PENDING_SETTLE_NS {
            (*slot).nudged_ns = now_ns;
            event::nudge(bpf_get_smp_processor_id());
        }
        core::ptr::write_volatile(word(undecided, index), reset.sock.address());
    }
}

/// Called by each reset hook before anything else: decides what waits on this CPU. `answered` is the socket that the
/// kernel answers a segment for with a reset now.
#[inline(always)]
pub fn decide(answered: Option<Tcp>) {
    let Some(undecided) = UNDECIDED.get_ptr_mut(0) else { return };
    // SAFETY: a live map value of this CPU.
    let waits = unsafe { (*undecided).sk[0] | (*undecided).sk[1] } != 0;
    if waits {
        decide_waiting(undecided, answered);
    }
}

#[inline(never)]
fn decide_waiting(undecided: *mut Undecided, answered: Option<Tcp>) {
    for index in [SOFTIRQ, PROCESS] {
        if let Some(slot) = PENDING.get_ptr_mut(index) {
            // SAFETY: live map values of this CPU.
            unsafe {
                let sk = *word(undecided, index);
                let record = &raw const (*slot).record;
                let same = answered.filter(|tcp| sk != 0 && tcp.address() == sk);
                if same.is_some_and(|tcp| is_about(&*record, tcp)) {
                    take(undecided, index);
                } else if sk != 0
                    // Another socket at the same address: the one that waited is gone.
                    && (index == SOFTIRQ
                        || same.is_some()
                        || now_ns().wrapping_sub((*record).time_ns) >= PROCESS_SETTLE_NS)
                {
                    commit(undecided, index, slot);
                }
            }
        }
    }
}

/// Whether a record is about this very connection. The kernel gives the memory of a socket to the next one at once, on
/// the same CPU, so that its address is not enough; both ends of a connection do not come back as soon.
#[inline(always)]
fn is_about(record: &ResetRecord, tcp: Tcp) -> bool {
    let mut ends = Tuple::default();
    tcp.endpoints(&mut ends);
    record.remote_port == ends.remote_port
        && record.local_port == ends.local_port
        && record.netns == ends.netns
        && record.remote == ends.remote
        && record.local == ends.local
}

/// Counts and offers what waits in a slot, if anything does.
#[inline(never)]
fn commit(undecided: *mut Undecided, index: u32, slot: *mut Pending) {
    if take(undecided, index) {
        // SAFETY: a live map value, and this is now the only user of its record.
        unsafe {
            let record = &raw const (*slot).record;
            if count::reset(&(*record).key, jiffies()) {
                event::offer_copy(record);
            }
        }
    }
}

/// The word that says whose reset waits in a slot.
#[inline(always)]
fn word(undecided: *mut Undecided, index: u32) -> *mut u64 {
    // SAFETY: both are within the map value.
    unsafe { if index == SOFTIRQ { &raw mut (*undecided).sk[0] } else { &raw mut (*undecided).sk[1] } }
}

/// Frees a slot; tells whether it was taken. Atomic: user space's call may interrupt a hook.
#[inline(always)]
fn take(undecided: *mut Undecided, index: u32) -> bool {
    // SAFETY: a live, aligned map value.
    let sk = unsafe { atomic::take(word(undecided, index)) };
    sk != 0
}

/// Run by user space on a CPU (`BPF_PROG_TEST_RUN`): settles what has waited long enough there.
/// Returns how many still wait.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn settle(_ctx: RawTracePointContext) -> i32 {
    let now_ns = now_ns();
    let mut waiting = 0;
    let Some(undecided) = UNDECIDED.get_ptr_mut(0) else { return 0 };
    for index in 0..PENDING_SLOTS {
        if let Some(slot) = PENDING.get_ptr_mut(index) {
            // SAFETY: live map values of this CPU.
            unsafe {
                if *word(undecided, index) != 0 {
                    if now_ns.wrapping_sub((*slot).record.time_ns) >= PENDING_SETTLE_NS {
                        commit(undecided, index, slot);
                    } else {
                        waiting += 1;
                    }
                }
            }
        }
    }
    waiting
}
