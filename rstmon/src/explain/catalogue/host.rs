//! Causes in which a process or the host itself was in trouble.

use super::{
    AFTER_FIN, CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom,
    settings::{DRAIN, KERNEL_MEMORY, RETRY, WORKER_TIMEOUT},
};
use crate::{
    explain::{
        cause::Cause,
        severity::{Confidence, Severity},
    },
    model::Role,
};

pub(super) static PROCESS_EXIT: CauseEntry = CauseEntry {
    cause: Cause::ProcessExit,
    title: "A process died and left work behind",
    directions: Directions::Sent,
    role: None,
    // Requests in progress were lost together with the process.
    severity: Severity::Harmful,
    what_happened: "A process on this host ended, by crash, kill or normal exit, and its connections had not come to an \
                    end. The kernel closed them for it: with a reset where data from the peer was unread or clients waited \
                    in the accept queue, else with a FIN. What a peer then still sends, such as the next request on an idle \
                    connection, is answered with a reset, too. A client that ends by itself or is stopped gently usually \
                    loses nothing that is wanted.",
    how_known: HowKnown {
        evidence: "The reset was sent while its owner was executing its own exit, or the tombstone of the connection says that \
                   the exit closed it. The signal is part of the evidence.",
        levels: &[Level {
            confidence: Confidence::Certain,
            when: "the owner was marked as exiting when it closed the connection",
        }],
        older_kernels: Some(
            "The exit flag of the process can be read on every kernel. What a peer sends to a connection that was left behind \
             is not seen before 6.10.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite, Symptom::BrokenPipe],
        cases: &[AFTER_FIN],
        note: Some(
            "The dead process reports nothing. Many resets of one process within a second are one death, not many.",
        ),
    },
    remedies: &[
        Remedy::act(
            "Find out why it ended: `journalctl` for the unit, `dmesg` for `Out of memory: Killed process`, a core dump, \
             the restart count of the container, its exit code (137 means killed, 139 a segmentation fault).",
        ),
        Remedy::set(
            "If a supervisor ended a worker that took too long or grew too large, compare its limit with the longest \
             request.",
            &WORKER_TIMEOUT,
        )
        .at(Role::Accepted),
        Remedy::set(
            "If it was a deploy or a restart: stop accepting, finish what is under way, then exit. \
             Take the instance out of the load balancer first.",
            &DRAIN,
        )
        .at(Role::Accepted),
        Remedy::act(
            "If it was the OOM killer or a memory limit: raise the limit or lower the load per instance. For a JVM, leave \
             room for more than the heap.",
        ),
        Remedy::set("Let clients retry idempotent requests on another instance.", &RETRY).at(Role::Accepted),
        Remedy::act("None where the client was meant to end: a script that had what it wanted, or Ctrl-C.")
            .at(Role::Opened),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests, on another instance. The dead process may have finished part of the work.",
        heartbeat: "Little help: peers notice sooner that the process has gone, but the request is not saved.",
        short: "Some help: draining is quicker when connections end by themselves.",
    }),
    see_also: &[Cause::ListenerClosed, Cause::ClosedWithUnreadData, Cause::Refused, Cause::MemoryPressure],
};

pub(super) static MEMORY_PRESSURE: CauseEntry = CauseEntry {
    cause: Cause::MemoryPressure,
    title: "The kernel ran out of memory for TCP",
    directions: Directions::Sent,
    role: None,
    // Undelivered data was thrown away, and every connection of the host is at risk.
    severity: Severity::Harmful,
    what_happened: "A connection was closed while the kernel was over its limit for TCP memory or for orphans, which are \
                    connections that no process owns any more but that still have data to deliver. To save memory the \
                    kernel reset it instead of delivering the rest.",
    how_known: HowKnown {
        evidence: "The kernel gives the reason `tcp_abort_on_memory`. Its own log says which limit it was: \
                   `out of memory -- consider tuning tcp_mem` or `too many orphaned sockets`.",
        levels: &[
            Level { confidence: Confidence::Certain, when: "the reason is `tcp_abort_on_memory`" },
            Level {
                confidence: Confidence::Likely,
                when: "the kernel gives no reason, and a socket that a process had closed was reset without `TCP_LINGER2`",
            },
        ],
        older_kernels: Some(
            "Before 6.12 the kernel gives no usable reason. `TCPAbortOnMemory` in `nstat -az` counts these, and the kernel \
             log has the messages above.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[AFTER_FIN],
        note: Some("The process here had already closed. Its peer misses the end of the answer."),
    },
    remedies: &[
        Remedy::act(
            "Look at what holds the memory: `cat /proc/net/sockstat`, then `ss -tmn` for sockets with full queues. Slow or \
             dead receivers and processes that do not read are the usual holders.",
        ),
        Remedy::set("Raise the limit that was hit, if the host has the memory.", &KERNEL_MEMORY),
        Remedy::act(
            "Limit connections per client and the time that a slow client may take, before raising limits further.",
        ),
    ],
    classic: Some(ClassicRemedies {
        retry: "With care: retries add load to a host that is short of memory. Idempotent requests only, with back-off.",
        heartbeat: "Some help: it finds dead peers whose queues hold memory.",
        short: "Makes it worse when peers are slow: each close with undelivered data becomes an orphan.",
    }),
    see_also: &[Cause::ProcessExit, Cause::ListenerOverflow],
};
