//! Causes in which a process of this host ended the connection on purpose.

use super::{CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom};
use crate::explain::{
    cause::Cause,
    severity::{Confidence, Severity},
};

pub(super) static LINGER_ABORT: CauseEntry = CauseEntry {
    cause: Cause::LingerAbort,
    title: "A deliberate abort with SO_LINGER 0",
    directions: Directions::Sent,
    // The program asked for it, so not harmful; but undelivered data is thrown away, so not benign either.
    severity: Severity::Notice,
    what_happened: "A process on this host asked the kernel to abort instead of closing: it set `SO_LINGER` to zero seconds \
                    before `close`, or a negative `TCP_LINGER2`. The connection ended with a reset, and anything not yet \
                    delivered was thrown away. Programs do this to avoid TIME_WAIT or to get rid of a stuck peer.",
    how_known: HowKnown {
        evidence: "A process closed a socket that has lingering enabled with a linger time of zero, or the kernel gives the \
                   reason `tcp_abort_on_linger`. That reason stands for `TCP_LINGER2`; `SO_LINGER` 0 shows as \
                   `tcp_state`.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the reason is `tcp_abort_on_linger`, or the socket was being closed with `SO_LINGER` set to 0",
            },
            Level {
                confidence: Confidence::Likely,
                when: "`TCP_LINGER2` is negative and the kernel gives no reason, or data arrived at the same moment",
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
        note: Some("A peer that has sent everything and is about to close itself may not notice."),
    },
    remedies: &[
        Remedy::act(
            "Leave it alone where it is meant: health checks (HAProxy, other load balancers), load generators, and servers \
             that cut off a stuck client (nginx `reset_timedout_connection on`).",
        ),
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
    see_also: &[Cause::ClosedWithUnreadData, Cause::PeerReset, Cause::Disconnect],
};

pub(super) static DISCONNECT: CauseEntry = CauseEntry {
    cause: Cause::Disconnect,
    title: "The program disconnected its socket",
    directions: Directions::Sent,
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
    // An administrative act: an administrator or an agent wanted it, but the owner did not.
    severity: Severity::Notice,
    what_happened: "A process that is not the owner destroyed this connection through the kernel's socket diagnostics, as \
                    `ss -K` does. Network agents do it too, to move clients off a backend that is gone or to cut off a \
                    connection that a new policy forbids.",
    how_known: HowKnown {
        evidence: "The kernel sent the reset in the context of a process, the socket was still in use and had not been \
                   closed.",
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
