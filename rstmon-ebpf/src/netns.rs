//! Network namespaces, by which user space checks the counts: how many resets were sent in each, which must agree with
//! the kernel's `OutRsts` of that namespace, and which tasks are in it.
//!
//! A namespace is identified by its cookie (`struct net.net_cookie`, 5.12 on), which the kernel never uses twice; it
//! gives the inode number of a namespace that is gone to the next one.

use crate::{
    atomic, count, front,
    layout::{HOST_NETNS_COOKIE, NET_COOKIE, NET_INUM, NSPROXY_NET, Object, TASK_NSPROXY, TASK_PID, TASK_TYPE, field},
    maps::NETNS_SENT,
    skb::Segment,
    sock::Tcp,
};
use aya_ebpf::helpers::generated::bpf_seq_write;
use core::ffi::c_void;
use rstmon_common::{NetnsTask, limits::lost};

const BPF_NOEXIST: u64 = 1;
#[expect(clippy::cast_possible_truncation, reason = "16")]
const ROW_BYTES: u32 = size_of::<NetnsTask>() as u32;
const CTX_META: usize = 0;
const CTX_TASK: usize = 8;

/// Counts one sent reset in the namespace where the kernel counts it: the socket's or, where only the segment is known,
/// that of the device that received it.
#[inline(always)]
pub fn tally_sent(tcp: Option<Tcp>, segment: Segment) {
    let net = match tcp {
        Some(tcp) => tcp.net(),
        None => segment.net(),
    };
    // SAFETY: a typed pointer.
    let cookie = net.and_then(|net| unsafe { field::<u64>(net, &NET_COOKIE) }).unwrap_or(0);
    match counter(cookie) {
        // SAFETY: a live map value.
        Some(sent) => unsafe { atomic::add_one(sent) },
        None => count::lose(lost::NETNS_TALLY),
    }
}

/// The counter of a namespace on this CPU; `None` when there is no room for it or the namespace is not known.
#[inline(always)]
fn counter(cookie: u64) -> Option<*mut u64> {
    if cookie == 0 {
        return None;
    }
    if let Some(sent) = front::sent(cookie) {
        return Some(sent);
    }
    if let Some(sent) = NETNS_SENT.get_ptr_mut(cookie) {
        return Some(sent);
    }
    // Another CPU may be first (EEXIST): either way it is there afterwards, unless the map is full or busy.
    let _ = NETNS_SENT.insert(cookie, 0, BPF_NOEXIST);
    NETNS_SENT.get_ptr_mut(cookie)
}

/// Run by user space (`iter/task`): writes a [`NetnsTask`] for each task in a network namespace other than rstmon's
/// own.
///
/// Context `struct bpf_iter__task { meta, task }` (`kernel/bpf/task_iter.c`, 5.8 on).
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn namespaces(ctx: *mut c_void) -> i32 {
    // SAFETY: the iterator's context holds these pointers at these offsets; the task is NULL at the end.
    let (meta, task) = unsafe {
        (
            core::ptr::read_volatile(ctx.byte_add(CTX_META).cast::<*const *mut c_void>()),
            core::ptr::read_volatile(ctx.byte_add(CTX_TASK).cast::<*const u8>()),
        )
    };
    if task.is_null() {
        return 0;
    }
    // An exiting task has no namespaces any more: the pointer is NULL, and the reads below yield 0.
    let net = Object::at(task, &TASK_TYPE).follow(&TASK_NSPROXY).and_then(|proxy| proxy.follow(&NSPROXY_NET));
    let cookie = net.and_then(|net| net.get::<u64>(&NET_COOKIE)).unwrap_or(0);
    if cookie == 0 || cookie == HOST_NETNS_COOKIE.load() {
        return 0;
    }
    // SAFETY: typed pointers: the task, and the context's `struct bpf_iter_meta`, which begins with the file.
    let (pid, file) = unsafe { (field::<u32>(task, &TASK_PID).unwrap_or(0), core::ptr::read_volatile(meta)) };
    let inode = net.and_then(|net| net.get::<u32>(&NET_INUM)).unwrap_or(0);
    let mut row = NetnsTask { cookie, pid, inode };
    // SAFETY: the file is the iterator's own, the row a local of the size given. For a row that does not fit, the
    // kernel calls the program again.
    unsafe { bpf_seq_write(file.cast(), (&raw mut row).cast(), ROW_BYTES) };
    0
}
