//! `tcp_rcv_space_adjust`: a process read from the socket. Shows which worker serves a connection where no accept
//! hook is possible, and which process uses a descriptor that was passed on.
//!
//! Prototype: `(struct sock *sk)` since 4.18 (`include/trace/events/tcp.h`); called by `tcp_recvmsg` in the reader's
//! task after it copied data. Costs a look-up and two comparisons for each read, so user space attaches it only where
//! the `accept` hook is refused.

use crate::{note, openers, sock::Sock, task::KernelTask};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use rstmon_common::key::provenance;

/// Stores the reading process as the owner in the socket's note.
#[btf_tracepoint(function = "tcp_rcv_space_adjust")]
pub fn tcp_rcv_space_adjust(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the argument of this very tracepoint.
    let sock = unsafe { Sock::from_btf(ctx.arg(0)) };
    let Some(note) = note::find(sock) else { return 0 };
    let task = KernelTask::current();
    // SAFETY: the note of a socket that the hook holds.
    unsafe {
        let known = !matches!((*note).provenance, provenance::NONE | provenance::INHERITED | provenance::BACKFILLED);
        if (known && (*note).owner.tgid == task.tgid()) || task.is_kernel_thread() {
            return 0;
        }
        let orphaned = (*note).provenance == provenance::INHERITED && openers::is_dead(&(*note).owner);
        task.describe_current(&raw mut (*note).owner);
        (*note).provenance = provenance::USED;
        if orphaned && let Some(tcp) = sock.tcp() {
            openers::add_reader(&note::listener_key(tcp.netns(), tcp.local_port()), &(*note).owner);
        }
    }
    0
}
