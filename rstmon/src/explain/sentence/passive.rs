//! Answers to segments that belong to no connection here, or to one that was being opened.

use super::words::{before, duration, owner_name, segment, state};
use crate::{
    explain::{Cause, present::ProcessName},
    model::Reset,
};
use rstmon_common::evidence as bit;
use std::fmt::Write as _;

pub(super) fn evidence(reset: &Reset, cause: Cause) -> String {
    let e = &reset.evidence;
    let (who, peer, port) = (owner_name(reset), reset.remote, reset.local.port());
    match cause {
        Cause::Refused => {
            let mut text = format!("{peer} tried to connect to port {port}, where nothing listens");
            if reset.bits.has(bit::LISTENS_ELSEWHERE) {
                text = format!(
                    "{peer} tried to connect to {}; a process listens on port {port}, but on another address",
                    reset.local
                );
            }
            if let (Some(owner), Some(ago)) = (&reset.owner, e.closed_ago) {
                let owner = ProcessName::new(&owner.process, owner.pid);
                let _ = write!(text, "; {owner} stopped listening there {} before", duration(ago));
            }
            text
        }
        Cause::GaveUpWaiting => {
            format!("{who} had given up its attempt to connect to {peer}{}; then the answer came", before(e.closed_ago))
        }
        Cause::ListenerOverflow if reset.bits.has(bit::LISTENER_WAS_FULL) => format!(
            "the accept queue of {who} on port {port} was full{}; {peer} sent {} for a connection that was dropped then",
            before(e.queue_full_ago),
            segment(reset)
        ),
        Cause::ListenerOverflow => {
            let queue = match (e.backlog, e.backlog_limit) {
                (Some(length), Some(limit)) => format!(" ({length} waiting, limit {limit})"),
                _ => String::new(),
            };
            format!(
                "the accept queue of {who} on port {port} was full{queue} when {peer} completed its handshake or sent on"
            )
        }
        Cause::PortScan => format!(
            "{peer} sent {} to port {port}, which no connection does: a port scan",
            match segment(reset).as_str() {
                "a segment" => "a segment without flags of a connection".to_owned(),
                other => other.to_owned(),
            }
        ),
        Cause::PortReuse if reset.bits.has(bit::SEGMENT_SYN) => format!(
            "{peer} tried to connect with ports whose earlier connection of {who} is still closing (state {})",
            state(reset.state)
        ),
        Cause::PortReuse => format!(
            "{who} tried to connect to {peer} and met {} of an earlier connection with the same ports",
            segment(reset)
        ),
        Cause::ProtocolViolation => format!(
            "{peer} sent {} that breaks the protocol ({}) in state {}",
            segment(reset),
            reset.reason,
            state(reset.state)
        ),
        Cause::LingerAbort => format!("{who} closed the connection with a negative TCP_LINGER2"),
        Cause::Mptcp => format!("an MPTCP subflow of {who} with {peer} was reset ({})", reset.reason),
        _ => format!("{peer} sent {} for a connection to port {port} that this host does not know", segment(reset)),
    }
}
