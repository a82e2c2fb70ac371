//! The evidence of one reset in a sentence, with its numbers. The sentence holds only what is known.

use super::{
    Cause,
    present::{ProcessName, UNKNOWN_PROCESS},
    rules::{closed_idle, ended_by_reset},
};
use crate::model::{Bits, Direction, Reset, Role, State};
use rstmon_common::evidence as bit;
use std::{fmt::Write as _, time::Duration};

/// The sentence with the evidence for `cause`.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one arm for each cause: a table")]
pub(crate) fn evidence(reset: &Reset, cause: Cause) -> String {
    let e = &reset.evidence;
    let who = owner_name(reset);
    let peer = reset.remote;
    match cause {
        Cause::Refused if reset.direction == Direction::Sent => {
            let mut text = format!("{peer} tried to connect to port {}, where nothing listens", reset.local.port());
            if let (Some(owner), Some(ago)) = (&reset.owner, e.closed_ago) {
                let owner = ProcessName::new(&owner.process, owner.pid);
                let _ = write!(text, "; {owner} stopped listening there {} before", duration(ago));
            }
            text
        }
        Cause::Refused => format!("{who} tried to connect to {peer}, where nothing listens"),
        Cause::ClosedWithUnreadData => {
            format!("{who} closed the connection with {} unread{}", bytes(e.unread_bytes), idle_clause(reset))
        }
        Cause::ProcessExit => {
            let how = e
                .exit_signal
                .map_or_else(|| "exited".to_owned(), |signal| format!("was ended by {}", signal_name(signal)));
            format!("{who} {how} with {} unread", bytes(e.unread_bytes))
        }
        Cause::WriteAfterClose | Cause::KeepaliveRace => late(reset, &who),
        Cause::PeerAborted => format!(
            "{peer} reset the connection while {who} was sending: {} not acknowledged, {} not sent{}",
            bytes(e.unacked_bytes),
            bytes(e.unsent_bytes),
            totals(reset)
        ),
        Cause::WroteToClosedPeer => {
            format!("{peer} had closed its end, then {who} wrote {} more", bytes(e.after_fin_bytes))
        }
        Cause::PeerResetIdle => {
            let silence = e.silent.map_or_else(|| "a long time".to_owned(), duration);
            let mut text = format!("nothing was heard from {peer} for {silence}");
            if e.unacked_bytes.is_some_and(|bytes| bytes > 0) {
                let _ = write!(text, "; then {who} sent {} and was answered with a RST", bytes(e.unacked_bytes));
            } else {
                let _ = write!(text, " before it reset the connection of {who}");
            }
            text
        }
        Cause::PeerReset => format!(
            "{peer} reset the connection of {who} with nothing of ours in flight{}{}",
            heard(reset),
            totals(reset)
        ),
        Cause::ResetWhileClosing => {
            let ago = e.closed_ago.map(|ago| format!(" {} before", duration(ago))).unwrap_or_default();
            format!("{who} had closed the connection{ago}; {peer} ended it with a RST")
        }
        Cause::UnknownConnection => format!(
            "{peer} sent {} for a connection to port {} that this host does not know",
            segment(reset),
            reset.local.port()
        ),
        Cause::IdleTimeout => {
            let silence = e.silent.map(|silence| format!(" for {}", duration(silence))).unwrap_or_default();
            format!("nothing was heard from {peer}{silence}; {} keep-alive probes of {who} went unanswered", e.probes)
        }
        Cause::LingerAbort if reset.bits.has(bit::LINGER_ZERO) => format!(
            "{who} closed the connection with SO_LINGER 0, {} not acknowledged, {} not sent",
            bytes(e.unacked_bytes),
            bytes(e.unsent_bytes)
        ),
        Cause::LingerAbort => format!("{who} closed the connection with a negative TCP_LINGER2"),
        Cause::ListenerOverflow => {
            let queue = match (e.backlog, e.backlog_limit) {
                (Some(length), Some(limit)) => format!(" ({length} waiting, limit {limit})"),
                _ => String::new(),
            };
            format!(
                "the accept queue of {who} on port {} was full{queue} when {peer} completed its handshake or sent on",
                reset.local.port()
            )
        }
        Cause::ListenerClosed => {
            let how = if reset.bits.has(bit::OWNER_EXITING) { "exited" } else { "closed its listener" };
            format!("{who} {how} before it had accepted the connection of {peer}")
        }
        Cause::Disconnect => format!("{who} disconnected the socket with connect(AF_UNSPEC)"),
        Cause::Killed => {
            format!("a process other than its owner destroyed the connection of {who} to {peer} (SOCK_DESTROY)")
        }
        Cause::MemoryPressure => {
            format!("the kernel ran out of TCP memory or orphans when {who} closed the connection")
        }
        Cause::ProtocolViolation => format!(
            "{peer} sent {} that breaks the protocol ({}) in state {}",
            segment(reset),
            reset.reason,
            state(reset.state)
        ),
        Cause::Mptcp => format!("an MPTCP subflow of {who} with {peer} was reset ({})", reset.reason),
        Cause::Unexplained => format!(
            "no rule holds: reason {}, state {}, socket {}, evidence {}",
            reset.reason,
            state(reset.state),
            reset.socket,
            bit_names(reset.bits)
        ),
    }
}

fn owner_name(reset: &Reset) -> String {
    match &reset.owner {
        Some(owner) => ProcessName::new(&owner.process, owner.pid).to_string(),
        None => UNKNOWN_PROCESS.to_owned(),
    }
}

/// Late segments: the process that closed, how long ago, after what silence, and the segment that came then.
fn late(reset: &Reset, who: &str) -> String {
    let e = &reset.evidence;
    let mut text = match e.closed_ago {
        Some(ago) => format!("{who} closed the connection {} before", duration(ago)),
        None => format!("{who} had closed the connection"),
    };
    if ended_by_reset(reset.bits) {
        text = match e.closed_ago {
            Some(ago) => format!("the connection of {who} ended with a reset {} before", duration(ago)),
            None => format!("the connection of {who} had ended with a reset"),
        };
    }
    if closed_idle(reset.bits)
        && let Some(idle) = e.idle_before_close
    {
        let _ = write!(text, " with keep-alive idle {}", duration(idle));
    }
    let peer = match reset.role {
        Some(Role::Opened) => "server",
        Some(Role::Accepted | Role::Listener) => "client",
        None => "peer",
    };
    match e.segment_bytes {
        Some(0) => {
            let _ = write!(text, "; the {peer} then sent a segment without data");
        }
        Some(_) => {
            let _ = write!(text, "; the {peer} then wrote {}", bytes(e.segment_bytes));
        }
        None => {}
    }
    text
}

fn idle_clause(reset: &Reset) -> String {
    match reset.evidence.receive_idle {
        Some(idle) if idle >= Duration::from_millis(1) => {
            format!(", the last of them received {} before", duration(idle))
        }
        _ => String::new(),
    }
}

fn heard(reset: &Reset) -> String {
    reset.evidence.silent.map(|silence| format!(", {} after it was last heard", duration(silence))).unwrap_or_default()
}

fn totals(reset: &Reset) -> String {
    match (reset.evidence.sent_bytes, reset.evidence.received_bytes) {
        (Some(sent), Some(received)) => format!(" ({sent} bytes sent, {received} received before)"),
        _ => String::new(),
    }
}

fn segment(reset: &Reset) -> String {
    let mut flags = Vec::new();
    if reset.bits.has(bit::SEGMENT_SYN) {
        flags.push("SYN");
    }
    if reset.bits.has(bit::SEGMENT_ACK) {
        flags.push("ACK");
    }
    let kind = if flags.is_empty() { "a segment".to_owned() } else { format!("a {}", flags.join("-")) };
    match reset.evidence.segment_bytes {
        Some(0) | None => kind,
        size => format!("{kind} with {}", bytes(size)),
    }
}

fn state(state: Option<State>) -> &'static str {
    state.map_or("none", State::as_str)
}

fn bytes(number: Option<u32>) -> String {
    match number {
        Some(1) => "1 byte".to_owned(),
        Some(number) => format!("{number} bytes"),
        None => "an unknown number of bytes".to_owned(),
    }
}

/// A duration for people: `41 ms`, `20.0 s`, `3.5 min`, `2.0 h`.
#[must_use]
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.001 {
        "less than 1 ms".to_owned()
    } else if seconds < 1.0 {
        format!("{} ms", duration.as_millis())
    } else if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else if seconds < 7200.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

fn signal_name(signal: u8) -> String {
    let name = match i32::from(signal) {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGTERM => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// Every bit that is set, by name: for resets that no rule explains.
fn bit_names(bits: Bits) -> String {
    const NAMES: &[(u64, &str)] = &[
        (bit::ACTIVE, "active"),
        (bit::SEGMENT_SYN, "syn"),
        (bit::SEGMENT_ACK, "ack"),
        (bit::SEGMENT_DATA, "data"),
        (bit::LOCKED, "locked"),
        (bit::ATTACHED, "attached"),
        (bit::STATE_KEPT, "state_kept"),
        (bit::OWNER_EXITING, "owner_exiting"),
        (bit::UNREAD, "unread"),
        (bit::UNSENT, "unsent"),
        (bit::UNACKED, "unacked"),
        (bit::WROTE_AFTER_FIN, "wrote_after_fin"),
        (bit::LINGER_ZERO, "linger_zero"),
        (bit::LINGER2_NEGATIVE, "linger2_negative"),
        (bit::LISTENER_FULL, "listener_full"),
        (bit::SILENT, "silent"),
        (bit::CLOSED_HERE, "closed_here"),
        (bit::CLOSED_RECENTLY, "closed_recently"),
        (bit::TOMBSTONE, "tombstone"),
        (bit::MPTCP, "mptcp"),
        (bit::OWNER_RUNNING, "owner_running"),
        (bit::NEVER_ACCEPTED, "never_accepted"),
        (bit::SHUT_RECEIVE, "shut_receive"),
        (bit::SHUT_SEND, "shut_send"),
        (bit::KERNEL_THREAD, "kernel_thread"),
        (bit::SEGMENT_FIN, "fin"),
        (bit::SEGMENT_LARGE, "large"),
        (bit::SEGMENT_STRAY, "stray"),
        (bit::PEER_FIN, "peer_fin"),
        (bit::ANSWERED, "answered"),
        (bit::WAITED, "waited"),
        (bit::LAST_WORD, "last_word"),
        (bit::UNSENT_AT_CLOSE, "unsent_at_close"),
        (bit::WITHIN_SECOND, "within_second"),
        (bit::WRITTEN_AFTER_RESET, "written_after_reset"),
        (bit::LISTENS_ELSEWHERE, "listens_elsewhere"),
        (bit::LISTENER_LIVES, "listener_lives"),
        (bit::STREAM, "stream"),
        (bit::GENTLE_EXIT, "gentle_exit"),
        (bit::UNDELIVERED_SMALL, "undelivered_small"),
        (bit::AFTER_FIN_SMALL, "after_fin_small"),
        (bit::FIN_WITHIN_SECOND, "fin_within_second"),
        (bit::AFTER_FIN_TAKEN, "after_fin_taken"),
        (bit::REQUEST_UNACKED, "request_unacked"),
        (bit::EARLY_ANSWER, "early_answer"),
    ];
    let numbers = [
        bits.role().map(|role| format!("role={role}")),
        bits.phase().map(|phase| format!("phase={phase}")),
        bits.means().map(|means| format!("means={means}")),
        bits.ended().map(|ended| format!("ended={ended}")),
    ];
    let names = NAMES.iter().filter(|(bit, _)| bits.has(*bit)).map(|(_, name)| (*name).to_owned());
    let names: Vec<_> = numbers.into_iter().flatten().chain(names).collect();
    if names.is_empty() { "none".to_owned() } else { names.join("+") }
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn durations_have_a_unit_and_at_most_one_decimal() {
        let cases = [
            (Duration::from_micros(50), "less than 1 ms"),
            (Duration::from_millis(41), "41 ms"),
            (Duration::from_secs(20), "20.0 s"),
            (Duration::from_secs(210), "3.5 min"),
            (Duration::from_hours(2), "2.0 h"),
        ];
        for (given, expected) in cases {
            assert_eq!(duration(given), expected);
        }
    }
}
