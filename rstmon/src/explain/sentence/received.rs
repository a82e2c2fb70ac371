//! Resets that this host received: what was under way when they came.

use super::words::{QUIET, before, bytes, duration, owner_name, totals};
use crate::{
    explain::Cause,
    model::{Phase, Reset, State},
};
use rstmon_common::evidence as bit;
use std::fmt::Write as _;

pub(super) fn evidence(reset: &Reset, cause: Cause) -> String {
    let e = &reset.evidence;
    let (who, peer) = (owner_name(reset), reset.remote);
    match cause {
        Cause::Refused => {
            format!("{who} tried to connect to {peer}, which refused: nothing listens there, or a firewall rejects")
        }
        Cause::PeerAborted => peer_aborted(reset, &who),
        Cause::RequestReset => request_reset(reset, &who),
        Cause::WroteToClosedPeer => {
            let what =
                if reset.bits.has(bit::AFTER_FIN_SMALL | bit::FIN_WITHIN_SECOND) { "a farewell of " } else { "" };
            let more = if what.is_empty() { " more" } else { "" };
            format!(
                "{peer} had closed its end, then {who} wrote {what}{}{more}{}",
                bytes(e.after_fin_bytes),
                totals(reset)
            )
        }
        Cause::PeerResetIdle => {
            let silence = e.silent.map_or_else(|| "a long time".to_owned(), duration);
            let mut text = format!("nothing was heard from {peer} for {silence}");
            if e.unacked_bytes.is_some_and(|bytes| bytes > 0) {
                let _ = write!(text, "; then {who} sent {} and was answered with a RST", bytes(e.unacked_bytes));
            } else {
                let _ = write!(text, " before it reset the connection of {who}");
            }
            text + &totals(reset)
        }
        Cause::PeerReset if reset.bits.phase() == Some(Phase::Handshake) || reset.state == Some(State::SynRecv) => {
            format!("{peer} reset the connection of {who} during the handshake")
        }
        Cause::PeerReset => format!(
            "{peer} reset the connection of {who} with {}{}{}",
            in_flight(reset),
            e.silent.map(|silence| format!(", {} after it was last heard", duration(silence))).unwrap_or_default(),
            totals(reset)
        ),
        Cause::ResetWhileClosing => {
            let act =
                if reset.bits.phase() == Some(Phase::HalfClosed) { "stopped sending" } else { "closed the connection" };
            format!("{who} had {act}{}; {peer} ended it with a RST", before(e.closed_ago))
        }
        _ => format!("an MPTCP subflow of {who} with {peer} was reset ({})", reset.reason),
    }
}

/// What the peer of a fresh connection did not take, as a banner; mostly nothing.
fn in_flight(reset: &Reset) -> String {
    let e = &reset.evidence;
    match e.unacked_bytes.zip(e.unsent_bytes) {
        Some((unacked, unsent)) if reset.bits.any(bit::UNSENT | bit::UNACKED) => {
            format!("{} of ours not delivered", bytes(Some(unacked.saturating_add(unsent))))
        }
        _ => "nothing of ours in flight".to_owned(),
    }
}

fn peer_aborted(reset: &Reset, who: &str) -> String {
    let (e, peer) = (&reset.evidence, reset.remote);
    let closed = match reset.bits.phase() {
        Some(Phase::HalfClosed) => " had shut down its end and",
        _ if reset.bits.has(bit::CLOSED_HERE) => " had closed and",
        _ => "",
    };
    if reset.bits.any(bit::UNSENT | bit::UNACKED) {
        return format!(
            "{peer} reset the connection while {who}{closed} was sending: {} not acknowledged, {} not sent{}",
            bytes(e.unacked_bytes),
            bytes(e.unsent_bytes),
            totals(reset)
        );
    }
    let waited = e.receive_idle.map_or_else(String::new, |idle| format!(", {} after its last request", duration(idle)));
    format!("{peer} gave up while {who} owed it an answer{waited}{}", totals(reset))
}

fn request_reset(reset: &Reset, who: &str) -> String {
    let (e, peer) = (&reset.evidence, reset.remote);
    let mut text = format!("{peer} reset the connection before it had answered the request of {who}");
    if reset.bits.has(bit::EARLY_ANSWER) || e.unread_bytes.is_some_and(|unread| unread > 0) {
        text = format!("{peer} reset the connection; an answer of {} lies unread at {who}", bytes(e.unread_bytes));
    }
    for (number, what) in [(e.unacked_bytes, "not acknowledged"), (e.unsent_bytes, "not sent")] {
        if let Some(number) = number.filter(|number| *number > 0) {
            let _ = write!(text, ", {} {what}", bytes(Some(number)));
        }
    }
    let pause = e.receive_idle.zip(e.send_idle).and_then(|(received, sent)| received.checked_sub(sent));
    match pause {
        Some(pause) if pause >= QUIET && e.received_bytes.is_some_and(|received| received > 0) => {
            let _ = write!(text, "; the connection had been quiet for {} before the request", duration(pause));
        }
        _ => {}
    }
    if let Some(waited) = e.send_idle.filter(|waited| *waited >= QUIET) {
        let _ = write!(text, "; no answer for {}", duration(waited));
    }
    text + &totals(reset)
}
