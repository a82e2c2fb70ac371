//! The cause catalogue: what rstmon knows about each cause, as data.
//!
//! One [`CauseEntry`] for each [`Cause`], one file for each family of causes. What several causes share is written once
//! and referred to: the words in which programs report an errno are in [`symptom`], settings by product are in
//! [`settings`]. [`present`](super::present) lays an entry out for `rstmon causes`, `rstmon why`, `rstmon top` and
//! docs/causes.md.
//!
//! The texts are ASCII and mark code with backticks, as in Markdown. They do not describe how a rule is evaluated; a
//! rule that changes its evidence must change [`CauseEntry::how_known`] with it.

mod abort;
mod close;
pub(crate) mod explanations;
mod host;
mod late;
mod listener;
mod network;
mod newer;
mod peer;
mod protocol;
pub(crate) mod settings;
pub(crate) mod symptom;

use super::{
    catalogue::{settings::SettingGroup, symptom::Symptom},
    cause::Cause,
    severity::{Confidence, Severity},
};
use crate::model::Role;
use serde::Serialize;

/// Everything that is known about one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CauseEntry {
    /// The cause this entry is about; its id in JSON.
    #[serde(rename = "id")]
    pub(crate) cause: Cause,
    /// One short line without a full stop: the heading, and the text next to the id in a list.
    pub(crate) title: &'static str,
    pub(crate) directions: Directions,
    /// The only role of this host's end that the cause has; absent where both ends can have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
    /// The usual severity. That of one reset follows from its facts.
    pub(crate) severity: Severity,
    /// For a reader who was just woken up and knows nothing of the case.
    pub(crate) what_happened: &'static str,
    pub(crate) how_known: HowKnown,
    pub(crate) sees: ObservedSymptoms,
    /// What to do, the most useful first. Empty only where nothing needs doing.
    pub(crate) remedies: &'static [Remedy],
    /// The three classic remedies weighed for this cause; absent where none of them applies.
    pub(crate) classic: Option<ClassicRemedies>,
    /// Causes that are easily confused with this one, or that are seen at the other end.
    pub(crate) see_also: &'static [Cause],
}

/// The directions in which resets of one cause travel, seen from this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Directions {
    Sent,
    Received,
    Both,
}

impl Directions {
    /// Whether a reset that this host sent can have the cause.
    #[must_use]
    pub(crate) const fn sent(self) -> bool {
        matches!(self, Self::Sent | Self::Both)
    }

    /// Whether a reset that this host received can have the cause.
    #[must_use]
    pub(crate) const fn received(self) -> bool {
        matches!(self, Self::Received | Self::Both)
    }

    /// A word for a column of a table.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Both => "both",
        }
    }

    /// The phrase that continues "a reset ...".
    #[must_use]
    pub(crate) const fn phrase(self) -> &'static str {
        match self {
            Self::Sent => "sent by this host",
            Self::Received => "received by this host",
            Self::Both => "sent or received by this host",
        }
    }
}

/// How a cause is recognised and how sure that makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HowKnown {
    /// The facts that prove or suggest the cause.
    pub(crate) evidence: &'static str,
    /// When the verdict reaches which confidence, the surest first.
    pub(crate) levels: &'static [Level],
    /// What is known, or not, on kernels that give no reset reason; absent where the kernel version does not matter.
    pub(crate) older_kernels: Option<&'static str>,
}

/// The condition for one degree of confidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Level {
    pub(crate) confidence: Confidence,
    /// The condition, as a clause that continues "when ...".
    pub(crate) when: &'static str,
}

/// What the application at either end of the connection sees, the most usual symptom first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ObservedSymptoms {
    /// At the end whose kernel sent the reset.
    pub(crate) sender: &'static [Symptom],
    /// At the end whose kernel received the reset.
    pub(crate) receiver: &'static [Symptom],
    /// What the receiving end sees instead in a special case; the first case that holds counts.
    pub(crate) cases: &'static [SymptomCase],
    /// What is peculiar to this cause; absent where the symptoms are all there is.
    pub(crate) note: Option<&'static str>,
}

impl ObservedSymptoms {
    /// Whether the end that received the reset may see the symptom.
    pub(crate) fn may_show_at_receiver(&self, symptom: Symptom) -> bool {
        self.receiver.contains(&symptom) || self.cases.iter().any(|case| case.receiver.contains(&symptom))
    }
}

/// What the end that received the reset sees in a special case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SymptomCase {
    pub(crate) when: SymptomCondition,
    pub(crate) receiver: &'static [Symptom],
}

/// A read reports the end of the stream and a write fails, once the other end's FIN has arrived.
const AFTER_FIN: SymptomCase =
    SymptomCase { when: SymptomCondition::AfterFin, receiver: &[Symptom::EndOfStream, Symptom::BrokenPipe] };

/// A condition that changes what the end that received the reset sees. The first error of a socket follows from its
/// state at the reset (`tcp_reset()` in `net/ipv4/tcp_input.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SymptomCondition {
    /// The receiving end had the other end's FIN already (`CLOSE_WAIT`).
    AfterFin,
    /// Payload was unsent behind the close, so the other end's FIN was not sent either.
    UnsentAtClose,
}

impl SymptomCondition {
    /// The clause that continues "what it sees".
    #[must_use]
    pub(crate) const fn phrase(self) -> &'static str {
        match self {
            Self::AfterFin => "where the end of the stream had arrived before the reset",
            Self::UnsentAtClose => "where payload was unsent at the close",
        }
    }
}

/// One thing to do about a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Remedy {
    /// The action, in the imperative: one or two sentences.
    pub(crate) action: &'static str,
    /// The settings by product that carry it out, where it is a matter of settings.
    pub(crate) settings: Option<&'static SettingGroup>,
    /// The role of this host's end that it is meant for; absent where it is meant for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
}

impl Remedy {
    /// An action that no setting carries out.
    const fn act(action: &'static str) -> Self {
        Self { action, settings: None, role: None }
    }

    /// An action that is carried out by `settings`.
    const fn set(action: &'static str, settings: &'static SettingGroup) -> Self {
        Self { action, settings: Some(settings), role: None }
    }

    /// The same action where this host's end has that role only.
    const fn at(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }

    /// Whether it is meant for an end of that role; every remedy is where the role is not known.
    #[must_use]
    pub(crate) fn is_for(&self, role: Option<Role>) -> bool {
        match (self.role, role) {
            // A listener is the accepting end, too.
            (Some(Role::Accepted | Role::Listener), Some(role)) => role != Role::Opened,
            (Some(Role::Opened), Some(role)) => role == Role::Opened,
            (None, _) | (_, None) => true,
        }
    }
}

/// The three classic answers to connection resets, each weighed for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ClassicRemedies {
    /// Retry, but only what is idempotent.
    pub(crate) retry: &'static str,
    /// Long connections with a heartbeat and aligned timeouts.
    pub(crate) heartbeat: &'static str,
    /// Short connections: one request each.
    pub(crate) short: &'static str,
}

impl ClassicRemedies {
    /// Name and verdict of each classic remedy, in the order in which they should be considered.
    #[must_use]
    pub(crate) const fn weighed(&self) -> [(&'static str, &'static str); 3] {
        [
            ("Retry what is idempotent", self.retry),
            ("Long connections with a heartbeat and aligned timeouts", self.heartbeat),
            ("Short connections", self.short),
        ]
    }
}

impl Cause {
    /// What the catalogue says about this cause.
    #[must_use]
    pub(crate) const fn entry(self) -> &'static CauseEntry {
        match self {
            Self::Refused => &listener::REFUSED,
            Self::ClosedWithUnreadData => &close::CLOSED_WITH_UNREAD_DATA,
            Self::WriteAfterClose => &close::WRITE_AFTER_CLOSE,
            Self::KeepaliveRace => &close::KEEPALIVE_RACE,
            Self::StaleConnection => &close::STALE_CONNECTION,
            Self::GaveUpWaiting => &late::GAVE_UP_WAITING,
            Self::RequestTimeout => &late::REQUEST_TIMED_OUT,
            Self::LateGoodbye => &late::LATE_GOODBYE,
            Self::AlreadyReset => &late::ALREADY_RESET,
            Self::PortReuse => &protocol::PORT_REUSE,
            Self::PortScan => &protocol::PORT_SCAN,
            Self::PeerAborted => &peer::PEER_ABORTED,
            Self::RequestReset => &peer::REQUEST_RESET,
            Self::WroteToClosedPeer => &peer::WROTE_TO_CLOSED_PEER,
            Self::PeerResetIdle => &network::PEER_RESET_IDLE,
            Self::PeerReset => &peer::PEER_RESET,
            Self::ResetWhileClosing => &peer::RESET_WHILE_CLOSING,
            Self::CutOnThePath => &network::CUT_ON_THE_PATH,
            Self::UnknownConnection => &network::UNKNOWN_CONNECTION,
            Self::IdleTimeout => &network::IDLE_TIMEOUT,
            Self::IdleAbort => &abort::IDLE_ABORT,
            Self::LingerAbort => &abort::LINGER_ABORT,
            Self::ProcessExit => &host::PROCESS_EXIT,
            Self::ListenerOverflow => &listener::LISTENER_OVERFLOW,
            Self::ListenerClosed => &listener::LISTENER_CLOSED,
            Self::Disconnect => &abort::DISCONNECT,
            Self::Killed => &abort::KILLED,
            Self::MemoryPressure => &host::MEMORY_PRESSURE,
            Self::ProtocolViolation => &protocol::PROTOCOL_VIOLATION,
            Self::Mptcp => &protocol::MPTCP,
            Self::Unexplained => &protocol::UNEXPLAINED,
        }
    }
}

/// Every entry, in the order of [`Cause::ALL`].
pub(crate) fn entries() -> impl Iterator<Item = &'static CauseEntry> {
    Cause::ALL.iter().map(|cause| cause.entry())
}

/// The whole catalogue as one serialisable document: `rstmon causes --json`.
#[derive(Debug, Serialize)]
pub(crate) struct CatalogueDocument {
    pub(crate) causes: Vec<&'static CauseEntry>,
    /// The causes refer to these by id.
    pub(crate) symptoms: Vec<&'static symptom::SymptomForm>,
}

#[must_use]
pub(crate) fn document() -> CatalogueDocument {
    CatalogueDocument {
        causes: entries().collect(),
        symptoms: Symptom::ALL.iter().map(|symptom| symptom.form()).collect(),
    }
}

#[cfg(test)]
mod tests;
