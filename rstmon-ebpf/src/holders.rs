//! Processes that hold sockets: which of them live, since when each is alone with what it holds, and which process
//! accepted a connection.
//!
//! Nothing fires on a socket whose descriptor moves from one process to another. A process that has exited holds
//! nothing, and one that has forked may have left to its child what it had: neither is named as the owner of a socket
//! on which it acted before. A process that acts on a socket again holds it.

use crate::{
    clock::{jiffies, jiffies64, now_ns},
    layout::SECOND_JIFFIES,
    maps::{HOLDER_SLOTS, HOLDERS, Holder, READERS},
    sock::Tcp,
    task::KernelTask,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use rstmon_common::{OwnerRecord, SocketNote, Tuple, key::provenance, note::Reader};

/// Slots that a process may have.
const WAYS: u32 = 4;

/// What is known of the process that a note names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// It lives, and has not forked since it acted on the socket.
    Alone,
    /// It lives, and has forked since: the child may be the one that holds the socket now.
    Shared,
    /// It has exited, or there was no room to remember it.
    Gone,
}

#[inline(always)]
fn slot(tgid: u32, way: u32) -> Option<*mut Holder> {
    HOLDERS.get_ptr_mut((tgid ^ way) & (HOLDER_SLOTS - 1))
}

/// Of the slots that the process `tgid` may have, the one that the process `taken_by` has, whichever had that id last;
/// 0 = a free one.
#[inline(always)]
fn slot_among(tgid: u32, taken_by: u32) -> Option<*mut Holder> {
    for way in 0..WAYS {
        let slot = slot(tgid, way)?;
        // SAFETY: a live map value.
        if unsafe { (&raw const (*slot).tgid).read_volatile() } == taken_by {
            return Some(slot);
        }
    }
    None
}

/// The slot of a process.
#[inline(always)]
fn slot_of(tgid: u32) -> Option<*mut Holder> {
    slot_among(tgid, tgid)
}

#[inline(always)]
fn find(owner: &OwnerRecord) -> Option<*mut Holder> {
    if owner.tgid == 0 {
        return None;
    }
    // SAFETY: a live map value.
    slot_of(owner.tgid).filter(|slot| unsafe { (&raw const (**slot).start_ns).read_volatile() } == owner.start_ns)
}

/// Stores in a note when its owner acted on the socket, which is now, and that the owner lives.
#[inline(always)]
pub fn acts(note: *mut SocketNote) {
    // SAFETY: the note of a socket that the hook holds.
    let owner = unsafe { &(*note).owner };
    if find(owner).is_none() {
        add(owner);
    }
    // SAFETY: as above.
    unsafe { (*note).acted_jiffies = jiffies64() };
}

/// Takes a slot for a process: its own, a free one, or that of another process, which is forgotten. What was not
/// remembered until now counts as a fork.
#[inline(never)]
fn add(owner: &OwnerRecord) -> u32 {
    let mut taken = slot_of(owner.tgid);
    if taken.is_none() {
        taken = slot_among(owner.tgid, 0);
    }
    #[expect(clippy::cast_possible_truncation, reason = "any number selects one of the ways")]
    let other = slot(owner.tgid, owner.start_ns as u32 & (WAYS - 1));
    if let Some(slot) = taken.or(other) {
        // SAFETY: a live map value. Where two CPUs write to it at once, neither process is found in it.
        unsafe {
            (*slot).start_ns = owner.start_ns;
            (*slot).alone_since = jiffies64();
            (*slot).alone_since_ns = now_ns();
            (*slot).looked_up = 0;
            (*slot).tgid = owner.tgid;
        }
    }
    0
}

/// Whether the owner in a note still holds the socket, as far as that is known.
#[inline(always)]
pub fn holding(note: &SocketNote) -> Holding {
    let Some(slot) = find(&note.owner) else { return Holding::Gone };
    // SAFETY: a live map value.
    let alone_since = unsafe { (&raw const (*slot).alone_since).read_volatile() };
    if note.acted_jiffies >= alone_since { Holding::Alone } else { Holding::Shared }
}

/// The same for a process that accepted a connection, at an unknown time after the handshake.
#[inline(always)]
pub fn holding_accepted(owner: &OwnerRecord, established_ns: u64) -> Holding {
    let Some(slot) = find(owner) else { return Holding::Gone };
    // SAFETY: a live map value.
    let alone_since_ns = unsafe { (&raw const (*slot).alone_since_ns).read_volatile() };
    if established_ns >= alone_since_ns { Holding::Alone } else { Holding::Shared }
}

/// The same for the owner that a connection inherited from its listener: it must have accepted the connection or, where
/// no process has, still hold the listener.
#[inline(always)]
pub fn holding_inherited(note: &SocketNote, acceptor_credentials: u64) -> Holding {
    if acceptor_credentials == 0 {
        holding(note)
    } else if acceptor_credentials == note.opener_credentials {
        holding_accepted(&note.owner, note.established_ns)
    } else if find(&note.owner).is_some() {
        Holding::Shared
    } else {
        Holding::Gone
    }
}

/// Removes from a note what is not known of its owner any more. In the note itself: the verifier would follow each case
/// separately to the end of a program that kept it in a register.
#[inline(always)]
pub fn keep_what_holds(note: *mut SocketNote, holding: Holding) {
    if holding == Holding::Alone {
        return;
    }
    // SAFETY: the note of a socket that the hook holds.
    unsafe {
        (*note).owner.tgid = 0;
        (*note).owner.start_ns = 0;
        (*note).provenance = provenance::INHERITED;
        if holding == Holding::Gone {
            (*note).owner.comm = [0; 16];
            (*note).owner.cgroup = 0;
            (*note).provenance = provenance::NONE;
        }
    }
}

/// The address of the credentials under which the current task lives, if the socket's file was made under the same:
/// as long as the file lives, no other process can have credentials at that address. 0 otherwise.
///
/// A file has the credentials of the task that made it (`alloc_empty_file`, `fs/file_table.c`); `fork` gives a process
/// credentials of its own, which its threads share (`copy_creds`, `kernel/cred.c`).
#[inline(always)]
pub fn credentials_of_maker(tcp: Tcp, task: KernelTask) -> u64 {
    let credentials = task.credentials();
    if tcp.file_credentials() == credentials { credentials } else { 0 }
}

/// Stores that the current task's process, which is the owner in the note of a listener's child, reads from it and has
/// accepted it itself; unless the listener's opener did, or another process of which that is known lives. A look-up in
/// the hash would double the cost of a connection's first read, so a process has one a second.
#[inline(always)]
pub fn add_reader(listener: &Tuple, note: *const SocketNote, tcp: Tcp, task: KernelTask) {
    let credentials = credentials_of_maker(tcp, task);
    // SAFETY: the note of a socket that the hook holds, and a live map value.
    unsafe {
        if credentials == 0 || credentials == (*note).opener_credentials {
            return;
        }
        let Some(slot) = find(&(*note).owner) else { return };
        let now = jiffies();
        if (*slot).looked_up != 0 && now.wrapping_sub((*slot).looked_up) < SECOND_JIFFIES.load() {
            return;
        }
        (*slot).looked_up = now;
        if reader(listener).is_none() {
            let _ = READERS.insert(listener, Reader { owner: (*note).owner, credentials }, 0);
        }
    }
}

/// A living process that accepts connections from a listener and has not opened it.
#[inline(always)]
pub fn reader(listener: &Tuple) -> Option<&'static Reader> {
    // SAFETY: an entry that is evicted meanwhile may be overwritten with the reader of another listener. The LRU
    // recycles the least recently used entry first, and a look-up makes an entry recent.
    unsafe { READERS.get(listener) }.filter(|reader| find(&reader.owner).is_some())
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
    if let Some(slot) = slot_of(task.tgid())
        && !task.has_living_threads()
    {
        // SAFETY: a live map value.
        unsafe { (*slot).tgid = 0 };
    }
    0
}

/// `sched_process_fork`: a thread or a process begins. A process begins with a copy of its parent's descriptors, made
/// before this (`copy_process`, `kernel/fork.c`), so that what its parent did until the end of this tick counts as done
/// before.
///
/// Prototype: `(struct task_struct *parent, struct task_struct *child)` (`include/trace/events/sched.h`).
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the arguments of this very tracepoint.
    let (parent, child) = unsafe { (KernelTask::from_btf(ctx.arg(0)), KernelTask::from_btf(ctx.arg(1))) };
    let tgid = parent.tgid();
    if tgid != child.tgid()
        && let Some(slot) = slot_of(tgid)
    {
        // SAFETY: a live map value.
        unsafe {
            (*slot).alone_since = jiffies64() + 1;
            (*slot).alone_since_ns = now_ns();
        }
    }
    0
}
