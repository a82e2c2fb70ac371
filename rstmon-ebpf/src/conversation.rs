//! The evidence of the conversation on a full socket: role and phase, an earlier close, and what was written after the
//! peer's FIN.

use crate::{
    facts::is_same_act,
    layout::{RACE_WINDOW_NS, SECOND_JIFFIES},
    reset::ResetBuilder,
    sock::Tcp,
};
use rstmon_common::{
    SocketNote,
    evidence::{self, SECOND_NS, SMALL_BYTES, means, phase},
    key::state,
};

impl ResetBuilder {
    /// Adds what was written after the peer's FIN.
    #[inline(always)]
    pub fn add_after_fin(&mut self, note: &SocketNote, tcp: Tcp) {
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

    /// Adds role and phase, and what belongs to them: as they were at the last close here or, of a connection that no
    /// process had closed, as they are.
    #[inline(never)]
    pub fn add_conversation(&mut self, tcp: Tcp) {
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
        // Where there was a close, `add_close` has read the clock.
        let aborted = closed_ns != 0 && self.has(evidence::ACTIVE);
        if evidence::means_of(closed) != means::NONE || aborted && is_same_act(closed_ns, self.work.time_ns) {
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

    /// Adds the evidence of an earlier close by a process here.
    #[inline(always)]
    pub fn add_close(&mut self, closed_ns: u64, idle_before_close_ms: u32) {
        if closed_ns != 0 {
            self.work.closed_ns = closed_ns;
            self.work.idle_before_close_ms = idle_before_close_ms;
            self.add(evidence::CLOSED_HERE);
            let ago_ns = self.read_clock().wrapping_sub(closed_ns);
            self.set(evidence::CLOSED_RECENTLY, ago_ns <= RACE_WINDOW_NS.load());
            self.set(evidence::WITHIN_SECOND, ago_ns <= SECOND_NS);
        }
    }
}

/// Bytes written since the peer's FIN; our own FIN takes one sequence number.
#[inline(always)]
fn written_after_fin(note: &SocketNote, tcp: Tcp) -> u32 {
    let written = tcp.write_seq().wrapping_sub(note.fin_write_seq);
    if note.closed_ns != 0 && written > 0 { written - 1 } else { written }
}
