//! Causes in which a segment came for a connection that had ended here, and the end explains it.

use super::{
    CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom,
    settings::{ANSWER_TIMEOUT, REQUEST_TIMEOUT},
};
use crate::{
    explain::{
        cause::Cause,
        severity::{Confidence, Severity},
    },
    model::Role,
};

pub(super) static GAVE_UP_WAITING: CauseEntry = CauseEntry {
    cause: Cause::GaveUpWaiting,
    title: "A client here stopped waiting for the answer",
    directions: Directions::Sent,
    role: Some(Role::Opened),
    // The program decided to stop. Whether its limit is too short or the server too slow, the reset itself is harmless.
    severity: Severity::Notice,
    what_happened: "A process on this host had opened the connection, sent a request, and waited. Before the answer came \
                    it hung up: its own time limit passed, or the user cancelled. When the answer arrived afterwards, \
                    the kernel could only answer it with a reset. The same happens to a connection attempt that was \
                    given up before the server's SYN-ACK arrived, and to an idle wait that ends with an abort.",
    how_known: HowKnown {
        evidence: "This end had opened the connection and spoken last. The process closed or aborted it, and it had waited \
                   for a while, or more than 64 bytes came afterwards.",
        levels: &[Level {
            confidence: Confidence::Likely,
            when: "an answer was owed at the close, and the wait or the late payload fits a time limit",
        }],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, an answer that meets a TIME_WAIT socket or no socket is not \
             seen; an abort is seen everywhere.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::OwnTimeout, Symptom::Nothing],
        receiver: &[Symptom::BrokenPipe, Symptom::EndOfStream],
        cases: &[],
        note: Some(
            "The server sees that its client has gone; nginx logs status 499. After an abort it sees `Connection reset` \
             instead. The process here logs its own limit, not a reset.",
        ),
    },
    remedies: &[
        Remedy::set(
            "Compare the time that the process waited, which the evidence names, with its configured limit. Raise the limit \
             where the answer is worth waiting for.",
            &ANSWER_TIMEOUT,
        )
        .at(Role::Opened),
        Remedy::act("Find out why the server took that long: its own log has the request, and its time of answer.")
            .at(Role::Opened),
        Remedy::act(
            "Keep the limits along a chain in order: each caller must wait longer than the service that it calls, retries \
             included.",
        )
        .at(Role::Opened),
    ],
    classic: Some(ClassicRemedies {
        retry: "With care: the server may have done the work, and it is slow already. Idempotent requests only, with \
                back-off and a limit on the total.",
        heartbeat: "No help: the connection was waiting, not idle. A server that streams progress keeps a client waiting.",
        short: "No help: the wait is for the answer, not for the connection.",
    }),
    see_also: &[Cause::PeerAborted, Cause::WriteAfterClose, Cause::RequestReset],
};

pub(super) static REQUEST_TIMED_OUT: CauseEntry = CauseEntry {
    cause: Cause::RequestTimeout,
    title: "A server here stopped waiting for a request",
    directions: Directions::Sent,
    role: Some(Role::Accepted),
    // The client was slow, or never meant to send: an abandoned preconnect costs nothing, a slow upload is lost.
    severity: Severity::Notice,
    what_happened: "A process on this host accepted a connection and closed it before a whole request had arrived, usually \
                    because its time limit for a request passed. More of the request came after the close and was answered \
                    with a reset. Slow clients, uploads over bad links, connections that were opened in advance, and a \
                    process that rejects early look like this.",
    how_known: HowKnown {
        evidence: "This end had accepted the connection and owed an answer, or nothing had arrived at all. The process \
                   closed it, and payload arrived afterwards.",
        levels: &[
            Level { confidence: Confidence::Likely, when: "the close came before any answer to what had arrived" },
            Level {
                confidence: Confidence::Guess,
                when: "more than 4096 bytes had arrived without an answer: it may be a stream in one direction only",
            },
        ],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, payload that meets a TIME_WAIT socket or no socket is not \
             seen.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::OwnTimeout, Symptom::Nothing],
        receiver: &[Symptom::BrokenPipe, Symptom::EndOfStream],
        cases: &[],
        note: Some("An HTTP server may send status 408 before it closes; a client that is still writing may miss it."),
    },
    remedies: &[
        Remedy::set(
            "Compare the age of the connection at the close with the server's limit for a request. Raise it where slow \
             clients are wanted.",
            &REQUEST_TIMEOUT,
        )
        .at(Role::Accepted),
        Remedy::act(
            "If the clients opened connections in advance, let them open fewer, or send the request before the server's \
             limit.",
        )
        .at(Role::Accepted),
        Remedy::act(
            "If the process closes because of what arrived (size, credentials, syntax), let it answer first and read the \
             rest, as for `closed_with_unread_data`.",
        )
        .at(Role::Accepted),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests: the request was not answered. A slow link will be slow again.",
        heartbeat: "No help: the server waits for a request, not for a sign of life.",
        short: "Little help: it removes connections that are opened in advance and never used.",
    }),
    see_also: &[Cause::ClosedWithUnreadData, Cause::WriteAfterClose, Cause::KeepaliveRace],
};

pub(super) static LATE_GOODBYE: CauseEntry = CauseEntry {
    cause: Cause::LateGoodbye,
    title: "The peer's farewell came after the close",
    directions: Directions::Sent,
    role: None,
    // Neither end waits for it, and nothing was lost.
    severity: Severity::Benign,
    what_happened: "A process on this host closed the connection, and the peer's last word arrived a moment later: its FIN, \
                    or a few bytes of farewell such as a TLS close_notify. No process was left to read it, so the kernel \
                    answered with a reset. Both programs had finished.",
    how_known: HowKnown {
        evidence: "The late segment carries no payload, or at most 64 bytes within a second of the close.",
        levels: &[
            Level { confidence: Confidence::Certain, when: "the segment carries the peer's FIN and no payload" },
            Level {
                confidence: Confidence::Likely,
                when: "the segment has at most 64 bytes, or neither payload nor FIN",
            },
        ],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, segments that meet a TIME_WAIT socket or no socket are not \
             seen.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::Nothing],
        cases: &[],
        note: Some("A peer that ignores errors of its farewell, as TLS libraries do, logs nothing."),
    },
    remedies: &[
        Remedy::act("None needed: both ends had finished."),
        Remedy::act(
            "If there are very many late FINs, TIME_WAIT may be full, so that the kernel forgets connections at once: compare \
             `TCPTimeWaitOverflow` of `nstat -az` and raise `net.ipv4.tcp_max_tw_buckets`.",
        ),
    ],
    classic: None,
    see_also: &[Cause::WriteAfterClose, Cause::KeepaliveRace, Cause::ResetWhileClosing],
};

pub(super) static ALREADY_RESET: CauseEntry = CauseEntry {
    cause: Cause::AlreadyReset,
    title: "An echo of an earlier reset",
    directions: Directions::Sent,
    role: None,
    // The first reset is the story, and it is counted under its own cause.
    severity: Severity::Benign,
    what_happened: "The connection had ended with a reset a moment before, and segments of the peer that were still under way \
                    arrived afterwards. The kernel answers each of them with another reset. They say nothing new: the first \
                    reset of the connection is the one to look at.",
    how_known: HowKnown {
        evidence: "The tombstone of the connection records that a reset ended it, sent or received, and the segment belongs to \
                   that connection by its sequence number.",
        levels: &[
            Level { confidence: Confidence::Certain, when: "this host had sent the first reset" },
            Level { confidence: Confidence::Likely, when: "this host had received it" },
        ],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, most echoes are not seen, because they meet no socket.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::Nothing],
        cases: &[],
        note: Some("The peer has usually met the first reset already."),
    },
    remedies: &[Remedy::act("None for this one: look for the first reset of the same connection, a moment earlier.")],
    classic: None,
    see_also: &[Cause::LateGoodbye, Cause::WriteAfterClose, Cause::CutOnThePath],
};
