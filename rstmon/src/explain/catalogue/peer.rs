//! Causes in which the peer ended a connection that this host still had.

use super::{
    AFTER_FIN, CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom,
    settings::{ANSWER_TIMEOUT, CLIENT_IDLE, PATH_IDLE, RETRY, SERVER_IDLE, SERVER_LIMITS, UNREAD_BODY},
};
use crate::{
    explain::{
        cause::Cause,
        severity::{Confidence, Severity},
    },
    model::Role,
};

pub(super) static PEER_ABORTED: CauseEntry = CauseEntry {
    cause: Cause::PeerAborted,
    title: "The client gave up before it had its answer",
    directions: Directions::Received,
    role: Some(Role::Accepted),
    // Usually a user pressed stop. It needs attention when it grows with the response time.
    severity: Severity::Notice,
    what_happened: "The peer had opened the connection, and reset it while this host was sending to it or still owed an \
                    answer. Most often a user pressed stop, reloaded or left the page, or a client ran into its own timeout. \
                    A client that crashed looks the same.",
    how_known: HowKnown {
        evidence: "The reset arrived while this end, which had accepted the connection, had bytes that were unsent or not yet \
                   acknowledged, or owed an answer. The close may have been under way here already.",
        levels: &[
            Level { confidence: Confidence::Likely, when: "data was in flight or an answer was owed when the reset arrived" },
            Level {
                confidence: Confidence::Guess,
                when: "data was in flight, and rstmon does not know which end opened the connection",
            },
        ],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::OwnTimeout, Symptom::Nothing],
        receiver: &[Symptom::ResetOnWrite, Symptom::ResetOnRead, Symptom::BrokenPipe],
        cases: &[AFTER_FIN],
        note: Some("nginx logs such requests with status 499. Tomcat throws `ClientAbortException`."),
    },
    remedies: &[
        Remedy::act(
            "Usually none: a cancelled request is harmless. Log it below error level, and let the handler stop working for \
             a client that has gone.",
        )
        .at(Role::Accepted),
        Remedy::set(
            "If it is frequent, compare the response time with the client's timeout: when resets cluster at one age of the \
             connection, that age is a configured timeout. Make the response faster or the timeout longer.",
            &ANSWER_TIMEOUT,
        )
        .at(Role::Accepted),
        Remedy::act(
            "Behind a proxy, decide whether a cancelled request should run on: nginx `proxy_ignore_client_abort`, \
             HAProxy `option abortonclose`.",
        )
        .at(Role::Accepted),
    ],
    classic: Some(ClassicRemedies {
        retry: "Nothing to retry on this side. On the client's side a retry after its own timeout multiplies the load: \
                idempotent requests only, with back-off.",
        heartbeat: "Little help: the connection was busy, not idle. Keep the timeouts along the chain aligned, so that the \
                    innermost one fires first.",
        short: "No help: the reset ends one request, whether or not another one would have followed.",
    }),
    see_also: &[Cause::WroteToClosedPeer, Cause::PeerReset, Cause::GaveUpWaiting, Cause::ClosedWithUnreadData],
};

pub(super) static REQUEST_RESET: CauseEntry = CauseEntry {
    cause: Cause::RequestReset,
    title: "A request was reset before its answer",
    directions: Directions::Received,
    role: Some(Role::Opened),
    // The request failed, and the client cannot know how much of it was carried out.
    severity: Severity::Harmful,
    what_happened: "A process on this host had opened the connection and sent a request. Before the answer was complete the \
                    reset came. The server rejected the request early and closed without reading the rest, its process died, \
                    or it, or a firewall or NAT on the path, no longer knew the connection.",
    how_known: HowKnown {
        evidence: "The reset arrived while this end, which had opened the connection, had bytes that were unsent or not yet \
                   acknowledged, or waited for an answer. Unread received bytes are an early answer. A long time since the \
                   previous answer means that the connection had been quiet, and may have been forgotten.",
        levels: &[Level {
            confidence: Confidence::Likely,
            when: "a request was under way or unanswered; why the peer reset it is known at its end only",
        }],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite, Symptom::BrokenPipe],
        cases: &[AFTER_FIN],
        note: Some("The end that sent the reset may be a machine on the path that no application belongs to."),
    },
    remedies: &[
        Remedy::set(
            "If an answer lies unread, the server rejected the request early: read its status (413, 401, 400) while the body \
             is being sent, use `Expect: 100-continue`, and look at the server's limits.",
            &SERVER_LIMITS,
        )
        .at(Role::Opened),
        Remedy::set(
            "Let the server read, or discard, the rest of a request that it rejects.",
            &UNREAD_BODY,
        )
        .at(Role::Opened),
        Remedy::set(
            "If the connection had been quiet before the request, something on the path forgot it: let the pool give up \
             idle connections earlier, and find the shortest idle limit of the path.",
            &PATH_IDLE,
        )
        .at(Role::Opened),
        Remedy::act(
            "Otherwise ask the server: rstmon on its host names the process and the cause, often \
             `closed_with_unread_data`, `process_exit` or `unknown_connection`. A ban by a firewall shows nothing there.",
        )
        .at(Role::Opened),
        Remedy::set("Retry idempotent requests on a fresh connection.", &RETRY).at(Role::Opened),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests only: the server may have done the work and failed to answer. A request that is \
                too large will be rejected again.",
        heartbeat: "Good where the connection had been quiet before; no help against an early rejection or a crash.",
        short: "Good where the connection had been quiet before: a fresh connection cannot have been forgotten.",
    }),
    see_also: &[Cause::PeerResetIdle, Cause::ClosedWithUnreadData, Cause::ProcessExit, Cause::UnknownConnection],
};

pub(super) static WROTE_TO_CLOSED_PEER: CauseEntry = CauseEntry {
    cause: Cause::WroteToClosedPeer,
    title: "We wrote on after the peer had closed",
    directions: Directions::Received,
    role: None,
    // What was written is lost, but the peer had announced that it would not read: often a client that had left.
    severity: Severity::Notice,
    what_happened: "The peer closed its end, and its FIN arrived here. The process here wrote regardless, and the peer's \
                    kernel answered with a reset, since no process was left to read. This is the other end of \
                    `write_after_close`, `keepalive_race` and `stale_connection`, and where `Broken pipe` comes from. At a \
                    client it means a lost request, which is harmful; a farewell of a few bytes is benign.",
    how_known: HowKnown {
        evidence: "This host had sent data after the peer's FIN, and the peer acknowledged none of it.",
        levels: &[Level { confidence: Confidence::Certain, when: "bytes were written after the peer's FIN, in vain" }],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::BrokenPipe, Symptom::EndOfStream],
        cases: &[],
        note: Some(
            "The first write after the peer's close succeeds. It is the next one that fails, which is why the log line \
             often points at harmless code.",
        ),
    },
    remedies: &[
        Remedy::set(
            "Let the client's pool drop idle connections before the server does.",
            &CLIENT_IDLE,
        )
        .at(Role::Opened),
        Remedy::act(
            "Read before writing: a read that reports the end of the stream means that the peer has closed. Take such a \
             connection out of the pool.",
        )
        .at(Role::Opened),
        Remedy::set("Or let the server keep idle connections longer than its clients do.", &SERVER_IDLE).at(Role::Opened),
        Remedy::set("Retry on a fresh connection, if the request is idempotent.", &RETRY).at(Role::Opened),
        Remedy::set(
            "Usually none: the client gave up before the answer (nginx logs 499). If it is frequent, compare the response \
             time with the client's timeout.",
            &ANSWER_TIMEOUT,
        )
        .at(Role::Accepted),
        Remedy::act(
            "Find out who closed first and why: rstmon on the peer's host shows this as `write_after_close`, \
             `keepalive_race`, `stale_connection` or `gave_up_waiting`, with the closing process.",
        ),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests, on a fresh connection. If the peer had read part of the request before it \
                closed, it may have acted on it.",
        heartbeat: "Good when the peer closed on an idle timeout: align the timeouts. An application heartbeat also makes \
                    this process read, so that it notices the close.",
        short: "Good: a connection that is not reused cannot be stale. It costs a handshake per request.",
    }),
    see_also: &[Cause::WriteAfterClose, Cause::KeepaliveRace, Cause::StaleConnection, Cause::PeerAborted],
};

pub(super) static PEER_RESET: CauseEntry = CauseEntry {
    cause: Cause::PeerReset,
    title: "The peer reset a live connection",
    directions: Directions::Received,
    role: None,
    // From this end a health check's deliberate abort and a crash look alike, and health checks are far more numerous.
    severity: Severity::Notice,
    what_happened: "The peer reset a connection that was neither idle for long nor carrying data of ours at that moment, and \
                    on which no answer was owed. It aborted on purpose, closed without reading everything, or died. A load \
                    balancer's health check that connects and resets at once also looks like this, and so does a client that \
                    opened a connection in advance and did not need it; before the first request it is benign.",
    how_known: HowKnown {
        evidence: "The reset arrived on a live connection, with nothing unsent or unacknowledged here, nothing owed, and no \
                   long silence before it. Why the peer did it is known only at its end.",
        levels: &[Level {
            confidence: Confidence::Likely,
            when: "nothing was in flight or owed; what made the peer reset is known at its end only",
        }],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[AFTER_FIN],
        note: Some(
            "The peer's application sees no error if it did this on purpose. If it died, its own log may end here.",
        ),
    },
    remedies: &[
        Remedy::act(
            "Ask the peer: rstmon on its host names the process and the cause, often `closed_with_unread_data`, \
             `linger_abort`, `idle_abort`, `process_exit` or `listener_overflow`. Without rstmon there, read the peer's log \
             for a crash, an OOM kill or a deploy at this second.",
        ),
        Remedy::act(
            "Look at the age of the reset connections. Milliseconds and no data: health checks, which need no remedy; a MySQL \
             server counts them against `max_connect_errors`. Always the same age: a timeout at the client or in between.",
        )
        .at(Role::Accepted),
        Remedy::act(
            "Look at the age of the reset connections. Milliseconds and no data: a full accept queue at the server. Always \
             the same age: a timeout at the server or in between.",
        )
        .at(Role::Opened),
        Remedy::set("Retry idempotent requests on a fresh connection.", &RETRY).at(Role::Opened),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests only: the peer may have done the work and failed to answer.",
        heartbeat: "Little help: the connection was not idle.",
        short: "Little help, unless the peer limits the age or the number of requests of a connection.",
    }),
    see_also: &[
        Cause::PeerAborted,
        Cause::RequestReset,
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
    role: None,
    // This end had finished sending, and all of it was delivered; the connection was about to go in any case.
    severity: Severity::Benign,
    what_happened: "This host had already begun to close the connection when the peer's reset arrived, and all that it had \
                    written was delivered. The connection would have ended a moment later anyway; the reset only shortened \
                    the farewell. Browsers, load balancers and clients that save on TIME_WAIT do this all day.",
    how_known: HowKnown {
        evidence: "The reset arrived in FIN_WAIT1, FIN_WAIT2, CLOSING or LAST_ACK, and nothing was unsent or unacknowledged.",
        levels: &[Level { confidence: Confidence::Certain, when: "the state is one of these, and nothing was lost" }],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::Nothing, Symptom::ResetOnRead],
        cases: &[],
        note: Some(
            "A process that has closed sees nothing. One that only stopped sending, with `shutdown(SHUT_WR)`, and still \
             reads sees `Connection reset`.",
        ),
    },
    remedies: &[Remedy::act(
        "None needed. Look closer only if a process here half-closes its connections and then misses answers.",
    )],
    classic: None,
    see_also: &[Cause::PeerReset, Cause::LateGoodbye, Cause::LingerAbort],
};
