//! Received resets that may prove to be none.
//!
//! `tcp_reset()` also runs when data arrives after a process shut the socket down (`tcp_rcv_state_process`), and
//! then `tcp_send_reset` follows at once on the same socket. So a received reset in such a state waits, complete,
//! in a slot of its CPU until the next hook there: the same socket's `tcp_send_reset` proves it false and drops it,
//! anything else proves it true. When nothing follows, user space settles it (`settle` below) after a moment.
//!
//! Two slots: softirqs do not nest, so what follows in softirq is decisive; a process that works off a socket's
//! backlog can be interrupted in between, so its slot waits for its own socket or for time to pass.

use crate::{
    atomic, count, event,
    maps::{PENDING, Pending},
    reset::{Reset, now_ns},
};
use aya_ebpf::{helpers::generated::bpf_get_smp_processor_id, macros::raw_tracepoint, programs::RawTracePointContext};
use rstmon_common::{
    evidence,
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
pub fn wait(reset: &mut Reset) {
    let locked = reset.has(evidence::LOCKED);
    let Some(slot) = PENDING.get_ptr_mut(if locked { PROCESS } else { SOFTIRQ }) else { return };
    commit(slot);
    // SAFETY: a live map value of this CPU; `sk` is written last, so that an interrupt sees a whole record or none.
    unsafe {
        event::complete(reset);
        (*slot).record = reset.work.record;
        if reset.now_ns.wrapping_sub((*slot).nudged_ns) >= PENDING_SETTLE_NS {
            (*slot).nudged_ns = reset.now_ns;
            event::nudge(bpf_get_smp_processor_id());
        }
        core::ptr::write_volatile(&raw mut (*slot).sk, reset.sock.address());
    }
}

/// Called by each reset hook before anything else: decides what waits on this CPU. `denied` is the socket that the
/// kernel answers with a reset now, 0 if it does not.
#[inline(never)]
pub fn decide(denied: u64, now_ns: u64) {
    if let Some(slot) = PENDING.get_ptr_mut(SOFTIRQ) {
        // SAFETY: a live map value of this CPU.
        unsafe {
            if denied != 0 && (*slot).sk == denied {
                take(slot);
            } else if (*slot).sk != 0 {
                commit(slot);
            }
        }
    }
    if let Some(slot) = PENDING.get_ptr_mut(PROCESS) {
        // SAFETY: as above.
        unsafe {
            if denied != 0 && (*slot).sk == denied {
                take(slot);
            } else if (*slot).sk != 0 && now_ns.wrapping_sub((*slot).record.time_ns) >= PROCESS_SETTLE_NS {
                commit(slot);
            }
        }
    }
}

/// Counts and offers what waits in a slot, if anything does.
#[inline(never)]
fn commit(slot: *mut Pending) {
    if take(slot) {
        // SAFETY: a live map value, and this is now the only user of its record.
        unsafe {
            let record = &raw const (*slot).record;
            if count::reset(&(*record).key, (*record).time_ns) {
                event::offer(record);
            }
        }
    }
}

/// Frees a slot; tells whether it was taken. Atomic: user space's call may interrupt a hook.
#[inline(always)]
fn take(slot: *mut Pending) -> bool {
    // SAFETY: a live, aligned map value.
    let sk = unsafe { atomic::take(&raw mut (*slot).sk) };
    sk != 0
}

/// Run by user space on a CPU (`BPF_PROG_TEST_RUN`): settles what has waited long enough there.
/// Returns how many still wait.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn settle(_ctx: RawTracePointContext) -> i32 {
    let now_ns = now_ns();
    let mut waiting = 0;
    for index in 0..PENDING_SLOTS {
        if let Some(slot) = PENDING.get_ptr_mut(index) {
            // SAFETY: a live map value of this CPU.
            unsafe {
                if (*slot).sk != 0 {
                    if now_ns.wrapping_sub((*slot).record.time_ns) >= PENDING_SETTLE_NS {
                        commit(slot);
                    } else {
                        waiting += 1;
                    }
                }
            }
        }
    }
    waiting
}
