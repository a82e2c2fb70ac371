//! Causes in which a process of this host ended the connection on purpose.

use super::{
    AFTER_FIN, CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom,
    settings::{CLIENT_IDLE, SESSION_IDLE},
};
use crate::{
    explain::{
        cause::Cause,
        severity::{Confidence, Severity},
    },
    model::Role,
};

pub(super) static IDLE_ABORT: CauseEntry = CauseEntry {
    cause: Cause::IdleAbort,
    title: "An idle connection was ended with an abort",
    directions: Directions::Sent,
    role: None,
    // The peer may find out only when it uses the connection again.
    severity: Severity::Notice,
    what_happened: "A connection had been idle when a process on this host ended it with an abort: with `SO_LINGER` set to \
                    zero seconds, or a negative `TCP_LINGER2`. Databases and proxies do this at their idle timeouts. \
                    The last request had been answered, so nothing was lost; a pool at the other end may still count on the \
                    connection.",
    how_known: HowKnown {
        evidence: "As for `linger_abort`, and the last payload was an answer of the accepting end, at least the keep-alive \
                   threshold before the abort.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the reason is `tcp_abort_on_linger`, or the socket was being closed with `SO_LINGER` set to 0",
            },
            Level { confidence: Confidence::Likely, when: "`TCP_LINGER2` is negative and the kernel gives no reason" },
        ],
        older_kernels: Some("The socket's linger setting can be read on every kernel and decides."),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite, Symptom::BrokenPipe],
        cases: &[AFTER_FIN],
        note: Some("A pool that does not watch its idle connections meets the reset with its next request."),
    },
    remedies: &[
        Remedy::set(
            "Compare the idle time in the evidence with the idle timeouts of the program that aborted: a round number is \
             the one that fired. Raise it, or leave it if the peer copes.",
            &SESSION_IDLE,
        ),
        Remedy::set("Let the client's pool give up idle connections before the server's timeout.", &CLIENT_IDLE)
            .at(Role::Accepted),
        Remedy::act("Let the pool on this host close its idle connections normally, so that the server sees a FIN.")
            .at(Role::Opened),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests: a request that meets the abort was not read.",
        heartbeat: "Good: a ping of the protocol below the idle timeout keeps the connection. TCP keep-alive probes do not \
                    count as use.",
        short: "Good where traffic is rare: no connection is idle for long.",
    }),
    see_also: &[Cause::LingerAbort, Cause::KeepaliveRace, Cause::PeerResetIdle],
};

pub(super) static LINGER_ABORT: CauseEntry = CauseEntry {
    cause: Cause::LingerAbort,
    title: "A deliberate abort with SO_LINGER 0",
    directions: Directions::Sent,
    role: None,
    // The program asked for it, so not harmful; but undelivered data is thrown away, so not benign in general.
    severity: Severity::Notice,
    what_happened: "A process on this host asked the kernel to abort instead of closing: it set `SO_LINGER` to zero seconds \
                    before `close`, or a negative `TCP_LINGER2`. The connection ended with a reset, and anything not yet \
                    delivered or read was thrown away. Programs do this to avoid TIME_WAIT or to get rid of a stuck peer. \
                    A connection without a request, and a client that has its answer, lose nothing: health checks end like \
                    this.",
    how_known: HowKnown {
        evidence: "A process closed a socket that has lingering enabled with a linger time of zero, or the kernel gives the \
                   reason `tcp_abort_on_linger`. That reason stands for `TCP_LINGER2`; `SO_LINGER` 0 shows as \
                   `tcp_state`, or as `tcp_abort_on_close` where data was unread.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the reason is `tcp_abort_on_linger`, or the socket was being closed with `SO_LINGER` set to 0",
            },
            Level {
                confidence: Confidence::Likely,
                when: "`TCP_LINGER2` is negative and the kernel gives no reason",
            },
        ],
        older_kernels: Some(
            "Before 6.12 the kernel gives no usable reason; the socket's linger setting can be read on every kernel and \
             decides.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[AFTER_FIN],
        note: Some("A peer that has sent everything and is about to close itself may not notice."),
    },
    remedies: &[
        Remedy::act("Leave it alone where it is meant: health checks (HAProxy, other load balancers), load generators.")
            .at(Role::Opened),
        Remedy::act(
            "Leave it alone where it is meant: servers that cut off a stuck client (nginx `reset_timedout_connection on`).",
        )
        .at(Role::Accepted),
        Remedy::act(
            "Otherwise remove the linger setting and close normally. Search the program for Java `setSoLinger(true, 0)`, \
             Go `SetLinger(0)`, Node `resetAndDestroy()`, Python or C `SO_LINGER`, HAProxy `option nolinger`.",
        ),
        Remedy::act(
            "If it was meant to save TIME_WAIT sockets: reuse connections, or let the other end close first. A client that \
             runs out of ports can widen `net.ipv4.ip_local_port_range`.",
        ),
    ],
    classic: None,
    see_also: &[Cause::IdleAbort, Cause::GaveUpWaiting, Cause::ClosedWithUnreadData, Cause::PeerReset, Cause::Disconnect],
};

pub(super) static DISCONNECT: CauseEntry = CauseEntry {
    cause: Cause::Disconnect,
    title: "The program disconnected its socket",
    directions: Directions::Sent,
    role: None,
    // An explicit and rare choice of the program.
    severity: Severity::Notice,
    what_happened: "A process on this host dissolved the connection but kept the socket, with `connect` to `AF_UNSPEC`. \
                    The kernel ended the old connection with a reset. Few programs do this: some reuse one socket for \
                    several connections, some are tests.",
    how_known: HowKnown {
        evidence: "The kernel gives the reason `tcp_disconnect_with_data`, when a connection that was closing still had \
                   data to send; from other states the reason is `tcp_state`, without lingering.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the reason is `tcp_disconnect_with_data`, or it is `tcp_state` in a call that does not close the socket",
            },
            Level {
                confidence: Confidence::Likely,
                when: "the socket had been shut down both ways before, or the kernel gives no reason",
            },
        ],
        older_kernels: Some(
            "Before 6.12 the kernel gives no usable reason: what is left after the other rules is a guess.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[AFTER_FIN],
        note: None,
    },
    remedies: &[
        Remedy::act(
            "If it is not meant, find the `connect` with `AF_UNSPEC` in the program and close the socket instead.",
        ),
        Remedy::act("If it is meant, shut the connection down and wait for the peer's close before disconnecting."),
    ],
    classic: None,
    see_also: &[Cause::LingerAbort, Cause::Killed],
};

pub(super) static KILLED: CauseEntry = CauseEntry {
    cause: Cause::Killed,
    title: "Another process destroyed the socket",
    directions: Directions::Sent,
    role: None,
    // An administrative act: an administrator or an agent wanted it, but the owner did not.
    severity: Severity::Notice,
    what_happened: "A process that is not the owner destroyed this connection through the kernel's socket diagnostics, as \
                    `ss -K` does. Network agents do it too, to move clients off a backend that is gone or to cut off a \
                    connection that a new policy forbids.",
    how_known: HowKnown {
        evidence: "The kernel sent the reset in the context of a process, the socket was still in use and had not been \
                   closed; or its listener was destroyed before the connection was accepted.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the reason is `tcp_state`, a process held the socket with its state unchanged, and it was not the owner",
            },
            Level {
                confidence: Confidence::Likely,
                when: "the owner itself was executing, or the kernel gives no reason",
            },
        ],
        older_kernels: Some("The kernel's reason is `tcp_state` or none; the unchanged state decides on every kernel."),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Aborted],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[AFTER_FIN],
        note: Some(
            "`ECONNABORTED` on a connected socket is rare on Linux otherwise: it is a strong hint at this cause.",
        ),
    },
    remedies: &[
        Remedy::act(
            "Find out who destroys sockets on this host: an administrator's `ss -K`, a network plug-in such as Cilium, \
              a VPN or firewall agent, a script that rotates connections.",
        ),
        Remedy::act(
            "If an agent does this when backends are replaced, drain them first, so that no connection is left to destroy.",
        ),
        Remedy::act("Let the application treat `ECONNABORTED` as a lost connection, and connect again."),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests: the connection was cut at an arbitrary point.",
        heartbeat: "No help: the agent does not ask how busy or idle the connection is.",
        short: "Little help: fewer connections are open at the moment of the cut.",
    }),
    see_also: &[Cause::Disconnect, Cause::ProcessExit],
};
