//! The evidence of segments that came too late: their connection has no socket any more, or only a `TIME_WAIT`
//! minisock, and its tombstone says how it ended.

use crate::{
    clock::ns_to_ms,
    layout::{TOMBSTONES_ON, probe_or_default},
    listeners,
    maps::Work,
    note,
    reset::ResetBuilder,
    tombstones,
};
use rstmon_common::{
    Tombstone,
    evidence::{self, SECOND_NS, ended, phase},
    key::{provenance, role, socket, state},
    limits::{ABSENT_U32, OVERFLOW_MEMORY_NS},
};

/// How far the sequence number of a segment may be from the one that its connection expected next.
const WINDOW: i32 = 1 << 23;
/// The four bytes before the value of the timestamps option, as Linux and most stacks align it: NOP, NOP, kind 8,
/// length 10 (RFC 7323, appendix A).
const TIMESTAMPS: u32 = u32::from_ne_bytes([1, 1, 8, 10]);
/// Milliseconds by which a peer's clock may seem to be ahead of what it can show.
const CLOCK_SLACK_MS: u32 = 20;

impl ResetBuilder {
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
        if self.kind() == socket::NONE {
            if !self.add_service(refused) {
                return;
            }
        } else if self.state() == state::LISTEN {
            self.add_overflow();
        }
        if !refused && !self.find_tombstone() {
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

    /// Adds whether the port of a segment without a socket is that of a service. Returns whether there may be a
    /// tombstone; that of the listener of a refused SYN is copied.
    #[inline(always)]
    fn add_service(&mut self, refused: bool) -> bool {
        let listener = note::listener_key(self.work.tuple.netns, self.work.tuple.local_port);
        let ever_listened = listeners::ever_listened(&listener);
        let listens = ever_listened && listeners::has(&listener);
        if refused || listens {
            self.set_role(role::ACCEPTED);
        }
        if !refused {
            return true;
        }
        self.set(evidence::LISTENS_ELSEWHERE, listens);
        if !ever_listened {
            return false;
        }
        let Some(tombstone) = note::gone_listener(&listener) else { return false };
        self.work.tombstone = *tombstone;
        note::listened_on(&self.work.tombstone, &self.work.tuple.local)
    }

    /// Adds whether the accept queue of the listener was seen to be full a while ago: then the handshake of the
    /// segment's connection may have been dropped. That of a listener whose queue is full now is stored.
    #[inline(never)]
    fn add_overflow(&mut self) {
        let listener = note::listener_key(self.work.tuple.netns, self.work.tuple.local_port);
        if self.has(evidence::LISTENER_FULL) {
            return listeners::set_full(&listener, self.read_clock());
        }
        let full_ns = listeners::full_ns(&listener);
        if full_ns == 0 {
            return;
        }
        let ago_ns = self.read_clock().wrapping_sub(full_ns);
        if ago_ns <= OVERFLOW_MEMORY_NS {
            self.add(evidence::LISTENER_WAS_FULL);
            self.work.full_ms = ns_to_ms(ago_ns);
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
                let written_after = self.is_written_after(tombstone);
                self.set(evidence::WRITTEN_AFTER_RESET, written_after);
            }
            return;
        }
        self.work.exit_signal = u32::from(evidence::signal_of(facts));
        self.add(facts & evidence::KEPT);
        self.add_close(tombstone.closed_ns, tombstone.idle_before_close_ms);
    }

    /// Whether the peer wrote the segment after the reset that ended its connection: by its timestamp or, without
    /// timestamps, because it came more than a second later.
    ///
    /// A path that reorders delivers what was written before the reset after it. So the timestamp must be later than
    /// any that the peer can have sent by then, and no later than a clock of milliseconds shows now: with a clock of
    /// another unit nothing can be said of the first.
    #[inline(never)]
    fn is_written_after(&mut self, tombstone: &Tombstone) -> bool {
        let since_ns = self.read_clock().wrapping_sub(tombstone.closed_ns);
        let later = since_ns > SECOND_NS;
        let clock = tombstone.idle_before_close_ms;
        if clock == ABSENT_U32 || self.work.options == 0 {
            return later;
        }
        let [form, value] = probe_or_default::<[u32; 2]>(self.work.options as *const u8);
        if form != TIMESTAMPS {
            return later;
        }
        let ahead = u32::from_be(value).wrapping_sub(clock).cast_signed();
        if ahead > ns_to_ms(since_ns).saturating_add(CLOCK_SLACK_MS).cast_signed() {
            return later;
        }
        ahead > 0
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

    /// Stores in the tombstone of the connection that this host has sent a reset for it: what follows is an echo. Not
    /// where a received reset had ended it, as long as nothing shows that the peer did not send that: what follows may.
    #[inline(always)]
    pub fn mark_tombstone(&self) {
        // SAFETY: live, aligned fields of the work area.
        let (number, bits) = unsafe {
            ((&raw const self.work.number).read_volatile(), (&raw const self.work.key.evidence).read_volatile())
        };
        let open = evidence::ended_of(bits) == ended::RESET_RECEIVED && bits & evidence::WRITTEN_AFTER_RESET == 0;
        if number != 0 && !open {
            tombstones::mark_reset_sent(number);
        }
    }
}
