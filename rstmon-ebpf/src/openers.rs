//! Processes that have opened a listener, and whether they live. A listener outlives the process that called `listen()`
//! where another has its descriptor: a daemon forks and the parent exits, a master is killed and its workers serve on.
//! Its children then carry the name of a dead process, which must not be named as their owner.

use crate::{
    maps::{OPENER_SLOTS, OPENERS, Opener, READERS},
    task::KernelTask,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use rstmon_common::{OwnerRecord, Tuple};

#[inline(always)]
fn slot(tgid: u32) -> Option<*mut Opener> {
    OPENERS.get_ptr_mut(tgid & (OPENER_SLOTS - 1))
}

/// Stores that a process has opened a listener, or reads from the connections of one. Another process of the same slot
/// is forgotten, and then counts as living.
#[inline(always)]
pub fn add(owner: &OwnerRecord) {
    if let Some(opener) = slot(owner.tgid)
        && !is_of(opener, owner)
    {
        // SAFETY: a live map value.
        unsafe { *opener = Opener { start_ns: owner.start_ns, tgid: owner.tgid, is_dead: 0 } };
    }
}

#[inline(always)]
fn is_of(opener: *const Opener, owner: &OwnerRecord) -> bool {
    // SAFETY: a live map value.
    unsafe { (*opener).tgid == owner.tgid && (*opener).start_ns == owner.start_ns }
}

/// Whether a process that has opened a listener has exited since.
#[inline(always)]
pub fn is_dead(owner: &OwnerRecord) -> bool {
    // SAFETY: a live map value.
    slot(owner.tgid).is_some_and(|opener| unsafe { (*opener).is_dead != 0 } && is_of(opener, owner))
}

/// Stores the process that reads from a connection whose listener was opened by a process that is dead.
#[inline(always)]
pub fn add_reader(listener: &Tuple, reader: &OwnerRecord) {
    add(reader);
    let _ = READERS.insert(listener, reader, 0);
}

/// The living process that was the last to read for the first time from a connection of the listener.
#[inline(always)]
pub fn reader(listener: &Tuple) -> Option<&'static OwnerRecord> {
    // SAFETY: an entry that is evicted meanwhile may be overwritten with the reader of another listener. The LRU
    // recycles the least recently used entry first, and a look-up makes an entry recent.
    unsafe { READERS.get(listener) }.filter(|reader| !is_dead(reader))
}

/// `sched_process_exit`: a thread exits, before its descriptors are closed (`do_exit`, `kernel/exit.c`). The last
/// thread of a process has left no other alive (`signal_struct.live` is decremented before).
///
/// Prototype: `(struct task_struct *p)`, with `bool group_dead` behind it in newer kernels
/// (`include/trace/events/sched.h`).
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the argument of this very tracepoint.
    let task = unsafe { KernelTask::from_btf(ctx.arg(0)) };
    let tgid = task.tgid();
    if let Some(opener) = slot(tgid)
        // SAFETY: a live map value.
        && unsafe { (*opener).tgid } == tgid
        && !task.has_living_threads()
    {
        // SAFETY: as above.
        unsafe { (*opener).is_dead = 1 };
    }
    0
}
