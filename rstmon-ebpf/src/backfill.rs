//! Iterator over every open file, run once at the start: finds the owners of sockets that were opened before.
//!
//! Context `struct bpf_iter__task_file { meta, task, fd, file }` (`kernel/bpf/task_iter.c`, 5.8 on). The owner of a
//! file that several processes share is the one with the lowest pid.

use crate::{
    clock::jiffies,
    holders,
    layout::{FILE_SOCKET_SK, SECOND_JIFFIES, field},
    listeners, note,
    sock::Sock,
    task::KernelTask,
};
use aya_ebpf::helpers::generated::bpf_sock_from_file;
use core::ffi::c_void;
use rstmon_common::{
    key::{provenance, role, state},
    note::FIN_SEEN,
};

const CTX_TASK: usize = 8;
const CTX_FILE: usize = 24;

/// Stores the owner of one file's socket in the socket's note.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
pub extern "C" fn backfill(ctx: *mut c_void) -> i32 {
    // SAFETY: the iterator's context holds these pointers at these offsets; both are NULL at the end.
    let (task, file) = unsafe {
        (
            core::ptr::read_volatile(ctx.byte_add(CTX_TASK).cast::<*const u8>()),
            core::ptr::read_volatile(ctx.byte_add(CTX_FILE).cast::<*const u8>()),
        )
    };
    if task.is_null() || file.is_null() {
        return 0;
    }
    // SAFETY: `file` is a typed pointer; the helper returns NULL for a file that is no socket.
    let socket = unsafe { bpf_sock_from_file(file.cast_mut().cast()) }.cast::<u8>().cast_const();
    if socket.is_null() {
        return 0;
    }
    // SAFETY: typed pointers, checked above.
    let (sock, task) = unsafe {
        let sk = field::<u64>(socket, &FILE_SOCKET_SK).unwrap_or(0) as *const u8;
        (Sock::from_btf(sk), KernelTask::from_btf(task))
    };
    let Some(tcp) = sock.tcp() else { return 0 };
    let Some(note) = note::find_or_create(sock.as_ptr()) else { return 0 };
    // SAFETY: the note of a socket that the file holds.
    unsafe {
        if (*note).owner.tgid != 0 {
            return 0;
        }
        task.describe(&raw mut (*note).owner);
        (*note).provenance = provenance::BACKFILLED;
        holders::acts(note);
        if sock.state == state::LISTEN {
            (*note).role = role::LISTENER;
            (*note).facts = sock.address();
            (*note).opener_credentials = holders::credentials_of_maker(tcp, task);
            listeners::add(&note::listener_key(tcp.netns(), tcp.local_port()), 0);
        } else if sock.state != state::CLOSE {
            // The connection's tombstone will need it.
            (*note).role = tcp.end();
        }
        if sock.state == state::CLOSE_WAIT {
            (*note).flags |= FIN_SEEN;
            (*note).fin_write_seq = tcp.write_seq();
            // It is not known when: not a moment ago.
            (*note).owner.extra = jiffies().wrapping_sub(SECOND_JIFFIES.load() + 1);
        }
    }
    0
}
