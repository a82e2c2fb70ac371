//! The facts of a conversation that verdicts are drawn from: who sent payload last and when, and what is owed. Read at
//! the close of a connection and at the reset of a live one.

use crate::{
    branchless::{at_least, not, some},
    clock::jiffies,
    layout::KEEPALIVE_IDLE_JIFFIES,
    sock::Tcp,
    task::KernelTask,
};
use rstmon_common::{
    evidence::{self, FAREWELL_BYTES, SAME_ACT_NS, STREAM_BYTES, means, phase},
    key::role,
    limits::{ABSENT_U32, ABSENT_U64},
};

/// Bits of evidence in a map value.
///
/// Read and written through memory, so that the verifier does not track them: it would follow every combination of bits
/// separately, and take a hundred times as long.
#[derive(Clone, Copy)]
pub struct EvidenceBits(*mut u64);

impl EvidenceBits {
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
    /// whose handshake is complete. `before` is the state that the connection is or was in, as [`Tcp::outstanding`]
    /// needs it; `at_close` is 1 at a close, 0 otherwise.
    ///
    /// Losses come first: payload that the other end did not take. Then the clocks: `tcp_sock.lsndtime` is the time of
    /// the last payload sent (`tcp_event_data_sent`), `icsk_ack.lrcvtime` that of the last payload received
    /// (`tcp_event_data_recv`); both have the time of the handshake before the first. Within a jiffy the last segment
    /// of the peer decides ([`Tcp::last_segment`]); where that is not known, the end that accepted the connection was
    /// last.
    #[inline(never)]
    pub fn add_phase(self, tcp: Tcp, before: u8, at_close: u64) {
        let now = jiffies();
        match evidence::role_of(self.get()) {
            role::ACCEPTED => self.add_phase_of_accepted(tcp, before, now, at_close),
            role::OPENED => self.add_phase_of_opened(tcp, before, now, at_close),
            _ => {}
        }
    }

    #[inline(always)]
    fn add_phase_of_accepted(self, tcp: Tcp, before: u8, now: u32, at_close: u64) {
        let (Some(sent), Some(received)) = (tcp.payload_sent(), tcp.payload_received()) else { return };
        let (send_idle, quiet) = (u64::from(tcp.send_idle(now)), u64::from(tcp.receive_idle(now)));
        let (unsent, unacked) = tcp.outstanding(before);
        let (unsent, unacked) = (u64::from(unsent), u64::from(unacked));
        // A last word at the close itself: a TLS close_notify, an HTTP/2 GOAWAY, a goodbye of a database. It is one
        // if payload was sent before it: not all that was sent is outstanding, and it took more than one segment.
        let last_word =
            at_close & is_old(quiet) & not(is_old(send_idle)) & at_least(FAREWELL_BYTES.into(), unsent + unacked);
        let spoke_before = at_least(sent, unacked + 1) & at_least(tcp.payload_segments().into(), 2);
        let answered = last_word & spoke_before | not(last_word) & some(sent);
        let delivered = not(some(unacked)) & not(some(unsent));
        let (_, payload_last) = tcp.last_segment();
        let opener_last = is_known(send_idle)
            & is_known(quiet)
            & (at_least(send_idle, quiet + 2) | within_jiffy(send_idle, quiet) & delivered & some(sent) & payload_last);
        let owed = is_some(tcp.unread().into()) | not(some(sent)) | last_word & not(spoke_before) | opener_last;
        let phases = Phases::new(not(some(received)), owed, last_word | is_old(send_idle));
        let stream = phases.request & at_least(received, STREAM_BYTES + 1) & not(answered);
        self.add(
            phases.bits()
                + answered * evidence::ANSWERED
                + (phases.idle & last_word) * evidence::LAST_WORD
                + (phases.request & is_old(quiet)) * evidence::WAITED
                + stream * evidence::STREAM,
        );
    }

    #[inline(always)]
    fn add_phase_of_opened(self, tcp: Tcp, before: u8, now: u32, at_close: u64) {
        let (Some(sent), Some(received)) = (tcp.payload_sent(), tcp.payload_received()) else { return };
        let (send_idle, quiet) = (u64::from(tcp.send_idle(now)), u64::from(tcp.receive_idle(now)));
        let (unsent, unacked) = tcp.outstanding(before);
        let (unsent, unacked) = (is_some(unsent.into()), is_some(unacked.into()));
        let (acknowledged_last, _) = tcp.last_segment();
        let opener_last = is_known(send_idle)
            & is_known(quiet)
            & (at_least(quiet, send_idle + 2) | within_jiffy(send_idle, quiet) & some(received) & acknowledged_last);
        let owed = unsent | unacked | not(some(received)) | opener_last;
        let phases = Phases::new(not(some(sent) | unsent), owed, is_old(quiet));
        let owed_now = phases.request & not(at_close);
        // Every acknowledgement sets `tcp_sock.rcv_tstamp` (`tcp_ack`), also that of a segment with payload.
        let heard = u64::from(tcp.heard_idle(now));
        let nothing_since = is_known(heard) & is_known(quiet) & at_least(heard + 1, quiet);
        self.add(
            phases.bits()
                + some(received) * evidence::ANSWERED
                + (phases.request & is_old(send_idle)) * evidence::WAITED
                + (owed_now & is_some(tcp.unread().into())) * evidence::EARLY_ANSWER
                + (owed_now & unacked & nothing_since) * evidence::REQUEST_UNACKED,
        );
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

/// Whether an abort at `now_ns` is one act with a `shutdown()` of one direction, which the caller knows to be the last
/// close so far.
#[inline(always)]
pub fn is_same_act(shut_down_ns: u64, now_ns: u64) -> bool {
    now_ns.wrapping_sub(shut_down_ns) <= SAME_ACT_NS
}

/// The phase of a conversation, each as a condition: one of them holds.
struct Phases {
    fresh: u64,
    request: u64,
    idle: u64,
    answer: u64,
}

impl Phases {
    /// `fresh` comes before `owed`, and that before `idle`.
    #[inline(always)]
    fn new(fresh: u64, owed: u64, idle: u64) -> Self {
        let rest = not(fresh) & not(owed);
        Self { fresh, request: not(fresh) & owed, idle: rest & idle, answer: rest & not(idle) }
    }

    #[inline(always)]
    fn bits(&self) -> u64 {
        self.fresh * evidence::with_phase(0, phase::FRESH)
            + self.request * evidence::with_phase(0, phase::REQUEST)
            + self.idle * evidence::with_phase(0, phase::IDLE)
            + self.answer * evidence::with_phase(0, phase::ANSWER)
    }
}

/// Whether a number of 32 bits is known.
#[inline(always)]
fn is_known(number: u64) -> u64 {
    some(number ^ u64::from(ABSENT_U32))
}

/// Whether a number of 32 bits is known and not 0.
#[inline(always)]
fn is_some(number: u64) -> u64 {
    some(number) & is_known(number)
}

/// Whether two times are no more than one jiffy apart.
#[inline(always)]
fn within_jiffy(one: u64, other: u64) -> u64 {
    at_least(one + 1, other) & at_least(other + 1, one)
}

/// Whether a time in jiffies is known and at least the keep-alive threshold.
#[inline(always)]
fn is_old(jiffies: u64) -> u64 {
    is_known(jiffies) & at_least(jiffies, KEEPALIVE_IDLE_JIFFIES.load().into())
}
