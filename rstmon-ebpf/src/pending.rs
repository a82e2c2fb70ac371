//! Received resets that may turn out to be none.
//!
//! `tcp_reset()` also runs when data arrives after a process shut the socket down (`tcp_rcv_state_process`), and then
//! `tcp_send_reset` follows at once on the same socket. So the complete record of a received reset in such a state
//! waits in a slot of its CPU until the next reset hook there: `tcp_send_reset` of the same connection proves it false
//! and drops it, any other hook proves it true. When no hook follows, user space settles it (`settle` below) after a
//! moment.
//!
//! Two slots: softirqs do not nest, so the next hook in softirq decides; a process that works off a socket's backlog
//! can be interrupted in between, so its slot waits until the process releases the socket's lock, at the latest until
//! the next hook of the same socket.

use crate::{
    atomic,
    clock::{jiffies, now_ns},
    count, event,
    layout::{SK_LOCK_OWNED, probe},
    maps::{PENDING, Pending, UNDECIDED, UndecidedSockets},
    reset::ResetBuilder,
    sock::Tcp,
};
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use core::ffi::c_void;
use rstmon_common::{
    ResetRecord, Tuple, evidence,
    key::state,
    limits::{PENDING_SETTLE_NS, PENDING_SLOTS},
};

const SOFTIRQ: u32 = 0;
const PROCESS: u32 = 1;
/// How long a process may take between the two hooks before its slot is settled in any case: the memory of a freed
/// socket may look like a locked one.
const PROCESS_SETTLE_NS: u64 = 100_000_000;

/// Whether a received reset may be data that arrived at a closed socket.
#[inline(always)]
pub fn is_doubtful(reset: &ResetBuilder) -> bool {
    reset.has(evidence::SHUT_RECEIVE)
        && matches!(
            reset.state(),
            state::FIN_WAIT1 | state::FIN_WAIT2 | state::CLOSE_WAIT | state::CLOSING | state::LAST_ACK
        )
}

/// Stores a doubtful reset in its slot; a reset that waited there is settled as received.
#[inline(always)]
pub fn wait(reset: &ResetBuilder) {
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

/// Called by each reset hook before anything else: decides the resets that wait on this CPU. `answered` is the socket
/// on which the kernel is answering a segment with a reset.
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
fn decide_waiting(undecided: *mut UndecidedSockets, answered: Option<Tcp>) {
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
                    // Another connection at the same address: the socket of the waiting reset is gone.
                    && (index == SOFTIRQ || same.is_some() || is_unlocked(sk, now_ns().wrapping_sub((*record).time_ns)))
                {
                    commit(undecided, index, slot);
                }
            }
        }
    }
}

/// Whether a record is about this connection. The kernel may give the memory of a socket to the next one at once, on
/// the same CPU, so the address is not enough; the same two ends do not come back as soon.
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

/// Counts and offers the reset that waits in a slot, if there is one.
#[inline(never)]
fn commit(undecided: *mut UndecidedSockets, index: u32, slot: *mut Pending) {
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

/// The word that has the address of the socket whose reset waits in a slot.
#[inline(always)]
fn word(undecided: *mut UndecidedSockets, index: u32) -> *mut u64 {
    // SAFETY: both are within the map value.
    unsafe { if index == SOFTIRQ { &raw mut (*undecided).sk[0] } else { &raw mut (*undecided).sk[1] } }
}

/// Frees a slot. Returns whether a reset waited in it. Atomic: user space's run of `settle` may interrupt a hook.
#[inline(always)]
fn take(undecided: *mut UndecidedSockets, index: u32) -> bool {
    // SAFETY: a live, aligned map value.
    let sk = unsafe { atomic::take(word(undecided, index)) };
    sk != 0
}

/// Whether the process that was working off this socket's backlog has released the socket's lock.
#[inline(always)]
fn is_unlocked(sk: u64, age_ns: u64) -> bool {
    probe::<u32>(sk as *const u8, &SK_LOCK_OWNED).unwrap_or(0) == 0 || age_ns >= PROCESS_SETTLE_NS
}

/// Run by user space on a CPU (`BPF_PROG_TEST_RUN`): settles the resets that have waited long enough there. Returns how
/// many still wait; aya's macro for such a program would return 0 instead.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sys_enter")]
pub extern "C" fn settle(_ctx: *mut c_void) -> u32 {
    let now_ns = now_ns();
    let mut waiting = 0;
    let Some(undecided) = UNDECIDED.get_ptr_mut(0) else { return 0 };
    for index in 0..PENDING_SLOTS {
        if let Some(slot) = PENDING.get_ptr_mut(index) {
            // SAFETY: live map values of this CPU.
            unsafe {
                let sk = word(undecided, index).read_volatile();
                let age_ns = now_ns.wrapping_sub((*slot).record.time_ns);
                // This program may run between the two hooks of a softirq, but not that long after the first.
                let settled = if index == SOFTIRQ { age_ns >= PENDING_SETTLE_NS } else { is_unlocked(sk, age_ns) };
                if sk != 0 && settled {
                    commit(undecided, index, slot);
                } else if sk != 0 {
                    waiting += 1;
                }
            }
        }
    }
    waiting
}
