//! What this host's tables of sockets say of the ends of a reset, beyond the socket that was reset.

use super::{Endpoint, Event};
use crate::model::{Direction, SocketKind, State};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// A living connection that a segment may have been meant for that no connection here matches.
    OtherConnection,
    /// The listener that a refused attempt to connect was made to.
    Listener,
    /// The other end of a connection whose reset was received.
    OtherEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The connection has this remote end.
    OtherConnection(Endpoint),
    /// The listener lives, and did then.
    Listener,
    /// The other end lives.
    OtherEnd,
}

/// Why no process of this host sent a reset.
const REJECTED: &str = "no process sent the reset, a firewall rule did (REJECT with tcp-reset)";

impl Event {
    /// What the tables are asked, where the event alone leaves a question: of a received reset, only if no process of
    /// this host is known to have sent it.
    #[must_use]
    pub(crate) fn question(&self) -> Option<Question> {
        match (self.direction, self.state) {
            (Direction::Sent, None) => {
                let facts = &self.verdict.as_ref()?.facts;
                let named = |bits: &[&str]| facts.iter().any(|fact| bits.contains(&fact.as_str()));
                let stray = self.socket == SocketKind::None && self.role.is_none();
                (stray && !named(&["active", "syn", "stray", "tombstone"])).then_some(Question::OtherConnection)
            }
            (Direction::Received, Some(State::SynSent)) if self.peer.is_none() => Some(Question::Listener),
            (Direction::Received, Some(State::Established | State::CloseWait)) if self.peer.is_none() => {
                Some(Question::OtherEnd)
            }
            _ => None,
        }
    }

    /// Adds what was found to the sentence.
    pub(crate) fn add_finding(&mut self, found: Found) {
        if let Found::OtherConnection(remote) = found {
            self.named_end = Some(remote);
        }
        let clause = match found {
            Found::OtherConnection(remote) => format!(
                "; it has a living connection from that port to {remote}, for which the segment may be meant: passed on \
                 without address translation (nf_conntrack_tcp_be_liberal)"
            ),
            Found::Listener => format!("; a process of this host does listen there: {REJECTED}"),
            Found::OtherEnd => format!("; the other end is on this host and lives: {REJECTED}"),
        };
        self.sentence.push_str(&clause);
    }
}
