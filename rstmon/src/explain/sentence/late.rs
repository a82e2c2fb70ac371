//! Segments of a connection that had ended here: how and when it ended, and what came then.

use super::words::{QUIET, before, bytes, duration, exit, owner_name, peer_word, sent_then, totals};
use crate::{
    explain::Cause,
    model::{Ended, Means, Phase, Reset, Role, State},
};
use rstmon_common::evidence as bit;
use std::time::Duration;

pub(super) fn evidence(reset: &Reset, cause: Cause) -> String {
    let e = &reset.evidence;
    let (who, ago) = (owner_name(reset), before(e.closed_ago));
    let (peer, then) = (reset.remote, sent_then(reset));
    match cause {
        Cause::AlreadyReset => {
            let sender = match reset.bits.ended() {
                Some(Ended::ResetSent) => "this host",
                _ => "the peer",
            };
            format!("a reset of {sender} had ended the connection of {who}{ago}; after that {peer} {then}")
        }
        Cause::CutOnThePath => format!(
            "a reset in the name of {peer} had ended the connection of {who}{ago}, but the other end of it did not send \
             it: it {then} after that"
        ),
        Cause::UnknownConnection => {
            let quiet = e.idle_before_close.filter(|idle| *idle >= QUIET);
            let quiet = quiet.map_or_else(String::new, |idle| format!(", quiet for {} by then", duration(idle)));
            format!(
                "the connection of {who} was given up{ago} without FIN or reset, after a timeout{quiet}; then {peer} {then}"
            )
        }
        Cause::ProcessExit => {
            let quiet = idle_clause(reset);
            format!(
                "{who} {}{ago} and left the connection{quiet}; then the {} {then}{}",
                exit(reset),
                peer_word(reset),
                totals(reset)
            )
        }
        Cause::GaveUpWaiting => {
            let waited = e.idle_before_close.map_or_else(String::new, |idle| format!(" after {}", duration(idle)));
            let later = e.closed_ago.map_or_else(String::new, |ago| format!(" {} later", duration(ago)));
            format!("{who} gave up{waited} without an answer; the {} {then}{later}{}", peer_word(reset), totals(reset))
        }
        Cause::RequestTimeout => request_timeout(reset, &who, &then),
        _ => closed(reset, &who, &then),
    }
}

/// The close, what the connection was doing, and what came then.
fn closed(reset: &Reset, who: &str, then: &str) -> String {
    let e = &reset.evidence;
    let how = match reset.bits.means() {
        Some(Means::Abort) => "aborted",
        _ => "closed",
    };
    let mut text = match e.closed_ago {
        Some(ago) => format!("{who} {how} the connection {} before", duration(ago)),
        None => format!("{who} had {how} the connection"),
    };
    if reset.bits.has(bit::UNSENT_AT_CLOSE) {
        text.push_str(" with ");
        text.push_str(&match e.unsent_bytes {
            Some(number) if number > 0 => bytes(Some(number)),
            _ => "payload".to_owned(),
        });
        text.push_str(" still unsent");
    }
    text.push_str(&idle_clause(reset));
    format!("{text}; the {} then {then}{}{}", peer_word(reset), totals(reset), without_time_wait(reset))
}

/// How long an end that closed first stays in `FIN_WAIT2` and in `TIME_WAIT`, by default (`TCP_TIMEWAIT_LEN`,
/// `include/net/tcp.h`).
const TIME_WAIT: Duration = Duration::from_mins(1);

/// Says why the peer's FIN met no `TIME_WAIT`, where one should have taken it: the end that closed first keeps it.
fn without_time_wait(reset: &Reset) -> &'static str {
    let closed_first = reset.bits.ended() == Some(Ended::Fins) && !reset.bits.has(bit::PEER_FIN);
    let lost = matches!(reset.state, None | Some(State::Listen))
        && reset.evidence.closed_ago.is_some_and(|ago| ago < TIME_WAIT);
    if reset.bits.has(bit::SEGMENT_FIN) && closed_first && lost {
        "; TIME_WAIT no longer knew the connection: its table may be full (tcp_max_tw_buckets, TCPTimeWaitOverflow)"
    } else {
        ""
    }
}

/// How long the connection had been idle after its last answer.
fn idle_clause(reset: &Reset) -> String {
    match reset.evidence.idle_before_close {
        Some(idle) if reset.bits.phase() == Some(Phase::Idle) => {
            let word = if reset.bits.has(bit::LAST_WORD) { " but for a last word of its own" } else { "" };
            format!(", idle for {}{word}", duration(idle))
        }
        Some(idle) if reset.role == Some(Role::Opened) && reset.bits.phase() == Some(Phase::Request) => {
            format!(", {} after its request", duration(idle))
        }
        _ => String::new(),
    }
}

fn request_timeout(reset: &Reset, who: &str, then: &str) -> String {
    let e = &reset.evidence;
    let open = e.age.zip(e.closed_ago).and_then(|(age, ago)| age.checked_sub(ago));
    let after = open.map_or_else(String::new, |open| format!(" {} after the handshake", duration(open)));
    let what = match reset.bits.phase() {
        Some(Phase::Fresh) => "before any request had come",
        _ => "without an answer to what had come",
    };
    let ago = e.closed_ago.map_or_else(String::new, |ago| format!(" {} later", duration(ago)));
    format!("{who} closed the connection{after}, {what}; the client {then}{ago}{}", totals(reset))
}
