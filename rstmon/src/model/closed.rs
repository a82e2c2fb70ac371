//! Closed sets of values: what a number of the records means, and the word for it in texts and JSON.

use rstmon_common::{
    evidence::{ended, means, phase},
    key::{direction, role, socket, state},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Declares an enum whose variants have a number in the records and a word in texts.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident from $($(#[$variant_doc:meta])* $variant:ident = $number:expr, $word:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub(crate) enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            #[allow(dead_code, reason = "the variants of some enums are never listed")]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The variant with a number of the records; `None` for an unknown number.
            #[must_use]
            pub(crate) fn from_record(number: u8) -> Option<Self> {
                $(if number == $number { return Some(Self::$variant); })*
                None
            }

            #[must_use]
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Direction of the RST, as seen from this host.
    Direction from
    /// The kernel sent it.
    Sent = direction::SENT, "sent";
    /// The kernel accepted it.
    Received = direction::RECEIVED, "received";
}

words! {
    /// IP version on the wire; IPv4 on an IPv6 socket is IPv4.
    Family from
    Ipv4 = 4, "ipv4";
    Ipv6 = 6, "ipv6";
}

words! {
    /// TCP state before the reset.
    State from
    /// `TCP_ESTABLISHED`
    Established = state::ESTABLISHED, "established";
    /// `TCP_SYN_SENT`
    SynSent = state::SYN_SENT, "syn_sent";
    /// `TCP_SYN_RECV`
    SynRecv = state::SYN_RECV, "syn_recv";
    /// `TCP_FIN_WAIT1`
    FinWait1 = state::FIN_WAIT1, "fin_wait1";
    /// `TCP_FIN_WAIT2`
    FinWait2 = state::FIN_WAIT2, "fin_wait2";
    /// `TCP_TIME_WAIT`
    TimeWait = state::TIME_WAIT, "time_wait";
    /// `TCP_CLOSE`
    Close = state::CLOSE, "close";
    /// `TCP_CLOSE_WAIT`
    CloseWait = state::CLOSE_WAIT, "close_wait";
    /// `TCP_LAST_ACK`
    LastAck = state::LAST_ACK, "last_ack";
    /// `TCP_LISTEN`
    Listen = state::LISTEN, "listen";
    /// `TCP_CLOSING`
    Closing = state::CLOSING, "closing";
    /// `TCP_NEW_SYN_RECV`
    NewSynRecv = state::NEW_SYN_RECV, "new_syn_recv";
}

words! {
    /// The socket that the kernel passed to the hook.
    SocketKind from
    None = socket::NONE, "none";
    /// A full socket.
    Full = socket::FULL, "full";
    /// A `TIME_WAIT` minisock.
    TimeWait = socket::TIME_WAIT, "time_wait";
    /// A request minisock.
    Request = socket::REQUEST, "request";
}

words! {
    /// How this host's socket came to be.
    Role from
    /// `connect()` was called on it.
    Opened = role::OPENED, "opened";
    Listener = role::LISTENER, "listener";
    /// It was created by a listener.
    Accepted = role::ACCEPTED, "accepted";
}

words! {
    /// Phase of a conversation.
    Phase from
    /// The handshake was not complete.
    Handshake = phase::HANDSHAKE, "handshake";
    /// The end that opened the connection has sent no payload.
    Fresh = phase::FRESH, "fresh";
    /// An answer is owed.
    Request = phase::REQUEST, "request";
    /// The end that accepted the connection sent payload last, a moment ago.
    Answer = phase::ANSWER, "answer";
    /// The end that accepted the connection sent payload last, a while ago.
    Idle = phase::IDLE, "idle";
    /// This host had shut the connection down for sending.
    HalfClosed = phase::HALF_CLOSED, "half_closed";
    /// This host had closed the connection, in a phase that is not known.
    Closing = phase::CLOSING, "closing";
}

words! {
    /// How a process of this host had closed a connection before its reset.
    Means from
    /// `close()`, or `shutdown()` of both directions.
    Close = means::CLOSE, "close";
    /// `close()` with `SO_LINGER` of 0 seconds.
    Abort = means::ABORT, "abort";
    /// The process exited.
    Exit = means::EXIT, "exit";
    /// A signal ended the process.
    Signal = means::SIGNAL, "signal";
    /// `connect()` to `AF_UNSPEC`, or `shutdown()` of a listener.
    Disconnect = means::DISCONNECT, "disconnect";
    /// Destroyed from outside, as by `ss -K`.
    Destroyed = means::DESTROYED, "destroyed";
    /// A kernel thread closed it for a process.
    Other = means::OTHER, "other";
}

words! {
    /// How a connection that is gone had ended.
    Ended from
    /// By FINs of both ends, or of this one.
    Fins = ended::FINS, "fins";
    /// By a reset that this host sent.
    ResetSent = ended::RESET_SENT, "reset_sent";
    /// By a reset that this host received.
    ResetReceived = ended::RESET_RECEIVED, "reset_received";
    /// By a timeout, without FIN or reset.
    Silent = ended::SILENT, "silent";
}
