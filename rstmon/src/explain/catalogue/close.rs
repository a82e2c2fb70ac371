//! Causes in which a process on this host closed, and the close went wrong for the peer.

use super::{
    CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom,
    settings::{CLIENT_IDLE, RETRY, SERVER_IDLE, UNREAD_BODY},
};
use crate::explain::{
    cause::Cause,
    severity::{Confidence, Severity},
};

pub(super) static CLOSED_WITH_UNREAD_DATA: CauseEntry = CauseEntry {
    cause: Cause::ClosedWithUnreadData,
    title: "Closed with received data still unread",
    directions: Directions::Sent,
    // Data was lost in both directions: what had been received, and what of the answer was still on its way.
    severity: Severity::Harmful,
    what_happened: "A process on this host closed a connection while data from the peer was still waiting to be read. \
                    The kernel must not pretend that this data arrived, so it sent a reset instead of a normal close. \
                    Whatever this process had written shortly before may be lost too: a reset discards everything that \
                    the peer has not acknowledged. The usual story is a server that answers an upload early, with 413 \
                    or 401, and closes without reading the rest of the body.",
    how_known: HowKnown {
        evidence: "The kernel gives the reason `tcp_abort_on_close`, and the socket's unread bytes are counted at the \
                   moment of the close. The owner is the process that was executing the close.",
        levels: &[Level {
            confidence: Confidence::Certain,
            when: "the reason is `tcp_abort_on_close`; without reasons, the unread bytes at the close are the kernel's own test",
        }],
        older_kernels: Some(
            "Before 6.12 the kernel gives no usable reason for a reset at close. The unread bytes decide alone; they can \
             be read on every kernel.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite, Symptom::BrokenPipe],
        note: Some(
            "The closing process gets no error: `close` succeeds. The peer often never sees the early answer, only \
             the reset.",
        ),
    },
    remedies: &[
        Remedy::set(
            "Read the request to its end before closing, or discard it up to a limit. Where that costs too much, close in \
             two steps: stop sending, drain until the peer closes or a deadline passes, then close.",
            &UNREAD_BODY,
        ),
        Remedy::act(
            "If this process is the client, let it read responses to the end, or accept the reset as the price of \
             abandoning a download.",
        ),
        Remedy::act(
            "Reject early: check size and credentials before the peer sends its body, and let clients use \
             `Expect: 100-continue` for large uploads.",
        ),
        Remedy::act(
            "If the connection had been idle before, the unread data is a new request that crossed an idle close: treat it \
             as `keepalive_race`.",
        ),
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
    // The peer's data was discarded. Whether it was wanted only the peer knows; often it is an unwanted remainder.
    severity: Severity::Notice,
    what_happened: "A process on this host closed its end in the normal way. The peer kept sending, either because it \
                    had not yet noticed or because it never looks. No process was left here to read, so the kernel answered \
                    with a reset and the data was discarded.",
    how_known: HowKnown {
        evidence: "Data arrived for a connection that had been closed here: its socket was in FIN_WAIT or TIME_WAIT, or \
                   already gone with a tombstone that still names who closed it and when.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the late segment carries data, and the closing socket or a tombstone shows the close",
            },
            Level {
                confidence: Confidence::Likely,
                when: "the late segment carries no data, or the connection had ended with a reset",
            },
        ],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, no hook sees data that meets a TIME_WAIT socket or no socket. Only data that \
             meets a closing full socket is seen there; the rest shows in `OutRsts`, as `rstmon doctor` says.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::BrokenPipe, Symptom::EndOfStream],
        note: Some(
            "The peer's first write after the close succeeds; the error comes with a later one. A peer that reads sees \
             the end of the stream. Peers on other systems than Linux may report `ECONNRESET` instead.",
        ),
    },
    remedies: &[
        Remedy::act(
            "Find out who closed first and why: the tombstone names the process and the moment. A timeout, a finished \
             response, a deploy and an error path look the same on the wire.",
        ),
        Remedy::set(
            "Align the idle timeouts, so that the end that sends requests is the one that closes idle connections.",
            &SERVER_IDLE,
        ),
        Remedy::set("Let the peer retry, if the request is idempotent.", &RETRY),
        Remedy::act(
            "If this host is the client that hung up, nothing is wrong with the server. Look at the client's own timeout \
             and at the response time.",
        ),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests: this process did not read the discarded data. It may have read earlier parts \
                of the same request, so anything else must not be repeated blindly.",
        heartbeat: "Good when the close was an idle timeout: let the requesting end close first, with the shorter timeout.",
        short: "Good when both ends agree who closes: with `Connection: close` the end of the response is the end of the \
                connection and neither end writes after it.",
    }),
    see_also: &[Cause::KeepaliveRace, Cause::WroteToClosedPeer, Cause::ClosedWithUnreadData, Cause::ProcessExit],
};

pub(super) static KEEPALIVE_RACE: CauseEntry = CauseEntry {
    cause: Cause::KeepaliveRace,
    title: "A pooled connection was reused as it timed out",
    directions: Directions::Sent,
    // A wanted request failed although both ends were healthy, and configuration can prevent it.
    severity: Severity::Harmful,
    what_happened: "A connection sat idle until this host's keep-alive timeout closed it. At the same moment the peer \
                    took it out of its pool and sent a request. The request and the close crossed on the wire, and the \
                    request was answered with a reset. Both programs work as configured; their timeouts do not fit.",
    how_known: HowKnown {
        evidence: "As for `write_after_close`, and the tombstone shows that the connection had been idle before it was \
                   closed, and that the late data came soon after the close.",
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
    see_also: &[Cause::WriteAfterClose, Cause::ClosedWithUnreadData, Cause::WroteToClosedPeer],
};
