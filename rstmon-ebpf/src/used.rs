//! `tcp_rcv_space_adjust`: a process read from the socket. Shows which worker serves a connection where no accept
//! hook is possible, and which process uses a descriptor that was passed on. `sock_send_length`: a process wrote to it,
//! which shows the holders that never read.

use crate::{
    holders::{self, Holding},
    note,
    sock::Sock,
    task::KernelTask,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use rstmon_common::key::provenance;

/// Stores the reading process as the owner in the socket's note.
///
/// Prototype: `(struct sock *sk)` since 4.18 (`include/trace/events/tcp.h`); called by `tcp_recvmsg` in the reader's
/// task after it copied data. Costs a look-up and a few comparisons for each read, so user space attaches it only where
/// the `accept` hook is refused, or where the operator wants holders to be followed.
#[btf_tracepoint(function = "tcp_rcv_space_adjust")]
pub fn tcp_rcv_space_adjust(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the argument of this very tracepoint.
    used(unsafe { Sock::from_btf(ctx.arg(0)) })
}

/// Stores the writing process as the owner in the socket's note.
///
/// Prototype: `(struct sock *sk, int ret, int flags)` since 6.3 (`include/trace/events/sock.h`); called in the writer's
/// task for sockets of all families, with the bytes sent or an error. Attached only where the operator wants it.
#[btf_tracepoint(function = "sock_send_length")]
pub fn sock_send_length(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<i32>(1) <= 0 {
        return 0;
    }
    // SAFETY: the argument of this very tracepoint.
    let sock = unsafe { Sock::from_btf(ctx.arg(0)) };
    if sock.tcp().is_none() {
        return 0;
    }
    used(sock)
}

#[inline(always)]
fn used(sock: Sock) -> i32 {
    let Some(note) = note::find(sock) else { return 0 };
    let task = KernelTask::current();
    // SAFETY: the note of a socket that the hook holds.
    unsafe {
        let known = !matches!((*note).provenance, provenance::NONE | provenance::INHERITED | provenance::BACKFILLED);
        if known && (*note).owner.tgid == task.tgid() {
            // It holds the socket, whatever it has done meanwhile.
            if holders::holding(&*note) != Holding::Alone {
                holders::acts(note);
            }
            return 0;
        }
        if task.is_kernel_thread() {
            return 0;
        }
        let inherited = (*note).provenance == provenance::INHERITED;
        task.describe_current(&raw mut (*note).owner);
        (*note).provenance = provenance::USED;
        holders::acts(note);
        if inherited && let Some(tcp) = sock.tcp() {
            holders::add_reader(&note::listener_key(tcp.netns(), tcp.local_port()), note, tcp, task);
        }
    }
    0
}
