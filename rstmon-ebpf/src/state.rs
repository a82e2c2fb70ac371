//! `inet_sock_set_state`: which process opened the socket, which one closed it, and how it ended.
//!
//! Prototype: `(const struct sock *sk, const int oldstate, const int newstate)` since 4.16
//! (`include/trace/events/sock.h`). CLOSE -> `SYN_SENT` and -> LISTEN run in the owner's task, as do the moves to
//! `FIN_WAIT1` and `LAST_ACK` (`tcp_close_state`); `SYN_RECV` -> ESTABLISHED and the rest in softirq.

use crate::{
    layout::TOMBSTONES_ON,
    listeners, note, opened,
    reset::now_ns,
    sock::{Sock, Tcp, jiffies, jiffies_to_ms},
    task::KernelTask,
    tombstones,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use rstmon_common::{
    SocketNote, Tombstone, Tuple,
    key::{provenance, role, state},
    limits::{ABSENT_U32, ABSENT_U64},
    note::FIN_SEEN,
};

/// Updates the socket's note.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "TCP states are from 1 to 13")]
    let (old, new) = (ctx.arg::<i32>(1) as u8, ctx.arg::<i32>(2) as u8);
    // Changes to these states show nothing that is stored. Every connection passes `SYN_RECV` or `FIN_WAIT2`.
    if matches!(new, state::SYN_RECV | state::FIN_WAIT2 | state::CLOSING | state::TIME_WAIT | state::NEW_SYN_RECV) {
        return 0;
    }
    // SAFETY: the argument of this very tracepoint. It fires for DCCP, SCTP and MPTCP too; `tcp()` drops those.
    let sock = unsafe { Sock::from_btf(sk) };
    let Some(tcp) = sock.tcp() else { return 0 };
    match new {
        state::SYN_SENT => note::create_for_opened(sk, |note| begin(note, role::OPENED)),
        state::LISTEN => {
            note::create_for_listener(sk, |note| begin(note, role::LISTENER));
            listeners::add(&listener(tcp));
        }
        state::ESTABLISHED => established(sk),
        state::CLOSE_WAIT => fin_arrived(sock, tcp),
        state::FIN_WAIT1 | state::LAST_ACK => closed_here(sock, tcp),
        state::CLOSE => {
            ended(sock, tcp, old);
            opened::close(sk);
        }
        _ => {}
    }
    0
}

/// Fills in the note at `connect()` or `listen()`, by the executing task.
#[inline(always)]
fn begin(note: *mut SocketNote, role: u8) {
    // SAFETY: the note of a socket that the hook holds.
    unsafe {
        *note = SocketNote { provenance: provenance::OPENED, role, ..SocketNote::default() };
        KernelTask::current().describe_current(&raw mut (*note).owner);
    }
}

/// Stores the time at which the handshake completed. A child starts with a copy of its listener's note.
#[inline(always)]
fn established(sk: *const u8) {
    if let Some(note) = note::find_or_create(sk) {
        // SAFETY: see `begin`.
        unsafe {
            (*note).established_ns = now_ns();
            if (*note).role == role::LISTENER {
                (*note).role = role::ACCEPTED;
                (*note).provenance = provenance::INHERITED;
            }
        }
    }
}

/// Stores the position of the peer's FIN: bytes written from now on are written to a peer that has closed.
#[inline(always)]
fn fin_arrived(sock: Sock, tcp: Tcp) {
    if let Some(note) = note::find(sock) {
        // SAFETY: see `begin`.
        unsafe {
            (*note).flags |= FIN_SEEN;
            (*note).fin_write_seq = tcp.write_seq();
        }
    }
}

/// Stores the `close()` or `shutdown()` of a connection by the executing task, which held the last descriptor and hence
/// is the owner.
#[inline(always)]
fn closed_here(sock: Sock, tcp: Tcp) {
    let Some(note) = note::find(sock) else { return };
    let task = KernelTask::current();
    // SAFETY: see `begin`.
    unsafe {
        (*note).closed_ns = now_ns();
        (*note).idle_before_close_ms = jiffies_to_ms(tcp.idle(jiffies()));
        let known = matches!((*note).provenance, provenance::OPENED | provenance::ACCEPTED | provenance::USED);
        if !(task.is_kernel_thread() || known && (*note).owner.tgid == task.tgid()) {
            task.describe_current(&raw mut (*note).owner);
            (*note).provenance = provenance::USED;
        }
    }
}

/// Stores the last state of a socket that is set to CLOSE, and adds its tombstone.
#[inline(always)]
fn ended(sock: Sock, tcp: Tcp, old: u8) {
    if old == state::LISTEN {
        listeners::remove(&listener(tcp));
    }
    let Some(note) = note::find(sock) else { return };
    // SAFETY: see `begin`.
    let note = unsafe {
        (*note).state = old;
        &*note
    };
    if TOMBSTONES_ON.load() == 0 || matches!(old, state::SYN_SENT | state::SYN_RECV | state::CLOSE) {
        return;
    }
    let (mut closed_ns, mut idle_before_close_ms) = (note.closed_ns, note.idle_before_close_ms);
    if closed_ns == 0 {
        closed_ns = now_ns();
        idle_before_close_ms = jiffies_to_ms(tcp.idle(jiffies()));
    }
    if old == state::LISTEN {
        let tombstone = Tombstone {
            owner: note.owner,
            closed_ns,
            established_ns: note.established_ns,
            bytes_sent: ABSENT_U64,
            bytes_received: ABSENT_U64,
            idle_before_close_ms: ABSENT_U32,
            role: note.role,
            state: old,
            zero: [0; 2],
        };
        return note::add_gone_listener(&listener(tcp), &tombstone);
    }
    let mut tuple = Tuple::default();
    tcp.endpoints(&mut tuple);
    tombstones::add(&tuple, |tombstone| {
        // SAFETY: room in a map value to which nothing else has a reference now.
        let tombstone = unsafe { &mut *tombstone };
        tombstone.owner = note.owner;
        tombstone.closed_ns = closed_ns;
        tombstone.established_ns = note.established_ns;
        tombstone.bytes_sent = tcp.bytes_sent();
        tombstone.bytes_received = tcp.bytes_received();
        tombstone.idle_before_close_ms = idle_before_close_ms;
        tombstone.role = note.role;
        tombstone.state = old;
        tombstone.zero = [0; 2];
    });
}

#[inline(always)]
fn listener(tcp: Tcp) -> Tuple {
    note::listener_key(tcp.netns(), tcp.local_port())
}
