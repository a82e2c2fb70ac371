//! The facts of a conversation that verdicts are drawn from: who sent payload last and when, and what is owed. Read at
//! the close of a connection and at the reset of a live one.

use crate::{
    layout::KEEPALIVE_IDLE_JIFFIES,
    reset::is_some,
    sock::{Tcp, jiffies},
    task::KernelTask,
};
use rstmon_common::{
    evidence::{self, FAREWELL_BYTES, means, phase},
    key::role,
    limits::{ABSENT_U32, ABSENT_U64},
};

/// Bits of evidence in a map value.
///
/// Read and written through memory, so that the verifier does not track them: it would follow every combination of bits
/// separately, and take a hundred times as long.
#[derive(Clone, Copy)]
pub struct Facts(*mut u64);

impl Facts {
    /// # Safety
    /// `bits` must be a live, aligned map value for as long as the result is used.
    #[inline(always)]
    pub unsafe fn at(bits: *mut u64) -> Self {
        Self(bits)
    }

    #[inline(always)]
    pub fn get(self) -> u64 {
        // SAFETY: a live map value, by the promise of `at`.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    pub fn put(self, bits: u64) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(bits) }
    }

    #[inline(always)]
    pub fn add(self, bits: u64) {
        self.put(self.get() | bits);
    }

    #[inline(always)]
    pub fn set(self, bit: u64, on: bool) {
        if on {
            self.add(bit);
        }
    }

    #[inline(always)]
    pub fn has(self, bits: u64) -> bool {
        self.get() & bits == bits
    }

    #[inline(always)]
    pub fn phase(self, phase: u8) {
        self.add(evidence::with_phase(0, phase));
    }

    /// Adds whether the end that accepted the connection had sent payload.
    #[inline(always)]
    pub fn add_answered(self, tcp: Tcp) {
        let answers = match evidence::role_of(self.get()) {
            role::ACCEPTED => tcp.bytes_sent(),
            role::OPENED => tcp.bytes_received(),
            _ => 0,
        };
        self.set(evidence::ANSWERED, answers != 0 && answers != ABSENT_U64);
    }

    /// Adds [`evidence::ANSWERED`], the phase and what belongs to it, of a connection whose role is among the bits and
    /// whose handshake is complete. `before` is the state that the connection is or was in, as [`Tcp::outstanding`] needs it.
    ///
    /// Losses come first: payload that the other end did not take. Then the clocks: `tcp_sock.lsndtime` is the time of
    /// the last payload sent (`tcp_event_data_sent`), `icsk_ack.lrcvtime` that of the last payload received
    /// (`tcp_event_data_recv`); both have the time of the handshake before the first.
    #[inline(never)]
    pub fn add_phase(self, tcp: Tcp, before: u8, at_close: bool) {
        let now = jiffies();
        match evidence::role_of(self.get()) {
            role::ACCEPTED => self.add_phase_of_accepted(tcp, before, now, at_close),
            role::OPENED => self.add_phase_of_opened(tcp, before, now, at_close),
            _ => {}
        }
    }

    #[inline(always)]
    fn add_phase_of_accepted(self, tcp: Tcp, before: u8, now: u32, at_close: bool) {
        let (sent, received) = (tcp.bytes_sent(), tcp.bytes_received());
        if sent == ABSENT_U64 || received == ABSENT_U64 {
            return;
        }
        let (send_idle, quiet) = (tcp.send_idle(now), tcp.receive_idle(now));
        // A last word at the close itself: a TLS close_notify, an HTTP/2 GOAWAY, a goodbye of a database.
        if at_close && is_old(quiet) && !is_old(send_idle) {
            let (unsent, unacked) = tcp.outstanding(before);
            if unsent != ABSENT_U32 && unacked != ABSENT_U32 && unsent.wrapping_add(unacked) <= FAREWELL_BYTES {
                self.add(evidence::LAST_WORD);
            }
            // The only segment with payload is the last word itself, acknowledged or not.
            self.set(evidence::ANSWERED, sent > u64::from(unacked) && tcp.payload_segments() > 1);
        }
        if !self.has(evidence::LAST_WORD) {
            self.set(evidence::ANSWERED, sent > 0);
        }
        if received == 0 {
            self.drop_last_word();
            return self.phase(phase::FRESH);
        }
        let last_word_only = self.has(evidence::LAST_WORD) && !self.has(evidence::ANSWERED);
        let opener_last = send_idle != ABSENT_U32 && quiet != ABSENT_U32 && send_idle > quiet.wrapping_add(1);
        if is_some(tcp.unread()) || sent == 0 || last_word_only || opener_last {
            self.drop_last_word();
            self.phase(phase::REQUEST);
            self.set(evidence::WAITED, is_old(quiet));
            self.set(evidence::STREAM, received > evidence::STREAM_BYTES && !self.has(evidence::ANSWERED));
            return;
        }
        if self.has(evidence::LAST_WORD) || is_old(send_idle) {
            return self.phase(phase::IDLE);
        }
        self.phase(phase::ANSWER);
    }

    #[inline(always)]
    fn drop_last_word(self) {
        self.put(self.get() & !evidence::LAST_WORD);
    }

    #[inline(always)]
    fn add_phase_of_opened(self, tcp: Tcp, before: u8, now: u32, at_close: bool) {
        let (sent, received) = (tcp.bytes_sent(), tcp.bytes_received());
        if sent == ABSENT_U64 || received == ABSENT_U64 {
            return;
        }
        self.set(evidence::ANSWERED, received > 0);
        let (unsent, unacked) = tcp.outstanding(before);
        if sent == 0 && !is_some(unsent) {
            return self.phase(phase::FRESH);
        }
        let (send_idle, quiet) = (tcp.send_idle(now), tcp.receive_idle(now));
        let opener_last = send_idle != ABSENT_U32 && quiet != ABSENT_U32 && quiet > send_idle.wrapping_add(1);
        if is_some(unsent) || is_some(unacked) || received == 0 || opener_last {
            self.phase(phase::REQUEST);
            self.set(evidence::WAITED, is_old(send_idle));
            if at_close {
                return;
            }
            self.set(evidence::EARLY_ANSWER, is_some(tcp.unread()));
            // Every acknowledgement sets `tcp_sock.rcv_tstamp` (`tcp_ack`), also that of a segment with payload.
            let heard = tcp.heard_idle(now);
            let nothing_since = heard != ABSENT_U32 && quiet != ABSENT_U32 && heard.wrapping_add(1) >= quiet;
            self.set(evidence::REQUEST_UNACKED, nothing_since && is_some(unacked));
            return;
        }
        self.phase(if is_old(quiet) { phase::IDLE } else { phase::ANSWER });
    }

    /// Adds how a process closes a connection or listener now: the executing task, which holds the socket's lock.
    /// `otherwise`: the means of a process that is not exiting.
    #[inline(always)]
    pub fn add_means(self, task: KernelTask, otherwise: u8) {
        if task.is_kernel_thread() {
            return self.add(evidence::with_means(0, means::OTHER));
        }
        if !task.is_exiting() {
            return self.add(evidence::with_means(0, otherwise));
        }
        let signal = task.exit_signal();
        self.set(evidence::GENTLE_EXIT, task.exits_gently());
        let means = if signal == 0 { means::EXIT } else { means::SIGNAL };
        self.add(evidence::with_signal(evidence::with_means(0, means), signal));
    }
}

/// Whether a time in jiffies is at least the keep-alive threshold.
#[inline(always)]
fn is_old(jiffies: u32) -> bool {
    jiffies != ABSENT_U32 && jiffies >= KEEPALIVE_IDLE_JIFFIES.load()
}
