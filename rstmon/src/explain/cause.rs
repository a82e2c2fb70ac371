//! The closed set of causes: the ids of the `cause` label.
//!
//! An id is never renamed or reused once released. The texts about a cause are in [`super::catalogue`].

use crate::model::nearest::{hint, nearest, plain};
use serde::{Deserialize, Serialize, Serializer};
use std::{fmt, str::FromStr};

macro_rules! causes {
    ($( $(#[$doc:meta])* $variant:ident = $id:literal, )+) => {
        /// Why a connection was reset: one id out of the closed catalogue.
        ///
        /// The order of the variants is the order of the catalogue, not one of severity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub(crate) enum Cause {
            $( $(#[$doc])* $variant, )+
        }

        impl Cause {
            /// Every cause, in the order of the catalogue.
            pub(crate) const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The stable id: the value of the `cause` label, of filters and of JSON.
            #[must_use]
            pub(crate) const fn id(self) -> &'static str {
                match self {
                    $( Self::$variant => $id, )+
                }
            }
        }
    };
}

causes! {
    /// A SYN to a port without a listener.
    Refused = "refused",
    /// A process closed while received data was still unread.
    ClosedWithUnreadData = "closed_with_unread_data",
    /// The peer went on writing to a connection that a process here had closed.
    WriteAfterClose = "write_after_close",
    /// A pooled connection was reused just as its idle timeout fired here.
    KeepaliveRace = "keepalive_race",
    /// A pooled connection was reused long after it had been closed here.
    StaleConnection = "stale_connection",
    /// A process here stopped waiting for an answer, which came afterwards.
    GaveUpWaiting = "gave_up_waiting",
    /// A process here stopped waiting for a request, which came afterwards.
    RequestTimeout = "request_timeout",
    /// The peer's last word met a close here.
    LateGoodbye = "late_goodbye",
    /// Another segment of a connection that a reset had ended.
    AlreadyReset = "already_reset",
    /// A new connection met the remains of an earlier one with the same ports.
    PortReuse = "port_reuse",
    /// A segment that no connection makes.
    PortScan = "port_scan",
    /// The peer gave up while this end, which had accepted the connection, was sending or owed an answer.
    PeerAborted = "peer_aborted",
    /// The peer reset a connection that was opened here, while a request was under way or unanswered.
    RequestReset = "request_reset",
    /// A process here wrote on after the peer had closed.
    WroteToClosedPeer = "wrote_to_closed_peer",
    /// The peer, or a middlebox, reset the connection after a long silence.
    PeerResetIdle = "peer_reset_idle",
    /// The peer reset a live connection while nothing of this host was in flight.
    PeerReset = "peer_reset",
    /// A reset arrived while the connection was being closed here.
    ResetWhileClosing = "reset_while_closing",
    /// The peer did not send the reset that ended the connection.
    CutOnThePath = "cut_on_the_path",
    /// A segment for a connection that does not exist on this host.
    UnknownConnection = "unknown_connection",
    /// TCP keep-alive of this host gave up on a silent peer.
    IdleTimeout = "idle_timeout",
    /// A process here ended an idle connection with an abort.
    IdleAbort = "idle_abort",
    /// A deliberate abort: close with `SO_LINGER` 0, or a negative `TCP_LINGER2`.
    LingerAbort = "linger_abort",
    /// A process died or was killed, and work was left on its connections.
    ProcessExit = "process_exit",
    /// The accept queue was full.
    ListenerOverflow = "listener_overflow",
    /// A listener closed with connections in its accept queue.
    ListenerClosed = "listener_closed",
    /// `connect(AF_UNSPEC)`, or a disconnect with data pending.
    Disconnect = "disconnect",
    /// An administrator or an agent destroyed the socket by `SOCK_DESTROY`.
    Killed = "killed",
    /// The kernel ran out of TCP memory or of orphans.
    MemoryPressure = "memory_pressure",
    /// A segment broke the rules of TCP.
    ProtocolViolation = "protocol_violation",
    /// An MPTCP subflow was reset.
    Mptcp = "mptcp",
    /// None of the rules held.
    Unexplained = "unexplained",
}

/// An id that is not in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct UnknownCause {
    pub(crate) given: String,
    /// Ids that it may stand for.
    pub(crate) nearest: Vec<&'static str>,
}

impl fmt::Display for UnknownCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given, nearest } = self;
        write!(f, "no cause is called {given:?}{}", hint(nearest))?;
        f.write_str(" (the causes are: ")?;
        for (index, cause) in Cause::ALL.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{cause}")?;
        }
        f.write_str(")")
    }
}

impl Cause {
    /// The cause that a user means: as [`FromStr`], without case and with `-` for `_`.
    pub(crate) fn named(given: &str) -> Result<Self, UnknownCause> {
        plain(given).parse().map_err(|_| UnknownCause::new(given))
    }
}

impl UnknownCause {
    fn new(given: &str) -> Self {
        Self { given: given.to_owned(), nearest: nearest(given, Cause::ALL.iter().map(|cause| cause.id())) }
    }
}

impl FromStr for Cause {
    type Err = UnknownCause;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|cause| cause.id() == given).ok_or_else(|| UnknownCause::new(given))
    }
}

impl TryFrom<String> for Cause {
    type Error = UnknownCause;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        given.parse()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Written out, so that a released id can change only together with this list.
    const RELEASED: [&str; 31] = [
        "refused",
        "closed_with_unread_data",
        "write_after_close",
        "keepalive_race",
        "stale_connection",
        "gave_up_waiting",
        "request_timeout",
        "late_goodbye",
        "already_reset",
        "port_reuse",
        "port_scan",
        "peer_aborted",
        "request_reset",
        "wrote_to_closed_peer",
        "peer_reset_idle",
        "peer_reset",
        "reset_while_closing",
        "cut_on_the_path",
        "unknown_connection",
        "idle_timeout",
        "idle_abort",
        "linger_abort",
        "process_exit",
        "listener_overflow",
        "listener_closed",
        "disconnect",
        "killed",
        "memory_pressure",
        "protocol_violation",
        "mptcp",
        "unexplained",
    ];

    #[test]
    fn ids_are_exactly_the_released_ones_in_order() {
        let ids: Vec<&str> = Cause::ALL.iter().map(|cause| cause.id()).collect();
        assert_eq!(ids, RELEASED);
    }

    #[test]
    fn ids_are_unique_and_fit_to_be_label_values() {
        let ids: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.id()).collect();
        assert_eq!(ids.len(), Cause::ALL.len());
        for id in ids {
            assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{id}");
        }
    }

    #[test]
    fn every_id_survives_a_round_trip_through_text_and_json() -> Result<(), Box<dyn std::error::Error>> {
        for &cause in Cause::ALL {
            assert_eq!(cause.to_string().parse::<Cause>()?, cause);
            let json = serde_json::to_string(&cause)?;
            assert_eq!(json, format!("\"{}\"", cause.id()));
            assert_eq!(serde_json::from_str::<Cause>(&json)?, cause);
        }
        Ok(())
    }

    #[test]
    fn a_slip_is_answered_with_the_nearest_id_and_the_whole_list() {
        for (slip, meant) in [
            ("refuse", Cause::Refused),
            ("peer-reset", Cause::PeerReset),
            ("PEER_ABORTED", Cause::PeerAborted),
            ("keepalive_rase", Cause::KeepaliveRace),
            ("listener_overflown", Cause::ListenerOverflow),
            ("keepalive", Cause::KeepaliveRace),
        ] {
            let error = slip.parse::<Cause>().expect_err(slip);
            assert_eq!(error.nearest, [meant.id()], "{slip}");
            let text = error.to_string();
            assert!(text.contains(&format!("did you mean {meant}?")), "{text}");
            for cause in Cause::ALL {
                assert!(text.contains(cause.id()), "{text} does not list {cause}");
            }
        }
    }

    #[test]
    fn a_user_may_write_an_id_in_capitals_and_with_hyphens() {
        for given in ["peer_reset", "Peer-Reset", "PEER_RESET"] {
            assert_eq!(Cause::named(given), Ok(Cause::PeerReset));
        }
        assert_eq!(Cause::named("Reset").expect_err("no id").given, "Reset");
    }

    #[test]
    fn nonsense_is_answered_without_a_suggestion() {
        for nonsense in ["", "q", "completely different", &"refused".repeat(1000)] {
            let error = nonsense.parse::<Cause>().expect_err("not an id");
            assert_eq!(error.nearest, [""; 0], "{nonsense}");
            assert!(!error.to_string().contains("did you mean"));
        }
    }

    #[test]
    fn control_characters_are_escaped_in_the_error() {
        let error = "\u{1b}[31mred".parse::<Cause>().expect_err("not an id");
        assert!(!error.to_string().contains('\u{1b}'));
    }
}
