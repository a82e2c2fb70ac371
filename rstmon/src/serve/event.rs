//! The event as it leaves rstmon: one JSON object a reset. docs/events.md documents the schema.
//!
//! Fields are only ever added under one schema number. A number that is not known is left out.

use super::EVENT_SCHEMA;
use crate::{
    attribute::Placement,
    explain::{Cause, Confidence, Severity, Verdict},
    model::{Direction, Evidence, Family, Provenance, Reason, Reset, Role, SocketKind, State},
};
use jiff::Timestamp;
use rstmon_common::evidence as bit;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// One reset, attributed and explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// [`EVENT_SCHEMA`].
    pub schema: u32,
    /// When, RFC 3339 in UTC.
    pub time: Timestamp,
    /// Which way the RST went.
    pub direction: Direction,
    /// The kernel's reason.
    pub reason: Reason,
    /// State before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// What the kernel had.
    pub socket: SocketKind,
    /// IP version on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// The end on this host.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The port that names the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_port: Option<u16>,
    /// Which end this host's is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Inode of the network namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<u32>,
    /// Uid of the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Who it belonged to; `null` when nothing is known.
    pub owner: Option<EventOwner>,
    /// The numbers behind the verdict.
    pub evidence: EventEvidence,
    /// Why.
    pub cause: Cause,
    /// How sure.
    pub confidence: Confidence,
    /// How bad.
    pub severity: Severity,
    /// The evidence in a sentence.
    pub sentence: String,
    /// The other end, where it is on this host too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// IPv4 on an IPv6 socket is IPv4.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip(), port: address.port() }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&SocketAddr::new(self.address, self.port).to_string())
    }
}

/// Who a socket belonged to. Without a process it says what the socket's cgroup tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventOwner {
    /// Comm of the thread-group leader.
    pub process: Option<String>,
    /// Thread-group id in the initial pid namespace.
    pub pid: Option<u32>,
    /// How the owner is known.
    pub provenance: Provenance,
    /// systemd unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Container id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Kernfs id of the cgroup (of a v1 hierarchy: with bit 63 set).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<u64>,
}

/// The other end of the connection, on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its owner's comm.
    pub process: Option<String>,
    /// Its owner's thread-group id.
    pub pid: Option<u32>,
    /// Its owner's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its cause.
    pub cause: Cause,
    /// Its evidence.
    pub sentence: String,
}

macro_rules! evidence {
    ($($(#[$doc:meta])* $name:ident: $ty:ty;)*) => {
        /// Evidence, as numbers; only what is known.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct EventEvidence {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<$ty>,)*
            /// What else was so at the reset, by name.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub facts: Vec<String>,
        }
    };
}
evidence! {
    /// Milliseconds since the handshake.
    age_ms: u64;
    /// Milliseconds since the last data segment was sent.
    send_idle_ms: u64;
    /// Milliseconds since the last data segment was received.
    receive_idle_ms: u64;
    /// Milliseconds since anything was heard from the peer.
    silent_ms: u64;
    /// Milliseconds since a process here closed the connection.
    closed_ms_ago: u64;
    /// Milliseconds without a byte before that close.
    idle_before_close_ms: u64;
    /// Bytes received and not read.
    unread_bytes: u32;
    /// Bytes written and not sent.
    unsent_bytes: u32;
    /// Bytes sent and not acknowledged.
    unacked_bytes: u32;
    /// Bytes written after the peer's FIN.
    after_fin_bytes: u32;
    /// Payload of the segment that is answered.
    segment_bytes: u32;
    /// Payload bytes sent over the connection's life.
    sent_bytes: u64;
    /// Payload bytes received over its life.
    received_bytes: u64;
    /// Connections in the accept queue.
    backlog: u32;
    /// Limit of the accept queue.
    backlog_limit: u32;
    /// Smoothed round-trip time in microseconds.
    rtt_us: u64;
    /// Segments retransmitted.
    retransmits: u32;
    /// Unanswered probes.
    probes: u8;
    /// Signal that ends the owner.
    exit_signal: u8;
}

/// Bits that are shown by name: those that no number says.
const FACTS: &[(u32, &str)] = &[
    (bit::ACTIVE, "active"),
    (bit::SEGMENT_SYN, "syn"),
    (bit::SEGMENT_ACK, "ack"),
    (bit::LOCKED, "process_context"),
    (bit::ATTACHED, "attached"),
    (bit::OWNER_EXITING, "owner_exiting"),
    (bit::LINGER_ZERO, "linger_zero"),
    (bit::LINGER2_NEGATIVE, "linger2_negative"),
    (bit::LISTENER_FULL, "listener_full"),
    (bit::ENDED_BY_RESET, "ended_by_reset"),
    (bit::MPTCP, "mptcp"),
    (bit::NEVER_ACCEPTED, "never_accepted"),
    (bit::SHUT_RECEIVE, "shut_receive"),
    (bit::SHUT_SEND, "shut_send"),
];

impl Event {
    /// Puts together what is known of a reset.
    #[must_use]
    pub fn new(reset: &Reset, placement: Option<&Placement>, verdict: Verdict) -> Self {
        let owner = EventOwner {
            process: reset.owner.as_ref().map(|owner| owner.process.clone()),
            pid: reset.owner.as_ref().map(|owner| owner.pid),
            provenance: reset.owner.as_ref().map_or(Provenance::None, |owner| owner.provenance),
            unit: placement.and_then(|placement| placement.unit.clone()),
            container: placement.and_then(|placement| placement.container.as_ref().map(|id| id.as_str().to_owned())),
            cgroup: (reset.cgroup != 0).then_some(reset.cgroup),
        };
        let known = owner.pid.is_some() || owner.unit.is_some() || owner.container.is_some() || owner.cgroup.is_some();
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
            cause: verdict.cause,
            confidence: verdict.confidence,
            severity: verdict.severity,
            sentence: verdict.sentence,
            peer: None,
        }
    }

    /// Comm of the owner.
    #[must_use]
    pub fn process(&self) -> Option<&str> {
        self.owner.as_ref()?.process.as_deref()
    }

    /// systemd unit of the owner.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        self.owner.as_ref()?.unit.as_deref()
    }

    /// Container of the owner.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        self.owner.as_ref()?.container.as_deref()
    }

    /// What the other end is told of this one.
    #[must_use]
    pub fn as_peer(&self) -> Peer {
        Peer {
            process: self.process().map(str::to_owned),
            pid: self.owner.as_ref().and_then(|owner| owner.pid),
            unit: self.unit().map(str::to_owned),
            cause: self.cause,
            sentence: self.sentence.clone(),
        }
    }
}

impl EventEvidence {
    fn new(reset: &Reset) -> Self {
        // Exhaustive, so that a new number must be decided about here.
        let Evidence {
            age,
            send_idle,
            receive_idle,
            silent,
            closed_ago,
            idle_before_close,
            unread_bytes,
            unsent_bytes,
            unacked_bytes,
            after_fin_bytes,
            segment_bytes,
            sent_bytes,
            received_bytes,
            backlog,
            backlog_limit,
            rtt,
            retransmits,
            probes,
            exit_signal,
        } = reset.evidence.clone();
        let whole = |duration: Option<Duration>| duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        Self {
            age_ms: whole(age),
            send_idle_ms: whole(send_idle),
            receive_idle_ms: whole(receive_idle),
            silent_ms: whole(silent),
            closed_ms_ago: whole(closed_ago),
            idle_before_close_ms: whole(idle_before_close),
            unread_bytes,
            unsent_bytes,
            unacked_bytes,
            after_fin_bytes,
            segment_bytes,
            sent_bytes,
            received_bytes,
            backlog,
            backlog_limit,
            rtt_us: rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
            retransmits,
            probes: (probes > 0).then_some(probes),
            exit_signal,
            facts: FACTS.iter().filter(|(bit, _)| reset.bits.has(*bit)).map(|(_, name)| (*name).to_owned()).collect(),
        }
    }
}
