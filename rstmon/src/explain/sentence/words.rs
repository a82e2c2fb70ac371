//! Words that the sentences share: processes, numbers, durations, segments.

use crate::{
    explain::present::{ProcessName, UNKNOWN_PROCESS},
    model::{Phase, Reset, Role, State},
};
use rstmon_common::evidence as bit;
use std::time::Duration;

/// A pause that is worth naming.
pub(super) const QUIET: Duration = Duration::from_secs(1);

pub(super) fn owner_name(reset: &Reset) -> String {
    match &reset.owner {
        Some(owner) => ProcessName::new(&owner.process, owner.pid).to_string(),
        None => UNKNOWN_PROCESS.to_owned(),
    }
}

/// The other end in a word.
pub(super) fn peer_word(reset: &Reset) -> &'static str {
    match reset.role {
        Some(Role::Opened) => "server",
        Some(Role::Accepted | Role::Listener) => "client",
        None => "peer",
    }
}

/// ` 41 ms before`; empty where the time is not known.
pub(super) fn before(ago: Option<Duration>) -> String {
    ago.map(|ago| format!(" {} before", duration(ago))).unwrap_or_default()
}

/// What was exchanged over the connection's life, seen from this end.
pub(super) fn totals(reset: &Reset) -> String {
    let (Some(sent), Some(received)) = (reset.evidence.sent_bytes, reset.evidence.received_bytes) else {
        return String::new();
    };
    let phase = reset.bits.phase();
    match reset.role {
        Some(Role::Accepted) if phase == Some(Phase::Fresh) || received == 0 => {
            format!(" (no request so far, {} sent)", long_bytes(sent))
        }
        Some(Role::Accepted) if sent == 0 => format!(" (nothing answered after {} received)", long_bytes(received)),
        Some(Role::Accepted) => format!(" (answered {} after {} received)", long_bytes(sent), grouped(received)),
        _ => format!(" ({} sent, {} received before)", long_bytes(sent), grouped(received)),
    }
}

/// The answered segment: `an ACK with 5 bytes`.
pub(super) fn segment(reset: &Reset) -> String {
    const FLAGS: [(u64, &str); 3] = [(bit::SEGMENT_SYN, "SYN"), (bit::SEGMENT_FIN, "FIN"), (bit::SEGMENT_ACK, "ACK")];
    let flags: Vec<&str> = FLAGS.iter().filter(|(bit, _)| reset.bits.has(*bit)).map(|(_, name)| *name).collect();
    let kind = match flags.first() {
        None => "a segment".to_owned(),
        Some(&"ACK") => "an ACK".to_owned(),
        Some(_) => format!("a {}", flags.join("-")),
    };
    match reset.evidence.segment_bytes {
        Some(0) | None => kind,
        size => format!("{kind} with {}", bytes(size)),
    }
}

/// What the peer sent last: `wrote 86 bytes`.
pub(super) fn sent_then(reset: &Reset) -> String {
    match reset.evidence.segment_bytes {
        Some(0) if reset.bits.has(bit::SEGMENT_FIN) => "sent its FIN".to_owned(),
        Some(0) => "sent a segment without payload".to_owned(),
        None => "sent a segment".to_owned(),
        number => format!("wrote {}", bytes(number)),
    }
}

pub(super) fn state(state: Option<State>) -> &'static str {
    state.map_or("none", State::as_str)
}

pub(super) fn bytes(number: Option<u32>) -> String {
    number.map_or_else(|| "an unknown number of bytes".to_owned(), |number| long_bytes(u64::from(number)))
}

/// `1 byte`, `100,054 bytes`.
pub(super) fn long_bytes(number: u64) -> String {
    if number == 1 { "1 byte".to_owned() } else { format!("{} bytes", grouped(number)) }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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

/// How the process ended: `exited`, `was ended by SIGKILL`.
pub(super) fn exit(reset: &Reset) -> String {
    match reset.evidence.exit_signal {
        None => "exited".to_owned(),
        Some(_) if reset.evidence.oom_killed => {
            "was killed by the kernel's OOM killer (oom_kill of its cgroup grew)".to_owned()
        }
        Some(signal) => format!("was ended by {}", signal_name(signal)),
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
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGSYS => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// Every fact by name: for resets that no rule explains.
pub(super) fn bit_names(reset: &Reset) -> String {
    let names = crate::explain::Facts::from_reset(reset).names();
    if names.is_empty() { "none".to_owned() } else { names.join("+") }
}
