//! Causes in which a process on this host closed, and the close went wrong for the peer.

use super::{
    AFTER_FIN, CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom,
    SymptomCase, SymptomCondition,
    settings::{CLIENT_IDLE, RETRY, SERVER_IDLE, SERVER_LIMITS, UNREAD_BODY},
};
use crate::{
    explain::{
        cause::Cause,
        severity::{Confidence, Severity},
    },
    model::Role,
};

pub(super) static CLOSED_WITH_UNREAD_DATA: CauseEntry = CauseEntry {
    cause: Cause::ClosedWithUnreadData,
    title: "Closed with received data still unread",
    directions: Directions::Sent,
    role: None,
    // Data was lost in both directions: what had been received, and what of the answer was still on its way.
    severity: Severity::Harmful,
    what_happened: "A process on this host closed a connection while data from the peer was still waiting to be read. \
                    The kernel must not pretend that this data arrived, so it sent a reset instead of a normal close. \
                    Whatever this process had written shortly before may be lost too: a reset discards everything that \
                    the peer has not acknowledged. At a server the usual story is an early answer to an upload, such as 413 \
                    or 401, and a close without reading the rest of the body; at a client, a download that is no longer \
                    wanted. After the peer's own FIN, what is unread is usually a leftover of a protocol.",
    how_known: HowKnown {
        evidence: "The kernel gives the reason `tcp_abort_on_close`, and the socket's unread bytes are counted at the \
                   moment of the close. Neither an exit nor `SO_LINGER` 0 explains the reset.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the reason is `tcp_abort_on_close`; without reasons, the unread bytes at the close are the kernel's own test",
            },
            Level {
                confidence: Confidence::Likely,
                when: "a Multipath TCP connection was closed in a hurry, as it is where data is unread",
            },
        ],
        older_kernels: Some(
            "Before 6.12 the kernel gives no usable reason for a reset at close. The unread bytes decide alone; they can \
             be read on every kernel.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite, Symptom::BrokenPipe],
        cases: &[AFTER_FIN],
        note: Some(
            "The closing process gets no error: `close` succeeds. The peer often never sees what was written last, only \
             the reset. A peer that had closed its own end already notices nothing.",
        ),
    },
    remedies: &[
        Remedy::set(
            "Read the request to its end before closing, or discard it up to a limit. Where that costs too much, close in \
             two steps: stop sending, drain until the peer closes or a deadline passes, then close.",
            &UNREAD_BODY,
        )
        .at(Role::Accepted),
        Remedy::set(
            "If a limit of the server ends the request, compare it with what its clients send: raise it, or let the clients \
             send less.",
            &SERVER_LIMITS,
        )
        .at(Role::Accepted),
        Remedy::act(
            "Reject early: check size and credentials before the peer sends its body, and let clients use \
             `Expect: 100-continue` for large uploads.",
        )
        .at(Role::Accepted),
        Remedy::act(
            "If the connection had been idle before, the unread data is a new request that crossed an idle close: treat it \
             as `keepalive_race`.",
        )
        .at(Role::Accepted),
        Remedy::act(
            "Read answers to their end before the connection is closed, or accept the reset as the price of abandoning a \
             download: a browser's stop, `curl` with a full disk, a check that reads the status line only.",
        )
        .at(Role::Opened),
    ],
    classic: Some(ClassicRemedies {
        retry: "Rarely the answer: the same request will meet the same early close. It is safe only when the request is \
                idempotent, because the server may have acted on the part it read.",
        heartbeat: "No help: the connection was in use. Aligned timeouts help only in the variant that crosses an idle \
                    close.",
        short: "Little help: a one-request connection is reset in the same way if its request is not read to the end.",
    }),
    see_also: &[Cause::ProcessExit, Cause::KeepaliveRace, Cause::WriteAfterClose, Cause::LingerAbort],
};

pub(super) static WRITE_AFTER_CLOSE: CauseEntry = CauseEntry {
    cause: Cause::WriteAfterClose,
    title: "The peer wrote to a connection closed here",
    directions: Directions::Sent,
    role: None,
    // The peer's data was discarded. Whether it was wanted only the peer knows; often it is an unwanted remainder.
    severity: Severity::Notice,
    what_happened: "A process on this host closed its end in the normal way. The peer kept sending, either because it \
                    had not yet noticed or because it never looks. No process was left here to read, so the kernel answered \
                    with a reset and the data was discarded. Where payload of this end was still unsent at the close, the \
                    reset threw that away too: the peer never gets the rest of its answer, which is harmful.",
    how_known: HowKnown {
        evidence: "Payload arrived for a connection that had been closed here: its socket was in FIN_WAIT or TIME_WAIT, or \
                   already gone with a tombstone that still names who closed it and when. Neither an idle close, nor a wait \
                   that ended, nor a farewell explains it better.",
        levels: &[Level {
            confidence: Confidence::Certain,
            when: "the late segment carries payload, and the closing socket or a tombstone shows the close",
        }],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, no hook sees data that meets a TIME_WAIT socket or no socket. Only data that \
             meets a closing full socket is seen there; the rest shows in `OutRsts`, as `rstmon doctor` says.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::BrokenPipe, Symptom::EndOfStream],
        cases: &[SymptomCase {
            when: SymptomCondition::UnsentAtClose,
            receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        }],
        note: Some(
            "The peer's first write after the close succeeds; the error comes with a later one. A peer that reads sees \
             the end of the stream. Peers on other systems than Linux may report `ECONNRESET` instead.",
        ),
    },
    remedies: &[
        Remedy::act(
            "Find out who closed first and why: the tombstone names the process and the moment. A finished response, a \
             deploy and an error path look the same on the wire.",
        ),
        Remedy::act(
            "If payload was unsent at the close, let the process wait until the peer has taken its answer: stop sending with \
             `shutdown(SHUT_WR)`, read until the peer closes, then close. A slow reader needs a longer limit.",
        ),
        Remedy::act("Let the server end the response before it closes, and say so with `Connection: close`.")
            .at(Role::Accepted),
        Remedy::act(
            "Nothing is wrong with the server if this client had what it wanted: a finished download, a subscriber that \
             left.",
        )
        .at(Role::Opened),
        Remedy::set("Let the peer retry, if the request is idempotent.", &RETRY).at(Role::Accepted),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests: this process did not read the discarded data. It may have read earlier parts \
                of the same request, so anything else must not be repeated blindly.",
        heartbeat: "Little help: no idle timeout closed the connection.",
        short: "Good when both ends agree who closes: with `Connection: close` the end of the response is the end of the \
                connection and neither end writes after it.",
    }),
    see_also: &[
        Cause::KeepaliveRace,
        Cause::GaveUpWaiting,
        Cause::RequestTimeout,
        Cause::WroteToClosedPeer,
        Cause::ClosedWithUnreadData,
        Cause::ProcessExit,
    ],
};

pub(super) static KEEPALIVE_RACE: CauseEntry = CauseEntry {
    cause: Cause::KeepaliveRace,
    title: "A pooled connection was reused as it timed out",
    directions: Directions::Sent,
    role: Some(Role::Accepted),
    // A wanted request failed although both ends were healthy, and configuration can prevent it.
    severity: Severity::Harmful,
    what_happened: "A connection sat idle until this host's keep-alive timeout closed it. At the same moment the peer \
                    took it out of its pool and sent a request. The request and the close crossed on the wire, and the \
                    request was answered with a reset. Both programs work as configured; their timeouts do not fit.",
    how_known: HowKnown {
        evidence: "This end had accepted the connection and answered before. The peer had sent nothing for a while when the \
                   living process closed it, and a request came within the race window after the close. A farewell of this end \
                   at the close, such as a TLS close_notify, does not end the idleness.",
        levels: &[Level {
            confidence: Confidence::Likely,
            when: "the idle time, the close and the late segment fit; that a pooled connection was reused is inferred from them",
        }],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, most of these resets are not seen, because the late request meets a TIME_WAIT socket.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::EndOfStream, Symptom::BrokenPipe],
        cases: &[],
        note: Some(
            "A client that reads sees the stream end before any response. If the request arrived just before the close \
             instead of just after, the cause is `closed_with_unread_data` and the client sees `Connection reset`.",
        ),
    },
    remedies: &[
        Remedy::set(
            "Make the client give up idle connections before the server does, with a few seconds to spare. \
             Along a chain of proxies each hop needs this: every timeout must be longer than that of the hop before it.",
            &CLIENT_IDLE,
        ),
        Remedy::set("Or raise the server's timeout above that of every client and load balancer.", &SERVER_IDLE),
        Remedy::set("Retry idempotent requests: no timeout closes the race completely.", &RETRY),
        Remedy::act(
            "Where neither end can be configured, send `Connection: close` on the requests that must not fail.",
        ),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good, and needed in any case: this process did not read the request. But the client cannot distinguish this \
                from a failure half-way, so it may repeat only what is idempotent.",
        heartbeat: "Good: client timeout below server timeout removes nearly all of it. TCP keep-alive probes do not help, \
                    because the server's timer restarts with a request, not with a probe.",
        short: "Removes it completely, at the price of a handshake per request. Worth it for rare or critical calls.",
    }),
    see_also: &[Cause::StaleConnection, Cause::WriteAfterClose, Cause::ClosedWithUnreadData, Cause::WroteToClosedPeer],
};

pub(super) static STALE_CONNECTION: CauseEntry = CauseEntry {
    cause: Cause::StaleConnection,
    title: "A connection closed long ago was reused",
    directions: Directions::Sent,
    role: Some(Role::Accepted),
    // The request failed, and the next stale connection of the pool will fail the next one.
    severity: Severity::Harmful,
    what_happened: "A connection sat idle, and this host closed it at its keep-alive timeout. The peer's pool did not notice \
                    the close and kept the connection, until it sent a request on it much later. The kernel answered the \
                    request with a reset. Unlike in a race there was time enough to notice: the pool does not watch the \
                    connections that it keeps.",
    how_known: HowKnown {
        evidence: "As for `keepalive_race`, but the request came later than the race window after the close.",
        levels: &[Level {
            confidence: Confidence::Likely,
            when: "the idle time, the close and the late segment fit; that a pooled connection was reused is inferred from them",
        }],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, these resets are not seen, because the late request meets a \
             TIME_WAIT socket or no socket.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::EndOfStream, Symptom::BrokenPipe],
        cases: &[],
        note: Some(
            "At most 64 bytes are usually the pool's own check of the connection before use: it notices, and no request is \
             lost.",
        ),
    },
    remedies: &[
        Remedy::set(
            "Make the client's pool give up idle connections before the server closes them, or watch them: a pooled \
             connection that becomes readable has been closed.",
            &CLIENT_IDLE,
        ),
        Remedy::set("Or raise the server's timeout above that of every client and load balancer.", &SERVER_IDLE),
        Remedy::set("Retry idempotent requests on a fresh connection.", &RETRY),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests, on a fresh connection: this process did not read the request.",
        heartbeat: "Good: a client timeout below the server's removes it. TCP keep-alive probes do not help.",
        short: "Removes it completely, at the price of a handshake per request.",
    }),
    see_also: &[Cause::KeepaliveRace, Cause::WroteToClosedPeer, Cause::WriteAfterClose],
};
