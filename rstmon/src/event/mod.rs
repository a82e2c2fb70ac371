//! The event: one reset, attributed and explained, as one JSON object. docs/events.md documents the schema.
//!
//! Under one schema number, fields are only added. A field whose value is not known is left out.

pub(crate) mod counted;
mod evidence;
pub(crate) mod expect;
pub(crate) mod filter;
pub(crate) mod found;
pub(crate) mod join;
pub(crate) mod line;
pub(crate) mod pairs;
pub(crate) mod recording;
pub(crate) mod snapshot;
pub(crate) mod span;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod text;

use crate::{
    attribute::Placement,
    explain::{CauseId, Confidence, Severity, Verdict, catalogue::SymptomCondition, present::ResetsSeen},
    model::{Direction, Family, Provenance, Reason, Reset, Role, SocketKind, State, Wire},
};
pub(crate) use evidence::EventEvidence;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Version of the event's JSON form; a line with another number must not be interpreted.
pub(crate) const EVENT_SCHEMA: u32 = 1;

/// No two resets share a nanosecond, a direction and both ends.
pub(crate) type EventIdentity = (Timestamp, Direction, Endpoint, Endpoint);

/// One reset, attributed and explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Always [`EVENT_SCHEMA`]; other numbers are refused when a line is parsed.
    pub(crate) schema: u32,
    /// RFC 3339 in UTC, to the nanosecond.
    pub(crate) time: Timestamp,
    pub(crate) direction: Direction,
    /// The kernel's `enum sk_rst_reason` in lower case.
    pub(crate) reason: Reason,
    /// TCP state before the reset, or before the close that led to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<State>,
    /// The kind of socket that the kernel had for the connection.
    pub(crate) socket: SocketKind,
    /// IP version on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<Family>,
    /// The end on this host.
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    /// The port that names the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_port: Option<u16>,
    /// The role of this host's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
    /// Inode of the network namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) netns: Option<u32>,
    /// User id of the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<u32>,
    /// `null` in JSON when nothing is known of the owner.
    pub(crate) owner: Option<EventOwner>,
    pub(crate) evidence: EventEvidence,
    pub(crate) cause: CauseId,
    pub(crate) confidence: Confidence,
    pub(crate) severity: Severity,
    /// The evidence in a sentence, for people.
    pub(crate) sentence: String,
    /// How the cause was found; absent in events of version 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<EventVerdict>,
    /// The operator's reason, where an `[[expect]]` of the configuration made the event benign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<String>,
    /// An end of another connection that the sentence names.
    #[serde(skip)]
    pub(crate) named_end: Option<Endpoint>,
    /// The numbers on the wire, by which both ends of one RST are joined.
    #[serde(skip)]
    pub(crate) wire: Option<Wire>,
    /// Present where the remote end is on this host too and its event was joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<EventPeer>,
}

/// The rule that decided, and the facts that the rules look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventVerdict {
    /// Name of the rule. Names are for people and may change between versions.
    pub(crate) rule: String,
    /// Closed values as `name=value` (role, phase, means, ended), then the names of the other facts that held.
    pub(crate) facts: Vec<String>,
}

/// An IPv4 address on an IPv6 socket is written as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip(), port: address.port() }
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(end: Endpoint) -> Self {
        Self::new(end.address, end.port)
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&SocketAddr::new(self.address, self.port).to_string())
    }
}

/// The owner of a socket. Where the process is not known, unit, container and cgroup come from the socket's cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventOwner {
    /// Comm of the thread-group leader.
    pub(crate) process: Option<String>,
    /// Thread-group id in the initial pid namespace.
    pub(crate) pid: Option<u32>,
    /// How the owner is known.
    pub(crate) provenance: Provenance,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
    /// Container id in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    /// Kernfs id of the cgroup (of a v1 hierarchy: with bit 63 set).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cgroup: Option<u64>,
}

/// The remote end of the connection where it is on this host: its owner, and the cause and sentence of its event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventPeer {
    pub(crate) process: Option<String>,
    pub(crate) pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
    pub(crate) cause: CauseId,
    /// Absent in events of version 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) severity: Option<Severity>,
    pub(crate) sentence: String,
}

impl Event {
    #[must_use]
    pub(crate) fn new(reset: &Reset, placement: Option<&Placement>, verdict: Verdict) -> Self {
        let owner = EventOwner {
            process: reset.owner.as_ref().map(|owner| owner.process.clone()),
            pid: reset.owner.as_ref().and_then(|owner| owner.pid),
            provenance: reset.owner.as_ref().map_or(Provenance::None, |owner| owner.provenance),
            unit: placement.and_then(|placement| placement.unit.clone()),
            container: placement.and_then(|placement| placement.container.as_ref().map(|id| id.as_str().to_owned())),
            cgroup: (reset.cgroup != 0).then_some(reset.cgroup),
        };
        let known =
            owner.process.is_some() || owner.unit.is_some() || owner.container.is_some() || owner.cgroup.is_some();
        Self {
            schema: EVENT_SCHEMA,
            time: Timestamp::try_from(reset.time).unwrap_or(Timestamp::UNIX_EPOCH),
            direction: reset.direction,
            reason: reset.reason.clone(),
            state: reset.state,
            socket: reset.socket,
            family: reset.family,
            local: reset.local.into(),
            remote: reset.remote.into(),
            service_port: reset.service_port,
            role: reset.role,
            netns: reset.netns,
            uid: reset.uid,
            owner: known.then_some(owner),
            evidence: EventEvidence::new(reset),
            cause: verdict.cause.into(),
            confidence: verdict.confidence,
            severity: verdict.severity,
            sentence: verdict.sentence,
            verdict: Some(EventVerdict { rule: verdict.rule.to_owned(), facts: verdict.facts }),
            expected: None,
            named_end: None,
            wire: reset.wire,
            peer: None,
        }
    }

    /// Distinguishes the event from all others.
    #[must_use]
    pub(crate) fn identity(&self) -> EventIdentity {
        (self.time, self.direction, self.local, self.remote)
    }

    /// Comm of the owner.
    #[must_use]
    pub(crate) fn process(&self) -> Option<&str> {
        self.owner.as_ref()?.process.as_deref()
    }

    #[must_use]
    pub(crate) fn unit(&self) -> Option<&str> {
        self.owner.as_ref()?.unit.as_deref()
    }

    #[must_use]
    pub(crate) fn container(&self) -> Option<&str> {
        self.owner.as_ref()?.container.as_deref()
    }

    /// This end as the event of the other end names it.
    #[must_use]
    pub(crate) fn as_peer(&self) -> EventPeer {
        EventPeer {
            process: self.process().map(str::to_owned),
            pid: self.owner.as_ref().and_then(|owner| owner.pid),
            unit: self.unit().map(str::to_owned),
            cause: self.cause,
            severity: Some(self.severity),
            sentence: self.sentence.clone(),
        }
    }

    /// What a view of the event's cause needs to know.
    #[must_use]
    pub(crate) fn as_seen(&self) -> ResetsSeen {
        let held =
            |name: &str| self.verdict.as_ref().is_some_and(|verdict| verdict.facts.iter().any(|fact| fact == name));
        let condition = match self.direction {
            Direction::Received => (self.state == Some(State::CloseWait)).then_some(SymptomCondition::AfterFin),
            Direction::Sent if held("unsent_at_close") => Some(SymptomCondition::UnsentAtClose),
            // A close that nothing delayed had sent its FIN before the late segment came; an end in one of these states
            // had sent its own before the active reset.
            Direction::Sent => {
                let late = !held("active") && held("closed_here");
                let closing = matches!(self.state, Some(State::FinWait2 | State::Closing | State::LastAck));
                (late || closing).then_some(SymptomCondition::AfterFin)
            }
        };
        ResetsSeen {
            direction: Some(self.direction),
            role: self.role,
            severity: Some(self.severity),
            confidence: Some(self.confidence),
            condition,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::event_with;
    use crate::explain::catalogue::SymptomCondition::{self, AfterFin, UnsentAtClose};
    use serde_json::{Value, json};

    fn condition(changes: Value) -> Option<SymptomCondition> {
        event_with(changes).as_seen().condition
    }

    #[test]
    fn what_the_receiver_saw_follows_from_the_fins_before_the_reset() {
        let received = |state: &str| condition(json!({"direction": "received", "state": state}));
        assert_eq!((received("established"), received("close_wait")), (None, Some(AfterFin)));
        let sent = |state: &str, facts: &[&str]| {
            condition(json!({"state": state, "verdict": {"rule": "any", "facts": facts}}))
        };
        assert_eq!(sent("established", &["active"]), None);
        assert_eq!(sent("last_ack", &["active"]), Some(AfterFin));
        assert_eq!(sent("time_wait", &["closed_here"]), Some(AfterFin));
        assert_eq!(sent("fin_wait1", &["closed_here", "unsent_at_close"]), Some(UnsentAtClose));
        assert_eq!(condition(json!({})), None, "an event of version 0.1");
    }
}
