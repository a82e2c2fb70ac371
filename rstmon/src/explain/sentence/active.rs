//! Resets that the kernel sent because a process closed, aborted or died, or on its own.

use super::words::{bytes, duration, exit, owner_name, totals};
use crate::{
    explain::Cause,
    model::{Phase, Reset, Role},
};
use rstmon_common::evidence as bit;
use std::time::Duration;

pub(super) fn evidence(reset: &Reset, cause: Cause) -> String {
    let e = &reset.evidence;
    let (who, peer) = (owner_name(reset), reset.remote);
    match cause {
        Cause::ClosedWithUnreadData => {
            let fin = if reset.bits.has(bit::PEER_FIN) { " after the peer's FIN" } else { "" };
            // Of an MPTCP connection the subflow does not know how much is unread.
            let unread = match e.unread_bytes {
                Some(0) if reset.bits.has(bit::MPTCP) => "data".to_owned(),
                number => bytes(number),
            };
            format!(
                "{who} closed the connection{fin} with {unread} unread{}{}{}",
                last_received(reset),
                undelivered(reset),
                totals(reset)
            )
        }
        Cause::ProcessExit if reset.bits.has(bit::NEVER_ACCEPTED) => {
            format!("{who} {} before it had accepted the connection of {peer}", exit(reset))
        }
        Cause::ProcessExit => {
            format!(
                "{who} {} with {} unread{}{}",
                exit(reset),
                bytes(e.unread_bytes),
                undelivered(reset),
                totals(reset)
            )
        }
        Cause::GaveUpWaiting => {
            let waited = waited(reset).map_or_else(String::new, |waited| format!(" after {}", duration(waited)));
            format!("{who} gave up{waited} without an answer and aborted the connection{}", totals(reset))
        }
        Cause::IdleAbort => {
            let idle =
                idle(reset).map_or_else(String::new, |idle| format!(" that had been idle for {}", duration(idle)));
            format!("{who} aborted a connection{idle}{}", totals(reset))
        }
        Cause::LingerAbort if reset.bits.has(bit::LINGER_ZERO) => {
            let unread = match e.unread_bytes {
                Some(unread) if unread > 0 => format!(", {} unread", bytes(Some(unread))),
                _ => String::new(),
            };
            format!("{who} closed the connection with SO_LINGER 0{unread}{}{}", undelivered(reset), totals(reset))
        }
        Cause::LingerAbort => format!("{who} closed the connection with a negative TCP_LINGER2{}", totals(reset)),
        Cause::IdleTimeout => {
            let silence = e.silent.map(|silence| format!(" for {}", duration(silence))).unwrap_or_default();
            let probes = match e.probes {
                1 => "1 keep-alive probe".to_owned(),
                number => format!("{number} keep-alive probes"),
            };
            format!("nothing was heard from {peer}{silence}; {probes} of {who} went unanswered")
        }
        Cause::ListenerClosed => format!("{who} closed its listener before it had accepted the connection of {peer}"),
        Cause::Disconnect => format!("{who} disconnected the socket with connect(AF_UNSPEC)"),
        Cause::Killed if reset.bits.has(bit::NEVER_ACCEPTED) => {
            format!(
                "a process other than its owner destroyed the listener of {who}, with the connection of {peer} waiting"
            )
        }
        Cause::Killed => {
            format!("a process other than its owner destroyed the connection of {who} to {peer} (SOCK_DESTROY)")
        }
        Cause::MemoryPressure => {
            format!(
                "the kernel ran out of TCP memory or orphans when {who} closed the connection{}",
                undelivered(reset)
            )
        }
        _ => format!("an MPTCP subflow of {who} with {peer} was reset ({})", reset.reason),
    }
}

/// Own payload that was lost; empty where there was none.
fn undelivered(reset: &Reset) -> String {
    let e = &reset.evidence;
    let part = |number: Option<u32>, what: &str| match number {
        Some(number) if number > 0 => format!(", {} {what}", bytes(Some(number))),
        _ => String::new(),
    };
    part(e.unacked_bytes, "not acknowledged") + &part(e.unsent_bytes, "not sent")
}

fn last_received(reset: &Reset) -> String {
    match reset.evidence.receive_idle {
        Some(idle) if idle >= Duration::from_millis(1) => {
            format!(", the last of them received {} before", duration(idle))
        }
        _ => String::new(),
    }
}

/// How long an opener had waited for its answer: since its last payload.
fn waited(reset: &Reset) -> Option<Duration> {
    reset.evidence.send_idle
}

/// How long the peer of an idle connection had sent nothing.
fn idle(reset: &Reset) -> Option<Duration> {
    match (reset.bits.phase(), reset.role) {
        (Some(Phase::Idle), Some(Role::Accepted)) => reset.evidence.receive_idle,
        _ => reset.evidence.idle(),
    }
}
