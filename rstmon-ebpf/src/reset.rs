//! One reset: its evidence, its owner, and the key that is made of both.
//!
//! The rules here decide which process is named as the owner. The task on the CPU is taken for the owner only where the
//! owner itself made the call: closing or disconnecting, which sets the socket to CLOSE first, in process context.

use crate::{
    count,
    layout::{IDLE_JIFFIES, KEEPALIVE_IDLE_MS, TOMBSTONES_ON},
    listeners,
    maps::{DEPTH, WORK, WORK_DEPTH, Work},
    note,
    skb::{Header, Segment, family},
    sock::{RCV_SHUTDOWN, SEND_SHUTDOWN, Sock, Tcp, jiffies},
    task::KernelTask,
    tombstones,
};
use rstmon_common::{
    CountKey, OwnerRecord, SocketNote, evidence,
    key::{provenance, role, socket, state},
    limits::{ABSENT_U32, ABSENT_U64, REASON_UNSUPPORTED, REASONS},
    note::FIN_SEEN,
};

/// A reset whose key is being built. What only the event needs is read later, when the event is offered.
pub struct ResetBuilder {
    pub work: &'static mut Work,
    pub sock: Sock,
    pub tcp: Option<Tcp>,
    pub now: u32,
}

/// The clock of records: `CLOCK_BOOTTIME`, in nanoseconds.
#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: takes nothing, returns a number.
    unsafe { aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns() }
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

    /// Adds bits of evidence.
    ///
    /// Through memory, so that the verifier does not track them: it would follow every combination of bits separately,
    /// and take a hundred times as long.
    #[inline(always)]
    fn add(&mut self, bits: u64) {
        let evidence = &raw mut self.work.key.evidence;
        // SAFETY: a live, aligned field of the work area.
        unsafe { evidence.write_volatile(evidence.read_volatile() | bits) }
    }

    #[inline(always)]
    fn set(&mut self, bit: u64, on: bool) {
        if on {
            self.add(bit);
        }
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
        if note::copy(&self.sock, &mut self.work.note, &raw mut self.work.own) {
            let note = self.work.note;
            closed_ns = note.closed_ns;
            idle_before_close_ms = note.idle_before_close_ms;
            self.set_role(note.role);
            self.set_owner(&note.owner);
            self.work.key.provenance = note.provenance;
            if self.state() == state::CLOSE {
                self.work.key.state = note.state;
            }
            self.work.established_ns = note.established_ns;
            if note.flags & FIN_SEEN != 0 {
                self.work.after_fin_bytes = written_after_fin(&note, tcp);
                self.set(evidence::WROTE_AFTER_FIN, self.work.after_fin_bytes > 0);
            }
        } else if self.state() == state::CLOSE {
            self.work.key.state = 0;
        }
        self.guess_role(tcp);

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
            let (unsent, unacked) = outstanding(tcp, self.work.key.state);
            self.set(evidence::UNREAD, is_some(tcp.unread()));
            self.set(evidence::UNSENT, is_some(unsent));
            self.set(evidence::UNACKED, is_some(unacked));
            let silence = tcp.silence(self.now);
            self.set(
                evidence::SILENT,
                silence != ABSENT_U32 && silence >= IDLE_JIFFIES.load() && tcp.retransmitting() == 0,
            );
            self.add_close(closed_ns, idle_before_close_ms);
        }
        if self.work.key.cgroup == 0 {
            self.work.key.cgroup = tcp.cgroup();
        }
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

    /// Adds the evidence of an earlier close by a process here.
    #[inline(always)]
    fn add_close(&mut self, closed_ns: u64, idle_before_close_ms: u32) {
        if closed_ns != 0 {
            self.work.closed_ns = closed_ns;
            self.work.idle_before_close_ms = idle_before_close_ms;
            self.add(evidence::CLOSED_HERE);
            self.set(
                evidence::CLOSED_IDLE,
                idle_before_close_ms != ABSENT_U32 && idle_before_close_ms >= KEEPALIVE_IDLE_MS.load(),
            );
            self.set(evidence::CLOSED_RECENTLY, note::is_recent(now_ns(), closed_ns));
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
        if task.is_kernel_thread() {
            self.add(evidence::KERNEL_THREAD);
            return;
        }
        let running = self.work.tgid != 0 && self.work.tgid == task.tgid();
        let set_to_close = self.state() == state::CLOSE;
        let attached = self.has(evidence::ATTACHED);
        let closed_before = self.has(evidence::CLOSED_HERE);
        if set_to_close && attached {
            let mut owner = OwnerRecord::default();
            task.describe_current(&raw mut owner);
            self.set_owner(&owner);
            self.work.key.provenance = provenance::CURRENT;
            self.add(evidence::OWNER_RUNNING);
        } else if set_to_close && running {
            // TCP_LINGER2, orphan limit: the rest of a close() that has already released the descriptor.
            if closed_before {
                self.work.key.provenance = provenance::CURRENT;
            }
            self.add(evidence::OWNER_RUNNING);
        } else if running && self.has(evidence::LOCKED) {
            self.add(evidence::OWNER_RUNNING);
        }
        if set_to_close && !attached && !closed_before && self.role() == role::ACCEPTED {
            self.add(evidence::NEVER_ACCEPTED);
        }
        if self.has(evidence::OWNER_RUNNING) && task.is_exiting() {
            self.add(evidence::OWNER_EXITING);
            self.work.exit_signal = u32::from(task.exit_signal());
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
        let syn = self.has(evidence::SEGMENT_SYN) && !self.has(evidence::SEGMENT_ACK);
        let listener = note::listener_key(self.work.tuple.netns, self.work.tuple.local_port);
        let ever_listened = listeners::ever_listened(&listener);
        if self.kind() == socket::NONE && (syn || ever_listened && listeners::has(&listener)) {
            self.set_role(role::ACCEPTED);
        }
        if syn && !ever_listened {
            return;
        }
        if syn {
            let Some(tombstone) = note::gone_listener(&listener) else { return };
            self.work.tombstone = *tombstone;
        } else if !self.find_tombstone() {
            return;
        }
        let tombstone = self.work.tombstone;
        self.set_owner(&tombstone.owner);
        if tombstone.owner.tgid != 0 {
            self.work.key.provenance = provenance::TOMBSTONE;
        }
        self.add(evidence::TOMBSTONE);
        self.work.closed_ns = tombstone.closed_ns;
        if !syn {
            self.set_role(tombstone.role);
            self.work.established_ns = tombstone.established_ns;
            self.work.bytes_sent = tombstone.bytes_sent;
            self.work.bytes_received = tombstone.bytes_received;
            self.add_close(tombstone.closed_ns, tombstone.idle_before_close_ms);
            self.set(
                evidence::ENDED_BY_RESET,
                tombstone.state == state::ESTABLISHED || tombstone.state == state::CLOSE_WAIT,
            );
        }
    }

    /// Copies the tombstone of a connection with the ends of the segment. Returns whether there is one.
    #[inline(always)]
    fn find_tombstone(&mut self) -> bool {
        let Work { tuple, tombstone, own, .. } = &mut *self.work;
        TOMBSTONES_ON.load() != 0 && tombstones::find(tuple, tombstone, own)
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
        self.work.key.service_port = match self.role() {
            role::OPENED => remote_port,
            role::LISTENER | role::ACCEPTED => local_port,
            _ => 0,
        };
    }
}

#[inline(always)]
fn is_some(number: u32) -> bool {
    number != 0 && number != ABSENT_U32
}

/// Bytes written since the peer's FIN; our own FIN takes one sequence number.
#[inline(always)]
pub fn written_after_fin(note: &SocketNote, tcp: Tcp) -> u32 {
    let written = tcp.write_seq().wrapping_sub(note.fin_write_seq);
    if note.closed_ns != 0 && written > 0 { written - 1 } else { written }
}

/// Unsent and unacknowledged bytes of payload: a SYN or FIN under way takes a sequence number and is none.
#[inline(always)]
pub fn outstanding(tcp: Tcp, before: u8) -> (u32, u32) {
    let (unsent, unacked) = (tcp.unsent(), tcp.unacked());
    match before {
        state::SYN_SENT | state::SYN_RECV => (unsent, 0),
        state::FIN_WAIT1 | state::CLOSING | state::LAST_ACK => match (unsent, unacked) {
            (ABSENT_U32, _) | (_, ABSENT_U32) => (unsent, unacked),
            (0, 0) => (0, 0),
            (0, unacked) => (0, unacked - 1),
            (unsent, unacked) => (unsent - 1, unacked),
        },
        _ => (unsent, unacked),
    }
}
