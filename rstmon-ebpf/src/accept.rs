//! `inet_accept`: which process accepted the connection. Needs a trampoline: attached where the kernel allows it
//! (not under lockdown); otherwise `used` replaces it.
//!
//! Prototype: `int inet_accept(struct socket *sock, struct socket *newsock, ...)`, stable in its first two
//! arguments (`net/ipv4/af_inet.c`). On failure `newsock->sk` is NULL.

use crate::{
    holders,
    layout::{FILE_SOCKET_SK, field},
    note,
    task::KernelTask,
};
use aya_ebpf::{macros::fexit, programs::FExitContext};
use rstmon_common::key::{provenance, role};

/// Stores the accepting process as the owner in the socket's note.
#[fexit(function = "inet_accept")]
pub fn inet_accept(ctx: FExitContext) -> i32 {
    let socket: *const u8 = ctx.arg(1);
    // SAFETY: the second argument of this very function, a `struct socket *`.
    let Some(sk) = (unsafe { field::<u64>(socket, &FILE_SOCKET_SK) }) else { return 0 };
    let task = KernelTask::current();
    // Servers inside the kernel accept connections, too: no process owns those.
    if task.is_kernel_thread() {
        return 0;
    }
    let Some(note) = note::find_or_create(sk as *const u8) else { return 0 };
    // SAFETY: the note of a socket that was just accepted.
    unsafe {
        task.describe_current(&raw mut (*note).owner);
        (*note).provenance = provenance::ACCEPTED;
        (*note).role = role::ACCEPTED;
        holders::acts(note);
    }
    0
}
