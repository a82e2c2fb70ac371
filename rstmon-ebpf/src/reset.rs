//! One reset: its evidence, its owner, and the key that is made of both.
//!
//! The rules here decide which process is named as the owner. The task on the CPU is taken for the owner only where the
//! owner itself made the call: closing or disconnecting, which sets the socket to CLOSE first, with the socket's lock
//! held by a process. A softirq that interrupts a task does not hold it. The children that were never accepted are the
//! exception: closing their listener resets them without their lock (`inet_csk_listen_stop`), so there the closer of
//! the listener must be on the CPU.

use crate::{
    clock::{jiffies, now_ns},
    count,
    facts::EvidenceBits,
    holders::{self, Holding},
    layout::{ABORT_ON_CLOSE, IDLE_JIFFIES},
    maps::{DEPTH, WORK, WORK_DEPTH, Work},
    note,
    skb::{Header, Segment, family},
    sock::{RCV_SHUTDOWN, SEND_SHUTDOWN, Sock, Tcp},
    task::KernelTask,
};
use rstmon_common::{
    CountKey, OwnerRecord,
    evidence::{self, FAREWELL_BYTES, means},
    key::{provenance, role, socket, state},
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
        work.full_ms = ABSENT_U32;
        work.options = 0;
        work.time_ns = 0;
        Self { work, sock, tcp, now: jiffies() }
    }

    /// Reads the clock. The event is given the same time.
    #[inline(always)]
    pub fn read_clock(&mut self) -> u64 {
        let now_ns = now_ns();
        self.work.time_ns = now_ns;
        now_ns
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
    pub fn facts(&mut self) -> EvidenceBits {
        // SAFETY: a field of the work area, which is a map value.
        unsafe { EvidenceBits::at(&raw mut self.work.key.evidence) }
    }

    #[inline(always)]
    pub fn add(&mut self, bits: u64) {
        self.facts().add(bits);
    }

    #[inline(always)]
    pub fn set(&mut self, bit: u64, on: bool) {
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
    pub fn kind(&self) -> u8 {
        // SAFETY: as above.
        unsafe { (&raw const self.work.key.socket).read_volatile() }
    }

    /// Which end of the connection the socket is; through memory, too.
    #[inline(always)]
    pub fn role(&self) -> u8 {
        // SAFETY: as above.
        let role = unsafe { (&raw const self.work.role).read_volatile() };
        role.to_le_bytes()[0]
    }

    #[inline(always)]
    pub fn set_role(&mut self, role: u8) {
        self.work.role = u32::from(role);
    }

    /// Whether the connection's ends are read from the segment: only a full socket that is no listener has both ends,
    /// and no field of a minisock is read.
    #[inline(always)]
    pub fn has_ends_of_segment(&self) -> bool {
        self.kind() != socket::FULL || self.state() == state::LISTEN
    }

    #[inline(always)]
    pub fn set_owner(&mut self, owner: &OwnerRecord) {
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
        self.work.options = header.options();
        if self.has_ends_of_segment() {
            let Work { headers, tuple, .. } = &mut *self.work;
            header.endpoints(headers, tuple);
            tuple.netns = self.tcp.map_or_else(|| segment.netns(), Tcp::netns);
        }
    }

    /// Adds the evidence and the owner of a full socket, in so far as a rule reads it for a reset of that direction.
    #[inline(never)]
    pub fn add_socket<const RECEIVED: bool>(&mut self, tcp: Tcp) {
        let mut closed_ns = 0;
        let mut idle_before_close_ms = ABSENT_U32;
        let flags = self.flags_of_note::<RECEIVED>();
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
        self.set(evidence::MPTCP, tcp.is_mptcp());
        self.set(evidence::SHUT_RECEIVE, tcp.shutdown() & RCV_SHUTDOWN != 0);
        if !RECEIVED {
            self.set(evidence::STATE_KEPT, self.state() != state::CLOSE);
            self.set(evidence::LINGER_ZERO, tcp.lingers_zero());
            self.set(evidence::LINGER2_NEGATIVE, tcp.linger2_negative());
            self.set(evidence::SHUT_SEND, tcp.shutdown() & SEND_SHUTDOWN != 0);
        }
        // A RST to a listener is dropped without a hook.
        if !RECEIVED && self.state() == state::LISTEN {
            self.set(evidence::LISTENER_FULL, tcp.backlog() > tcp.backlog_limit());
        } else {
            let (unsent, unacked) = tcp.outstanding(self.state_before());
            self.set(evidence::UNREAD, is_some(tcp.unread()));
            self.set(evidence::UNSENT, is_some(unsent));
            self.set(evidence::UNACKED, is_some(unacked));
            let undelivered = unsent.saturating_add(unacked);
            self.set(evidence::UNDELIVERED_SMALL, undelivered > 0 && undelivered <= FAREWELL_BYTES);
            if RECEIVED {
                let silence = tcp.silence(self.now, unacked);
                self.set(
                    evidence::SILENT,
                    silence != ABSENT_U32 && silence >= IDLE_JIFFIES.load() && tcp.retransmitting() == 0,
                );
            }
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
    fn flags_of_note<const RECEIVED: bool>(&self) -> u8 {
        if RECEIVED {
            RESET_RECEIVED
        } else if self.has(evidence::ACTIVE) && self.state() != state::CLOSE {
            RESET_SENT
        } else {
            0
        }
    }

    /// State before the reset; through memory for the verifier's sake.
    #[inline(always)]
    pub fn state_before(&self) -> u8 {
        // SAFETY: a live, aligned field of the work area.
        unsafe { (&raw const self.work.key.state).read_volatile() }
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
        } else if running && locked {
            // TCP_LINGER2, orphan limit: the rest of a close() that has already released the descriptor.
            if set_to_close && closed_before {
                self.work.key.provenance = provenance::CURRENT;
            }
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

#[inline(always)]
pub fn is_some(number: u32) -> bool {
    number != 0 && number != ABSENT_U32
}
