//! One reset: its evidence, its owner, and the key that is made of both.
//!
//! The rules here decide which process is named as the owner. The task on the CPU is taken for the owner only where the
//! owner itself made the call: closing or disconnecting, which sets the socket to CLOSE first, with the socket's lock
//! held by a process. A softirq that interrupts a task does not hold it. The children that were never accepted are the
//! exception: closing their listener resets them without their lock (`inet_csk_listen_stop`), so there the closer of
//! the listener must be on the CPU.

use crate::{
    count,
    facts::EvidenceBits,
    holders::{self, Holding},
    layout::{ABORT_ON_CLOSE, IDLE_JIFFIES, RACE_WINDOW_NS, SECOND_JIFFIES, TOMBSTONES_ON},
    listeners,
    maps::{DEPTH, WORK, WORK_DEPTH, Work},
    note,
    skb::{Header, Segment, family},
    sock::{RCV_SHUTDOWN, SEND_SHUTDOWN, Sock, Tcp, jiffies, now_ns},
    task::KernelTask,
    tombstones,
};
use rstmon_common::{
    CountKey, OwnerRecord, SocketNote, Tombstone,
    evidence::{self, FAREWELL_BYTES, SECOND_NS, SMALL_BYTES, ended, means, phase},
    key::{direction, provenance, role, socket, state},
    limits::{ABSENT_U32, ABSENT_U64, REASON_UNSUPPORTED, REASONS},
    note::{FIN_SEEN, RESET_RECEIVED, RESET_SENT},
};

/// A reset whose key is being built. What only the event needs is read later, when the event is offered.
pub struct ResetBuilder {
    pub work: &'static mut Work,
    pub sock: Sock,
    pub tcp: Option<Tcp>,
    pub now: u32,
}

/// Takes the work area for one reset, runs `handle` on it and returns it.
#[inline(always)]
pub fn with_work(handle: impl FnOnce(&'static mut Work)) {
    let Some(depth) = DEPTH.get_ptr_mut(0) else { return };
    // SAFETY: live map values of this CPU. Hooks nest strictly, as interrupts do: each gets the work area of its depth.
    unsafe {
        let index = *depth & (WORK_DEPTH - 1);
        *depth += 1;
        if let Some(work) = WORK.get_ptr_mut(index) {
            handle(&mut *work);
        }
        *depth -= 1;
    }
}

impl ResetBuilder {
    /// Starts with what every reset has. `tcp` is `sock` as a full socket, where it is one.
    #[inline(always)]
    pub fn new(work: &'static mut Work, sock: Sock, tcp: Option<Tcp>, direction: u8) -> Self {
        work.key = CountKey { direction, socket: sock.kind, state: sock.state, ..CountKey::default() };
        work.state = u64::from(sock.state);
        work.start_ns = 0;
        work.established_ns = 0;
        work.closed_ns = 0;
        work.bytes_sent = ABSENT_U64;
        work.bytes_received = ABSENT_U64;
        work.tgid = 0;
        work.idle_before_close_ms = ABSENT_U32;
        work.after_fin_bytes = ABSENT_U32;
        work.segment_bytes = ABSENT_U32;
        work.closed_facts = 0;
        work.number = 0;
        work.role = u32::from(role::UNKNOWN);
        work.exit_signal = 0;
        Self { work, sock, tcp, now: jiffies() }
    }

    /// Sets the reason; one out of range becomes [`REASON_UNSUPPORTED`].
    #[inline(always)]
    pub fn set_reason(&mut self, reason: u32) {
        #[expect(clippy::cast_possible_truncation, reason = "REASONS is below 256")]
        let known = reason as u8;
        self.work.key.reason = if reason < REASONS { known } else { REASON_UNSUPPORTED };
    }

    /// The bits of evidence.
    #[inline(always)]
    fn facts(&mut self) -> EvidenceBits {
        // SAFETY: a field of the work area, which is a map value.
        unsafe { EvidenceBits::at(&raw mut self.work.key.evidence) }
    }

    #[inline(always)]
    fn add(&mut self, bits: u64) {
        self.facts().add(bits);
    }

    #[inline(always)]
    fn set(&mut self, bit: u64, on: bool) {
        self.facts().set(bit, on);
    }

    /// State of the socket at the hook; through memory for the verifier's sake, as above.
    #[inline(always)]
    pub fn state(&self) -> u8 {
        // SAFETY: a live, aligned field of the work area.
        let state = unsafe { (&raw const self.work.state).read_volatile() };
        state.to_le_bytes()[0]
    }

    /// Kind of the socket at the hook; through memory, too.
    #[inline(always)]
    fn kind(&self) -> u8 {
        // SAFETY: as above.
        unsafe { (&raw const self.work.key.socket).read_volatile() }
    }

    /// Which end of the connection the socket is; through memory, too.
    #[inline(always)]
    fn role(&self) -> u8 {
        // SAFETY: as above.
        let role = unsafe { (&raw const self.work.role).read_volatile() };
        role.to_le_bytes()[0]
    }

    #[inline(always)]
    fn set_role(&mut self, role: u8) {
        self.work.role = u32::from(role);
    }

    /// Whether the connection's ends are read from the segment: only a full socket that is no listener has both ends,
    /// and no field of a minisock is read.
    #[inline(always)]
    pub fn has_ends_of_segment(&self) -> bool {
        self.kind() != socket::FULL || self.state() == state::LISTEN
    }

    #[inline(always)]
    fn set_owner(&mut self, owner: &OwnerRecord) {
        self.work.key.cgroup = owner.cgroup;
        self.work.key.comm = owner.comm;
        self.work.start_ns = owner.start_ns;
        self.work.tgid = owner.tgid;
    }

    /// Whether all these bits were added.
    #[inline(always)]
    pub fn has(&self, bits: u64) -> bool {
        // SAFETY: a live, aligned field of the work area.
        let evidence = unsafe { (&raw const self.work.key.evidence).read_volatile() };
        evidence & bits == bits
    }

    /// Adds the evidence of the offending segment; without one the reset is an active one.
    #[inline(always)]
    pub fn add_segment(&mut self, segment: Segment, header: Header) {
        if !segment.is_present() {
            self.add(evidence::ACTIVE);
            return;
        }
        self.add(header.evidence());
        self.work.segment_bytes = header.payload();
        self.work.sequence = header.sequence();
        self.work.acknowledgement = header.acknowledgement();
        if self.has_ends_of_segment() {
            let Work { headers, tuple, .. } = &mut *self.work;
            header.endpoints(headers, tuple);
            tuple.netns = self.tcp.map_or_else(|| segment.netns(), Tcp::netns);
        }
    }

    /// Adds the evidence and the owner of a full socket.
    #[inline(never)]
    pub fn add_socket(&mut self, tcp: Tcp) {
        let mut closed_ns = 0;
        let mut idle_before_close_ms = ABSENT_U32;
        let flags = self.flags_of_note();
        if note::copy(&self.sock, &mut self.work.note, &raw mut self.work.own, flags) {
            let note = self.work.note;
            closed_ns = note.closed_ns;
            idle_before_close_ms = note.idle_before_close_ms;
            self.set_role(note.role);
            self.set_owner(&note.owner);
            self.work.key.provenance = note.provenance;
            if self.state() == state::CLOSE {
                self.work.key.state = note.state;
                self.work.number = note.tombstone;
            }
            self.work.established_ns = note.established_ns;
            self.work.closed_facts = if note.closed_ns == 0 { 0 } else { note.facts };
            if note.flags & FIN_SEEN != 0 {
                self.add_after_fin(&note, tcp);
            }
        } else if self.state() == state::CLOSE {
            self.work.key.state = 0;
        }
        self.guess_role(tcp);
        self.check_owner(tcp);

        self.set(evidence::ATTACHED, tcp.is_attached());
        self.set(evidence::LOCKED, tcp.is_locked());
        self.set(evidence::STATE_KEPT, self.state() != state::CLOSE);
        self.set(evidence::MPTCP, tcp.is_mptcp());
        self.set(evidence::LINGER_ZERO, tcp.lingers_zero());
        self.set(evidence::LINGER2_NEGATIVE, tcp.linger2_negative());
        self.set(evidence::SHUT_RECEIVE, tcp.shutdown() & RCV_SHUTDOWN != 0);
        self.set(evidence::SHUT_SEND, tcp.shutdown() & SEND_SHUTDOWN != 0);
        if self.state() == state::LISTEN {
            self.set(evidence::LISTENER_FULL, tcp.backlog() > tcp.backlog_limit());
        } else {
            let (unsent, unacked) = tcp.outstanding(self.state_before());
            self.set(evidence::UNREAD, is_some(tcp.unread()));
            self.set(evidence::UNSENT, is_some(unsent));
            self.set(evidence::UNACKED, is_some(unacked));
            let undelivered = unsent.saturating_add(unacked);
            self.set(evidence::UNDELIVERED_SMALL, undelivered > 0 && undelivered <= FAREWELL_BYTES);
            let silence = tcp.silence(self.now, unacked);
            self.set(
                evidence::SILENT,
                silence != ABSENT_U32 && silence >= IDLE_JIFFIES.load() && tcp.retransmitting() == 0,
            );
            self.add_close(closed_ns, idle_before_close_ms);
            self.add_conversation(tcp);
        }
        if self.work.key.cgroup == 0 {
            self.work.key.cgroup = tcp.cgroup();
        }
    }

    /// What the note of the socket must know of this reset, for the tombstone that is added when the socket is set to
    /// CLOSE. A sent one that comes after that marks the tombstone itself.
    #[inline(always)]
    fn flags_of_note(&self) -> u8 {
        // SAFETY: a live, aligned field of the work area.
        let direction = unsafe { (&raw const self.work.key.direction).read_volatile() };
        match direction {
            direction::RECEIVED => RESET_RECEIVED,
            _ if self.has(evidence::ACTIVE) && self.state() != state::CLOSE => RESET_SENT,
            _ => 0,
        }
    }

    /// Adds what was written after the peer's FIN.
    #[inline(always)]
    fn add_after_fin(&mut self, note: &SocketNote, tcp: Tcp) {
        let written = written_after_fin(note, tcp);
        self.work.after_fin_bytes = written;
        if written > 0 {
            self.add(evidence::WROTE_AFTER_FIN);
            self.set(evidence::AFTER_FIN_SMALL, written <= SMALL_BYTES);
            let taken = tcp.snd_una().wrapping_sub(note.fin_write_seq);
            self.set(evidence::AFTER_FIN_TAKEN, taken.cast_signed() > 0);
        }
        let since = self.now.wrapping_sub(note.owner.extra);
        self.set(evidence::FIN_WITHIN_SECOND, since <= SECOND_JIFFIES.load());
    }

    /// State before the reset; through memory for the verifier's sake.
    #[inline(always)]
    fn state_before(&self) -> u8 {
        // SAFETY: a live, aligned field of the work area.
        unsafe { (&raw const self.work.key.state).read_volatile() }
    }

    /// Adds role and phase, and what belongs to them: as they were at the last close here or, of a connection that no
    /// process had closed, as they are.
    #[inline(never)]
    fn add_conversation(&mut self, tcp: Tcp) {
        let role = self.role();
        let facts = self.facts();
        facts.add(evidence::with_role(0, role));
        let before = self.state_before();
        if matches!(before, state::SYN_SENT | state::SYN_RECV) {
            return facts.phase(phase::HANDSHAKE);
        }
        // SAFETY: a live, aligned field of the work area.
        let closed = unsafe { (&raw const self.work.closed_facts).read_volatile() };
        // SAFETY: as above.
        let closed_ns = unsafe { (&raw const self.work.closed_ns).read_volatile() };
        let aborted = closed_ns != 0 && self.has(evidence::ACTIVE);
        let same_act = aborted && now_ns().wrapping_sub(closed_ns) <= evidence::SAME_ACT_NS;
        if evidence::means_of(closed) != means::NONE || same_act {
            self.work.exit_signal = u32::from(evidence::signal_of(closed));
            return self.add_closed(closed, before);
        }
        self.set(evidence::PEER_FIN, tcp.fin_received());
        if matches!(before, state::FIN_WAIT1 | state::FIN_WAIT2 | state::CLOSING | state::LAST_ACK) {
            // This end has sent its FIN. Where no close was seen, only a socket that a process holds is half-closed.
            let phase = if self.has(evidence::ATTACHED) { phase::HALF_CLOSED } else { phase::CLOSING };
            facts.phase(phase);
            facts.add_answered(tcp);
        } else if before != 0 {
            facts.add_phase(tcp, before, 0);
        }
    }

    /// Adds the facts of a connection that a process here had closed. `before` is the state in which it ended, or is.
    #[inline(always)]
    fn add_closed(&mut self, closed: u64, before: u8) {
        let mut kept = closed & evidence::KEPT & !evidence::ENDED;
        if before == state::FIN_WAIT2 {
            // The peer acknowledged the FIN, and with it all that had been unsent.
            kept &= !evidence::UNSENT_AT_CLOSE;
        }
        self.add(kept);
    }

    /// Sets the role of a child that has only its listener's note, and of sockets without a note.
    #[inline(always)]
    fn guess_role(&mut self, tcp: Tcp) {
        if self.role() == role::LISTENER && self.state() != state::LISTEN {
            self.set_role(role::ACCEPTED);
            self.work.key.provenance = provenance::INHERITED;
        }
        if self.role() == role::UNKNOWN {
            self.set_role(match self.state() {
                state::LISTEN => role::LISTENER,
                state::SYN_SENT => role::OPENED,
                _ => tcp.end(),
            });
        }
    }

    /// Leaves out what is not known of the moment of the reset: which process the owner is, if another may hold the
    /// socket instead; and all of it, if the owner is gone. A process that had closed the connection stays named.
    #[inline(never)]
    fn check_owner(&mut self, tcp: Tcp) {
        // SAFETY: live, aligned fields of the work area.
        let (provenance, closed) = unsafe {
            ((&raw const self.work.key.provenance).read_volatile(), (&raw const self.work.closed_facts).read_volatile())
        };
        let settled = self.work.note.owner.tgid == 0;
        if provenance == provenance::NONE || settled || evidence::means_of(closed) != means::NONE {
            return;
        }
        // The owner is executing, with the socket's lock: it has not passed the socket on, and in its exit it counts as
        // gone already.
        if tcp.is_locked() && KernelTask::current().tgid() == self.work.note.owner.tgid {
            if provenance == provenance::INHERITED {
                self.work.key.provenance = provenance::USED;
            }
            return;
        }
        let listens = self.state() == state::LISTEN;
        if !listens && provenance != provenance::INHERITED {
            return self.keep_what_holds(holders::holding(&self.work.note));
        }
        let acceptor = if listens { 0 } else { tcp.file_credentials() };
        let mut holding = holders::holding_inherited(&self.work.note, acceptor);
        let by_opener = acceptor != 0 && acceptor == self.work.note.opener_credentials;
        if !by_opener && let Some(reader) = holders::reader(&note::listener_key(tcp.netns(), tcp.local_port())) {
            self.set_owner(&reader.owner);
            holding = Holding::Shared;
            if acceptor == reader.credentials {
                holding = holders::holding_accepted(&reader.owner, self.work.established_ns);
            }
        }
        self.keep_what_holds(holding);
        if holding == Holding::Alone && acceptor != 0 {
            self.work.key.provenance = provenance::ACCEPTED;
        }
    }

    #[inline(always)]
    fn keep_what_holds(&mut self, holding: Holding) {
        if holding == Holding::Alone {
            return;
        }
        self.work.start_ns = 0;
        self.work.tgid = 0;
        self.work.key.provenance = provenance::INHERITED;
        if holding == Holding::Gone {
            self.work.key.provenance = provenance::NONE;
            self.work.key.comm = [0; 16];
            self.work.key.cgroup = 0;
        }
    }

    /// Adds the evidence of an earlier close by a process here.
    #[inline(always)]
    fn add_close(&mut self, closed_ns: u64, idle_before_close_ms: u32) {
        if closed_ns != 0 {
            self.work.closed_ns = closed_ns;
            self.work.idle_before_close_ms = idle_before_close_ms;
            self.add(evidence::CLOSED_HERE);
            let ago_ns = now_ns().wrapping_sub(closed_ns);
            self.set(evidence::CLOSED_RECENTLY, ago_ns <= RACE_WINDOW_NS.load());
            self.set(evidence::WITHIN_SECOND, ago_ns <= SECOND_NS);
        }
    }

    /// Adds the executing process where it made the call that resets: see the module's header.
    #[inline(never)]
    pub fn add_current(&mut self) {
        let task = KernelTask::current();
        let active = self.has(evidence::ACTIVE);
        if !active {
            return;
        }
        let set_to_close = self.state() == state::CLOSE;
        let attached = self.has(evidence::ATTACHED);
        let closed_before = self.has(evidence::CLOSED_HERE);
        let never_accepted = set_to_close && !attached && !closed_before && self.role() == role::ACCEPTED;
        if task.is_kernel_thread() {
            self.add(evidence::KERNEL_THREAD);
            // The last descriptor of a listener may be one that was in flight between processes (`unix_gc`).
            self.set(evidence::NEVER_ACCEPTED, never_accepted && !self.has(evidence::MPTCP));
            return;
        }
        if never_accepted {
            self.add(evidence::NEVER_ACCEPTED);
            self.add_closer_of_listener(task);
        }
        let running = self.work.tgid != 0 && self.work.tgid == task.tgid();
        let locked = self.has(evidence::LOCKED);
        if (set_to_close || self.is_fast_close()) && attached && locked {
            let mut owner = OwnerRecord::default();
            task.describe_current(&raw mut owner);
            self.set_owner(&owner);
            self.work.key.provenance = provenance::CURRENT;
            self.add(evidence::OWNER_RUNNING);
        } else if set_to_close && running && locked {
            // TCP_LINGER2, orphan limit: the rest of a close() that has already released the descriptor.
            if closed_before {
                self.work.key.provenance = provenance::CURRENT;
            }
            self.add(evidence::OWNER_RUNNING);
        } else if running && locked {
            self.add(evidence::OWNER_RUNNING);
        }
        if self.has(evidence::OWNER_RUNNING) && task.is_exiting() {
            self.add(evidence::OWNER_EXITING);
            self.set(evidence::GENTLE_EXIT, task.exits_gently());
            self.work.exit_signal = u32::from(task.exit_signal());
        }
    }

    /// Whether a process closes an MPTCP connection at once: its subflows are reset before their state changes
    /// (`mptcp_do_fastclose`), which `SOCK_DESTROY` does for another reason.
    #[inline(always)]
    fn is_fast_close(&self) -> bool {
        self.has(evidence::MPTCP) && u32::from(self.work.key.reason) == ABORT_ON_CLOSE.load()
    }

    /// Adds the owner of a child that was never accepted: the task that moved its listener from LISTEN to CLOSE, and is
    /// resetting the children now. Without a tombstone of the listener the child keeps the owner that it inherited.
    #[inline(always)]
    fn add_closer_of_listener(&mut self, task: KernelTask) {
        let Some(tcp) = self.tcp else { return };
        let Some(gone) = note::gone_listener(&note::listener_key(tcp.netns(), tcp.local_port())) else { return };
        let closed = evidence::unpack(gone.facts);
        if evidence::means_of(closed) == means::DESTROYED {
            self.add(evidence::with_means(0, means::DESTROYED));
        } else if gone.owner.tgid == task.tgid() {
            self.set_owner(&gone.owner);
            self.work.key.provenance = provenance::CURRENT;
            self.add(evidence::OWNER_RUNNING);
        }
    }

    /// Whether the segment may belong to a connection whose socket is gone.
    #[inline(always)]
    pub fn may_have_tombstone(&self) -> bool {
        let stray = !self.has(evidence::SEGMENT_SYN);
        self.kind() == socket::NONE || self.kind() == socket::TIME_WAIT || (self.state() == state::LISTEN && stray)
    }

    /// Adds the evidence and the owner of a connection whose socket is gone: the segment met no socket, a `TIME_WAIT`
    /// minisock, or the listener that the connection came from (which answers a segment that is no SYN).
    #[inline(never)]
    pub fn add_tombstone(&mut self) {
        // A SYN that meets a minisock is answered for the connection that the minisock is left of.
        let refused =
            self.has(evidence::SEGMENT_SYN) && !self.has(evidence::SEGMENT_ACK) && self.kind() == socket::NONE;
        let listener = note::listener_key(self.work.tuple.netns, self.work.tuple.local_port);
        let ever_listened = listeners::ever_listened(&listener);
        let listens = ever_listened && listeners::has(&listener);
        if self.kind() == socket::NONE && (refused || listens) {
            self.set_role(role::ACCEPTED);
        }
        if refused {
            self.set(evidence::LISTENS_ELSEWHERE, listens);
            if !ever_listened {
                return;
            }
            let Some(tombstone) = note::gone_listener(&listener) else { return };
            self.work.tombstone = *tombstone;
            if !note::listened_on(&self.work.tombstone, &self.work.tuple.local) {
                return;
            }
        } else if !self.find_tombstone() {
            return;
        }
        let tombstone = self.work.tombstone;
        self.set_owner(&tombstone.owner);
        if tombstone.owner.tgid != 0 || tombstone.owner.comm[0] != 0 {
            self.work.key.provenance = provenance::TOMBSTONE;
        }
        self.add(evidence::TOMBSTONE);
        self.work.closed_ns = tombstone.closed_ns;
        if !refused {
            let facts = evidence::unpack(tombstone.facts);
            self.set_role(evidence::role_of(facts));
            self.work.established_ns = tombstone.established_ns;
            self.work.bytes_sent = tombstone.bytes_sent;
            self.work.bytes_received = tombstone.bytes_received;
            self.add_end(facts, &tombstone);
        }
    }

    /// Adds how a connection that is gone had been closed and had ended, in so far as a rule reads it.
    #[inline(always)]
    fn add_end(&mut self, facts: u64, tombstone: &Tombstone) {
        if self.has(evidence::SEGMENT_SYN) && !self.has(evidence::SEGMENT_ACK) {
            // A new handshake: nothing of the old connection decides.
            self.add(evidence::CLOSED_HERE);
            self.work.idle_before_close_ms = tombstone.idle_before_close_ms;
            return;
        }
        let how = evidence::ended_of(facts);
        if matches!(how, ended::RESET_SENT | ended::RESET_RECEIVED) {
            self.add(evidence::CLOSED_HERE | facts & (evidence::ROLE | evidence::ENDED));
            let continues = self.work.segment_bytes > 0
                && self.work.sequence.wrapping_sub(tombstone.owner.extra).cast_signed() >= 0;
            if how == ended::RESET_RECEIVED && continues {
                let late = now_ns().wrapping_sub(tombstone.closed_ns) > SECOND_NS;
                self.set(evidence::WRITTEN_AFTER_RESET, late);
            }
            return;
        }
        self.work.exit_signal = u32::from(evidence::signal_of(facts));
        self.add(facts & evidence::KEPT);
        self.add_close(tombstone.closed_ns, tombstone.idle_before_close_ms);
    }

    /// Copies the tombstone of the connection that the segment belongs to. Returns whether there is one.
    ///
    /// The ends alone do not identify the connection: the peer may use its port anew. So the segment's sequence number
    /// must be near the one that the connection expected next; a minisock shows that it is, and a connection that never
    /// completed its handshake expected none.
    #[inline(always)]
    fn find_tombstone(&mut self) -> bool {
        if TOMBSTONES_ON.load() == 0 {
            return false;
        }
        let Work { tuple, tombstone, own, .. } = &mut *self.work;
        let number = tombstones::find(tuple, tombstone, own);
        if number == 0 {
            return false;
        }
        let distance = self.work.sequence.wrapping_sub(self.work.tombstone.owner.extra).cast_signed();
        let handshake = evidence::phase_of(evidence::unpack(self.work.tombstone.facts)) == phase::HANDSHAKE;
        if self.kind() != socket::TIME_WAIT && !handshake && !(-WINDOW..WINDOW).contains(&distance) {
            return false;
        }
        self.work.number = number;
        true
    }

    /// Stores in the tombstone of the connection that this host has sent a reset for it: what follows is an echo.
    #[inline(always)]
    pub fn mark_tombstone(&self) {
        // SAFETY: a live, aligned field of the work area.
        let number = unsafe { (&raw const self.work.number).read_volatile() };
        if number != 0 {
            tombstones::mark_reset_sent(number);
        }
    }

    /// Counts the reset. Returns whether its event may be offered.
    #[inline(always)]
    pub fn count(&self) -> bool {
        count::reset(&self.work.key, self.now)
    }

    /// Completes the key.
    #[inline(always)]
    pub fn finish(&mut self) {
        let (family, local_port, remote_port) = match self.tcp {
            Some(tcp) if !self.has_ends_of_segment() => (tcp.family(), tcp.local_port(), tcp.remote_port()),
            _ => (family(&self.work.tuple.remote), self.work.tuple.local_port, self.work.tuple.remote_port),
        };
        self.work.key.family = family;
        let role = self.role();
        self.add(evidence::with_role(0, role));
        self.work.key.service_port = match self.role() {
            role::OPENED => remote_port,
            role::LISTENER | role::ACCEPTED => local_port,
            _ => 0,
        };
    }
}

/// How far the sequence number of a segment may be from the one that its connection expected next.
const WINDOW: i32 = 1 << 23;

#[inline(always)]
pub fn is_some(number: u32) -> bool {
    number != 0 && number != ABSENT_U32
}

/// Bytes written since the peer's FIN; our own FIN takes one sequence number.
#[inline(always)]
pub fn written_after_fin(note: &SocketNote, tcp: Tcp) -> u32 {
    let written = tcp.write_seq().wrapping_sub(note.fin_write_seq);
    if note.closed_ns != 0 && written > 0 { written - 1 } else { written }
}
