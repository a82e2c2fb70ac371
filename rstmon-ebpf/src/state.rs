//! `inet_sock_set_state`: which process opened the socket, which one closed it, and how it ended.
//!
//! Prototype: `(const struct sock *sk, const int oldstate, const int newstate)` since 4.16
//! (`include/trace/events/sock.h`). CLOSE -> `SYN_SENT` and -> LISTEN run in the owner's task, as do the moves to
//! `FIN_WAIT1` and `LAST_ACK` (`tcp_close_state`), with the socket's lock held by that task; `SYN_RECV` -> ESTABLISHED
//! and the rest in softirq, also `SYN_RECV` -> `FIN_WAIT1` where a handshake completes after a close.
//!
//! `close()` after `shutdown()` fires with the same state twice (`tcp_close_state` of `FIN_WAIT1`, `FIN_WAIT2`, CLOSING
//! or `LAST_ACK`): that is the last close.

use crate::{
    clock::{jiffies, jiffies_to_ms, now_ns},
    facts::{EvidenceBits, is_same_act},
    holders,
    layout::TOMBSTONES_ON,
    listeners, note, opened,
    reset::is_some,
    sock::{RCV_SHUTDOWN, SEND_SHUTDOWN, Sock, Tcp},
    task::KernelTask,
    tombstones,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use rstmon_common::{
    OwnerRecord, SocketNote, Tombstone, Tuple,
    evidence::{self, ended, means, phase},
    key::{provenance, role, state},
    limits::ABSENT_U32,
    note::{FIN_SEEN, RESET_RECEIVED, RESET_SENT, SHUT_SEND},
};

/// Updates the socket's note.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "TCP states are from 1 to 13")]
    let (old, new) = (ctx.arg::<i32>(1) as u8, ctx.arg::<i32>(2) as u8);
    let closes_again = old == new;
    // Changes to these states show nothing that is stored. Every connection passes `SYN_RECV` or `FIN_WAIT2`.
    if !closes_again
        && matches!(new, state::SYN_RECV | state::FIN_WAIT2 | state::CLOSING | state::TIME_WAIT | state::NEW_SYN_RECV)
    {
        return 0;
    }
    // SAFETY: the argument of this very tracepoint. It fires for DCCP, SCTP and MPTCP too; `tcp()` drops those.
    let sock = unsafe { Sock::from_btf(sk) };
    let Some(tcp) = sock.tcp() else { return 0 };
    match new {
        state::SYN_SENT => note::create_for_opened(sk, |note| begin(note, role::OPENED)),
        state::LISTEN => {
            note::create_for_listener(sk, |note| {
                begin(note, role::LISTENER);
                // SAFETY: see `begin`.
                unsafe {
                    (*note).facts = sock.address();
                    (*note).opener_credentials = holders::credentials_of_maker(tcp, KernelTask::current());
                }
            });
            listeners::add(&listener(tcp), now_ns());
        }
        state::ESTABLISHED => established(sk, tcp),
        state::CLOSE_WAIT => fin_arrived(sock, tcp),
        state::FIN_WAIT1 | state::LAST_ACK if !closes_again => closed_here(sock, tcp),
        state::FIN_WAIT1 | state::FIN_WAIT2 | state::CLOSING | state::LAST_ACK => closed_at_last(sock, tcp, new),
        state::CLOSE if !closes_again => {
            ended(sock, tcp, old);
            opened::close(sk);
        }
        _ => {}
    }
    0
}

/// Fills in the note at `connect()` or `listen()`, by the executing task. Kernel threads open connections for others
/// (MPTCP joins), or for the kernel itself: no process owns those.
#[inline(always)]
fn begin(note: *mut SocketNote, role: u8) {
    let task = KernelTask::current();
    // SAFETY: the note of a socket that the hook holds.
    unsafe {
        *note = SocketNote { role, ..SocketNote::default() };
        if !task.is_kernel_thread() {
            (*note).provenance = provenance::OPENED;
            task.describe_current(&raw mut (*note).owner);
            holders::acts(note);
        }
    }
}

/// Stores the time at which the handshake completed. A child starts with a copy of its listener's note.
#[inline(always)]
fn established(sk: *const u8, tcp: Tcp) {
    if let Some(note) = note::find_or_create(sk) {
        let now_ns = now_ns();
        // SAFETY: see `begin`.
        unsafe {
            (*note).established_ns = now_ns;
            if (*note).role == role::LISTENER {
                (*note).role = role::ACCEPTED;
                (*note).provenance = provenance::INHERITED;
                if listeners::has_filled_queue((*note).facts) {
                    listeners::set_full(&listener(tcp), now_ns);
                }
                (*note).facts = 0;
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
            (*note).owner.extra = jiffies();
        }
    }
}

/// Stores the `close()` or `shutdown()` of a connection by the executing task, which held the last descriptor and hence
/// is the owner.
#[inline(always)]
fn closed_here(sock: Sock, tcp: Tcp) {
    if !tcp.is_locked() {
        return;
    }
    let Some(note) = note::find(sock) else { return };
    // The FIN takes its sequence number later: nothing of it is outstanding yet.
    store_close(note, tcp, state::ESTABLISHED);
    // `__tcp_close` shuts both directions down before it changes the state, `shutdown()` those that it is asked to.
    if tcp.shutdown() & RCV_SHUTDOWN == 0 {
        // SAFETY: see `begin`.
        unsafe { (*note).flags |= SHUT_SEND };
    }
}

/// Stores the `close()` of a connection that was shut down before.
#[inline(always)]
fn closed_at_last(sock: Sock, tcp: Tcp, now: u8) {
    if !tcp.is_locked() {
        return;
    }
    let Some(note) = note::find(sock) else { return };
    // SAFETY: see `begin`.
    unsafe {
        let facts = EvidenceBits::at(&raw mut (*note).facts);
        if (*note).closed_ns != 0 && evidence::means_of(facts.get()) != means::NONE {
            // Both directions were shut down: the conversation ended then.
            (*note).closed_ns = now_ns();
            facts.put(facts.get() & !(evidence::MEANS | evidence::GENTLE_EXIT));
            facts.add_means(KernelTask::current(), means::CLOSE);
            return;
        }
    }
    store_close(note, tcp, now);
}

/// Stores who closes a connection, when and how. `now` is the state, as [`Tcp::outstanding`] needs it.
#[inline(never)]
fn store_close(note: *mut SocketNote, tcp: Tcp, now: u8) {
    let task = KernelTask::current();
    // SAFETY: see `begin`.
    let facts = unsafe {
        let known = matches!((*note).provenance, provenance::OPENED | provenance::ACCEPTED | provenance::USED);
        if !(task.is_kernel_thread() || known && (*note).owner.tgid == task.tgid()) {
            task.describe_current(&raw mut (*note).owner);
            (*note).provenance = provenance::USED;
            holders::acts(note);
        }
        (*note).closed_ns = now_ns();
        (*note).idle_before_close_ms = jiffies_to_ms(tcp.idle(jiffies()));
        EvidenceBits::at(&raw mut (*note).facts)
    };
    put_ends(facts, note, tcp);
    if is_shut_down(tcp) {
        facts.add_means(task, means::CLOSE);
        let (unsent, _) = tcp.outstanding(now);
        facts.set(evidence::UNSENT_AT_CLOSE, is_some(unsent));
    }
    // The state shows a `shutdown()` that was called before rstmon started.
    if now != state::ESTABLISHED || flags_of(note) & SHUT_SEND != 0 {
        facts.phase(phase::HALF_CLOSED);
        return facts.add_answered(tcp);
    }
    facts.add_phase(tcp, now, 1);
    if facts.has(evidence::LAST_WORD) {
        // SAFETY: see `begin`.
        unsafe { (*note).idle_before_close_ms = jiffies_to_ms(tcp.receive_idle(jiffies())) };
    }
}

/// Begins the facts of a connection: which end this is, and whether the other one has sent its FIN.
#[inline(always)]
fn put_ends(facts: EvidenceBits, note: *const SocketNote, tcp: Tcp) {
    // SAFETY: see `begin`.
    let role = unsafe { (&raw const (*note).role).read_volatile() };
    facts.put(evidence::with_role(0, if role == role::UNKNOWN { tcp.end() } else { role }));
    facts.set(evidence::PEER_FIN, tcp.fin_received());
}

/// Flags of a note; through memory, so that the verifier does not follow each value separately.
#[inline(always)]
fn flags_of(note: *const SocketNote) -> u8 {
    // SAFETY: see `begin`.
    unsafe { (&raw const (*note).flags).read_volatile() }
}

/// The state that a connection ended in; through memory, too.
#[inline(always)]
fn state_of(note: *const SocketNote) -> u8 {
    // SAFETY: see `begin`.
    unsafe { (&raw const (*note).state).read_volatile() }
}

/// When a process closed or shut down a connection; through memory, too.
#[inline(always)]
fn closed_ns_of(note: *const SocketNote) -> u64 {
    // SAFETY: see `begin`.
    unsafe { (&raw const (*note).closed_ns).read_volatile() }
}

/// Stores the last state of a socket that is set to CLOSE, and adds its tombstone.
#[inline(always)]
fn ended(sock: Sock, tcp: Tcp, old: u8) {
    if old == state::LISTEN {
        listeners::remove(&listener(tcp));
    }
    let Some(note) = note::find(sock) else { return };
    // SAFETY: see `begin`.
    unsafe { (*note).state = old };
    if TOMBSTONES_ON.load() == 0 || matches!(old, state::SYN_RECV | state::CLOSE) {
        return;
    }
    if old == state::LISTEN {
        return listener_ended(note, tcp);
    }
    connection_ended(note, tcp);
}

#[inline(never)]
fn listener_ended(note: *mut SocketNote, tcp: Tcp) {
    let task = KernelTask::current();
    let mut tombstone = Tombstone { closed_ns: now_ns(), idle_before_close_ms: ABSENT_U32, ..Tombstone::default() };
    let mut tuple = Tuple::default();
    tcp.endpoints(&mut tuple);
    note::set_listener_address(&mut tombstone, &tuple.local);
    // SAFETY: see `begin`.
    unsafe {
        let facts = EvidenceBits::at(&raw mut (*note).facts);
        facts.put(evidence::with_role(0, role::LISTENER));
        let same = (*note).owner.tgid == task.tgid();
        let by_close = is_shut_down(tcp);
        facts.add_means(
            task,
            match (by_close, same) {
                (true, _) => means::CLOSE,
                (false, true) => means::DISCONNECT,
                (false, false) => means::DESTROYED,
            },
        );
        tombstone.facts = evidence::pack(facts.get());
        // The closer held the last descriptor, which the process that called `listen()` may have left to it.
        if by_close && !same && tcp.is_locked() && !task.is_kernel_thread() {
            let mut owner = OwnerRecord::default();
            task.describe_current(&raw mut owner);
            tombstone.owner = owner;
        } else {
            if !same {
                holders::keep_what_holds(note, holders::holding(&*note));
            }
            tombstone.owner = (*note).owner;
        }
    }
    note::add_gone_listener(&listener(tcp), &tombstone);
}

#[inline(never)]
fn connection_ended(note: *mut SocketNote, tcp: Tcp) {
    // A refused connection leaves nothing behind: no segment can come.
    if state_of(note) == state::SYN_SENT && flags_of(note) & RESET_RECEIVED != 0 {
        return;
    }
    // SAFETY: see `begin`.
    let facts = unsafe { EvidenceBits::at(&raw mut (*note).facts) };
    if closed_ns_of(note) == 0 {
        add_facts_unless_closed(facts, note, tcp);
    } else if evidence::means_of(facts.get()) == means::NONE {
        facts.set(evidence::PEER_FIN, tcp.fin_received());
        if !is_same_act(closed_ns_of(note), now_ns()) {
            facts.put(facts.get() & !evidence::PHASE);
            facts.phase(phase::HALF_CLOSED);
        }
        facts.add_answered(tcp);
    }
    settle_owner(facts, note, tcp);
    add_end(facts, note);
    let mut tuple = Tuple::default();
    tcp.endpoints(&mut tuple);
    let number = tombstones::add(&tuple, |tombstone| {
        // SAFETY: room in a map value to which nothing else has a reference now.
        let (from, tombstone) = unsafe { (&*note, &mut *tombstone) };
        tombstone.owner = from.owner;
        tombstone.owner.extra = tcp.rcv_nxt();
        tombstone.closed_ns = from.closed_ns;
        tombstone.established_ns = from.established_ns;
        tombstone.bytes_sent = tcp.bytes_sent();
        tombstone.bytes_received = tcp.bytes_received();
        tombstone.idle_before_close_ms = from.idle_before_close_ms;
        tombstone.facts = evidence::pack(facts.get());
        if evidence::ended_of(facts.get()) == ended::RESET_RECEIVED {
            tombstone.idle_before_close_ms = tcp.peer_clock(jiffies());
        } else if closed_ns_of(note) == 0 {
            tombstone.idle_before_close_ms = jiffies_to_ms(tcp.idle(jiffies()));
        }
        if closed_ns_of(note) == 0 || evidence::ended_of(facts.get()) != ended::FINS {
            tombstone.closed_ns = now_ns();
        }
    });
    // SAFETY: see `begin`.
    unsafe { (*note).tombstone = number };
}

/// Stores the executing task's process as the owner of a connection that it ends without a FIN; otherwise removes what
/// is not known any more of the owner of a connection that no process had closed.
#[inline(never)]
fn settle_owner(facts: EvidenceBits, note: *mut SocketNote, tcp: Tcp) {
    let means = evidence::means_of(facts.get());
    if closed_ns_of(note) != 0 && means != means::NONE {
        return;
    }
    // SAFETY: see `begin`.
    unsafe {
        if !matches!(means, means::NONE | means::DESTROYED | means::OTHER) && tcp.is_attached() {
            let task = KernelTask::current();
            if (*note).owner.tgid != task.tgid() {
                task.describe_current(&raw mut (*note).owner);
                (*note).provenance = provenance::USED;
            }
        } else if (*note).provenance == provenance::INHERITED {
            holders::keep_what_holds(note, holders::holding_inherited(&*note, tcp.file_credentials()));
        } else {
            holders::keep_what_holds(note, holders::holding(&*note));
        }
    }
}

/// Adds how a connection ended.
#[inline(always)]
fn add_end(facts: EvidenceBits, note: *const SocketNote) {
    let add = |how| facts.add(evidence::with_ended(0, how));
    let flags = flags_of(note);
    if flags & (RESET_RECEIVED | RESET_SENT) != 0 {
        return add(if flags & RESET_RECEIVED != 0 { ended::RESET_RECEIVED } else { ended::RESET_SENT });
    }
    match state_of(note) {
        state::FIN_WAIT2 => {
            // The acknowledgement of the FIN covers all that had been unsent.
            facts.put(facts.get() & !evidence::UNSENT_AT_CLOSE);
            add(ended::FINS);
        }
        state::LAST_ACK | state::CLOSING | state::TIME_WAIT => add(ended::FINS),
        _ => add(ended::SILENT),
    }
}

/// Adds what is known of a connection that is set to CLOSE without a FIN of this end.
#[inline(always)]
fn add_facts_unless_closed(facts: EvidenceBits, note: *const SocketNote, tcp: Tcp) {
    put_ends(facts, note, tcp);
    if state_of(note) == state::SYN_SENT {
        facts.phase(phase::HANDSHAKE);
    }
    // A process that works off a received reset from the socket's backlog holds the lock, too.
    if !tcp.is_locked() || flags_of(note) & RESET_RECEIVED != 0 {
        return;
    }
    let otherwise = if is_shut_down(tcp) {
        if tcp.lingers_zero() { means::ABORT } else { means::CLOSE }
    } else if flags_of(note) & RESET_SENT != 0 {
        // `tcp_abort` sends its reset before it changes the state.
        means::DESTROYED
    } else {
        means::DISCONNECT
    };
    facts.add_means(KernelTask::current(), otherwise);
}

/// `__tcp_close` shuts both directions down before anything else; `SOCK_DESTROY` (`tcp_abort`), `connect()` to
/// `AF_UNSPEC` and `shutdown()` of a listener (`tcp_disconnect`) do not.
#[inline(always)]
fn is_shut_down(tcp: Tcp) -> bool {
    tcp.shutdown() == RCV_SHUTDOWN | SEND_SHUTDOWN
}

#[inline(always)]
fn listener(tcp: Tcp) -> Tuple {
    note::listener_key(tcp.netns(), tcp.local_port())
}
