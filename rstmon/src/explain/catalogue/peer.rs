//! Causes in which the peer ended a connection that this host still had.

use super::{
    CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom,
    settings::{CLIENT_IDLE, RETRY, SERVER_IDLE},
};
use crate::explain::{
    cause::Cause,
    severity::{Confidence, Severity},
};

pub(super) static PEER_ABORTED: CauseEntry = CauseEntry {
    cause: Cause::PeerAborted,
    title: "The peer gave up while we were sending",
    directions: Directions::Received,
    // Usually a user pressed stop. It needs attention when it grows with the response time.
    severity: Severity::Notice,
    what_happened: "The peer reset the connection while this host was still sending to it. Most often a user pressed \
                    stop, reloaded or left the page, or a client ran into its own timeout. A peer that crashed looks \
                    the same.",
    how_known: HowKnown {
        evidence: "The reset arrived on an established or half-closed connection, and this host had bytes that were \
                   unsent or not yet acknowledged.",
        levels: &[Level { confidence: Confidence::Likely, when: "data was in flight when the reset arrived" }],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnWrite, Symptom::ResetOnRead, Symptom::BrokenPipe],
        note: Some("nginx logs such requests with status 499. Tomcat throws `ClientAbortException`."),
    },
    remedies: &[
        Remedy::act(
            "Usually none: a cancelled request is harmless. Log it below error level, and let the handler stop working for \
             a client that has gone.",
        ),
        Remedy::act(
            "If it is frequent, compare the response time with the client's timeout: when resets cluster at one age of the \
             connection, that age is a configured timeout. Make the response faster or the timeout longer.",
        ),
        Remedy::act(
            "Behind a proxy, decide whether a cancelled request should run on: nginx `proxy_ignore_client_abort`, \
             HAProxy `option abortonclose`.",
        ),
    ],
    classic: Some(ClassicRemedies {
        retry: "Nothing to retry on this side. On the client's side a retry after its own timeout multiplies the load: \
                idempotent requests only, with back-off.",
        heartbeat: "Little help: the connection was busy, not idle. Keep the timeouts along the chain aligned, so that the \
                    innermost one fires first.",
        short: "No help: the reset ends one request, whether or not another one would have followed.",
    }),
    see_also: &[Cause::WroteToClosedPeer, Cause::PeerReset, Cause::ClosedWithUnreadData],
};

pub(super) static WROTE_TO_CLOSED_PEER: CauseEntry = CauseEntry {
    cause: Cause::WroteToClosedPeer,
    title: "We wrote on after the peer had closed",
    directions: Directions::Received,
    // What was written is lost, but the peer had announced that it would not read: often a client that had left.
    severity: Severity::Notice,
    what_happened: "The peer closed its end, and its FIN arrived here. The process here wrote regardless, and the peer's \
                    kernel answered with a reset, since no process was left to read. This is the other end of \
                    `write_after_close`, and where `Broken pipe` comes from.",
    how_known: HowKnown {
        evidence: "The reset arrived in CLOSE_WAIT, the state after the peer's FIN, and this host had sent data after \
                   that FIN.",
        levels: &[Level { confidence: Confidence::Certain, when: "bytes were written after the peer's FIN" }],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::BrokenPipe, Symptom::EndOfStream],
        note: Some(
            "The first write after the peer's close succeeds. It is the next one that fails, which is why the log line \
             often points at harmless code.",
        ),
    },
    remedies: &[
        Remedy::act(
            "Read before writing: a read that reports the end of the stream means that the peer has closed. Take such a \
             connection out of the pool.",
        ),
        Remedy::act(
            "Find out who closed first and why: rstmon on the peer's host shows this as `write_after_close` or \
             `keepalive_race`, with the closing process.",
        ),
        Remedy::set(
            "If this host is the client, let its pool drop idle connections before the server does.",
            &CLIENT_IDLE,
        ),
        Remedy::set("If this host is the server, keep idle connections longer than its clients do.", &SERVER_IDLE),
        Remedy::set("Retry on a fresh connection, if the request is idempotent.", &RETRY),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests, on a fresh connection. If the peer had read part of the request before it \
                closed, it may have acted on it.",
        heartbeat: "Good when the peer closed on an idle timeout: align the timeouts. An application heartbeat also makes \
                    this process read, so that it notices the close.",
        short: "Good: a connection that is not reused cannot be stale. It costs a handshake per request.",
    }),
    see_also: &[Cause::WriteAfterClose, Cause::KeepaliveRace, Cause::PeerAborted],
};

pub(super) static PEER_RESET: CauseEntry = CauseEntry {
    cause: Cause::PeerReset,
    title: "The peer reset a live connection",
    directions: Directions::Received,
    // From this end a health check's deliberate abort and a crash look alike, and health checks are far more numerous.
    severity: Severity::Notice,
    what_happened: "The peer reset a connection that was neither idle for long nor carrying data of ours at that moment. \
                    It aborted on purpose, closed without reading everything, or died. If the process here was waiting \
                    for a response, that response will not come. A load balancer's health check that connects and \
                    resets at once also looks like this.",
    how_known: HowKnown {
        evidence: "The reset arrived in ESTABLISHED, with nothing unsent or unacknowledged here and no long silence \
                   before it. Why the peer did it is known only at its end.",
        levels: &[Level {
            confidence: Confidence::Likely,
            when: "nothing was in flight; what made the peer reset is known at its end only",
        }],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        note: Some(
            "The peer's application sees no error if it did this on purpose. If it died, its own log may end here.",
        ),
    },
    remedies: &[
        Remedy::act(
            "Ask the peer: rstmon on its host names the process and the cause, often `closed_with_unread_data`, \
             `linger_abort`, `process_exit` or `listener_overflow`. Without rstmon there, read the peer's log for a crash, \
             an OOM kill or a deploy at this second.",
        ),
        Remedy::act(
            "Look at the age of the reset connections. Milliseconds and no data: health checks or a full accept queue. \
             Always the same age: a timeout at the peer or in between.",
        ),
        Remedy::set("Retry idempotent requests on a fresh connection.", &RETRY),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests only: the peer may have done the work and failed to answer.",
        heartbeat: "Little help: the connection was not idle.",
        short: "Little help, unless the peer limits the age or the number of requests of a connection.",
    }),
    see_also: &[
        Cause::PeerAborted,
        Cause::PeerResetIdle,
        Cause::ClosedWithUnreadData,
        Cause::LingerAbort,
        Cause::ListenerOverflow,
    ],
};

pub(super) static RESET_WHILE_CLOSING: CauseEntry = CauseEntry {
    cause: Cause::ResetWhileClosing,
    title: "A reset during a close under way",
    directions: Directions::Received,
    // This end had finished sending; the connection was about to go in any case.
    severity: Severity::Benign,
    what_happened: "This host had already begun to close the connection when the peer's reset arrived. The connection \
                    would have ended a moment later anyway; the reset only shortened the farewell. Browsers, load \
                    balancers and clients that save on TIME_WAIT do this all day.",
    how_known: HowKnown {
        evidence: "The reset arrived in FIN_WAIT1, FIN_WAIT2, CLOSING or LAST_ACK.",
        levels: &[Level { confidence: Confidence::Certain, when: "the state is one of these" }],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::Nothing, Symptom::ResetOnRead],
        note: Some(
            "A process that has closed sees nothing. One that only stopped sending, with `shutdown(SHUT_WR)`, and still \
             waits for the rest of an answer sees `Connection reset` and has lost that rest.",
        ),
    },
    remedies: &[Remedy::act(
        "None needed. Look closer only if a process here half-closes its connections and then misses answers.",
    )],
    classic: None,
    see_also: &[Cause::PeerReset, Cause::LingerAbort],
};
