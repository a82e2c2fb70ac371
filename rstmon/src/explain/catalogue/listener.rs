//! Causes around a listening socket: there is none, it is full, or it went away.

use super::{
    CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom,
    settings::{BACKLOG, DRAIN},
};
use crate::explain::{
    cause::Cause,
    severity::{Confidence, Severity},
};

pub(super) static REFUSED: CauseEntry = CauseEntry {
    cause: Cause::Refused,
    title: "Nothing listens on the port",
    directions: Directions::Both,
    role: None,
    // Nothing that existed was lost. Probes and port scans cause many; a service that should be there is the exception.
    severity: Severity::Notice,
    what_happened: "A connection attempt reached a host where nothing listens on that port and address. The kernel answers \
                    such an attempt at once with a reset. The service is not running, not yet ready, listens on another \
                    port or address, or the caller has the wrong target.",
    how_known: HowKnown {
        evidence: "Sent: a SYN without ACK met no socket. Received: the reset arrived while this host's connection attempt \
                   was in SYN_SENT.",
        levels: &[Level {
            confidence: Confidence::Certain,
            when: "the kernel reports the SYN, or the state was SYN_SENT",
        }],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, no hook sees a segment without a socket: refusals sent by this host are not seen, \
             refusals received are.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::Refused],
        cases: &[],
        note: Some(
            "A firewall that rejects with `tcp-reset` looks the same to the caller, but then the target's rstmon shows \
             nothing. Where the target is on this host and its listener lives, the sentence says so.",
        ),
    },
    remedies: &[
        Remedy::act(
            "Start the service, or find out why it stopped: `ss -ltnp` shows what listens, and on which address.",
        ),
        Remedy::act(
            "If the service is there and listens, look for a firewall rule that rejects: `nft list ruleset`, `iptables-save`, \
             a ban list, a network policy.",
        ),
        Remedy::act(
            "Check the target's port and address. A service bound to 127.0.0.1 or ::1 refuses callers from outside; \
             `localhost` may resolve to ::1 while the service listens on IPv4 only.",
        ),
        Remedy::act(
            "If it happens at deploys: let the new instance listen before it gets traffic (readiness probe, start order), \
             and keep the old one until then.",
        ),
        Remedy::act("Let callers retry with back-off while a service starts."),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good, even for requests that are not idempotent: no connection was made, so nothing was delivered. Use \
                back-off and a limit.",
        heartbeat: "No help: there is no connection yet.",
        short: "Makes it more visible: every request needs a listener at that moment, where a long connection would not.",
    }),
    see_also: &[Cause::ListenerClosed, Cause::ListenerOverflow, Cause::UnknownConnection],
};

pub(super) static LISTENER_OVERFLOW: CauseEntry = CauseEntry {
    cause: Cause::ListenerOverflow,
    title: "The accept queue was full",
    directions: Directions::Sent,
    role: None,
    // Clients that the service should have served were turned away.
    severity: Severity::Harmful,
    what_happened: "Connections arrived faster than the process accepted them, until its accept queue was full. The \
                    process is over its capacity, stalled (garbage collection, a lock, a slow dependency), or its queue \
                    is too short for a burst. With `net.ipv4.tcp_abort_on_overflow=1` the kernel resets the connection \
                    at once. With the default of 0 it drops silently, and a reset can follow when the client, which \
                    believes it is connected, sends its request to a listener that knows nothing of it.",
    how_known: HowKnown {
        evidence: "A segment without SYN reached a listening socket that could not take it, and the socket's queue length \
                   and limit are read at that moment. On kernels with reasons the direct reset has `invalid_syn`, the \
                   later one `tcp_flags`.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the reason is `invalid_syn`, the segment has no SYN, and the queue is over its limit",
            },
            Level {
                confidence: Confidence::Likely,
                when: "an ACK reached the listener without a handshake while its queue was full, or had been a moment before",
            },
        ],
        older_kernels: Some(
            "Without reasons, the full queue of the listening socket decides. Where nothing is reset at all, \
             `ListenOverflows` is the only trace: rstmon exports it and `rstmon why` shows it.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[],
        note: Some(
            "The client has finished its handshake, so its `connect` succeeded: it gets `Connection reset`, not \
             `Connection refused`. The server's application never learns of it. Without a reset the client waits until \
             its own timeout.",
        ),
    },
    remedies: &[
        Remedy::act(
            "Find out why the process does not accept: `ss -ltn` shows queue (`Recv-Q`) and limit (`Send-Q`). Look for \
             long garbage collections, CPU throttling by a cgroup limit, exhausted worker threads or file descriptors, a \
             slow dependency.",
        ),
        Remedy::act("Add capacity: more workers, acceptors or instances, or less work per request."),
        Remedy::set(
            "Make the queue long enough for a burst. It hides a short stall; it does not cure an overload.",
            &BACKLOG,
        ),
        Remedy::act(
            "Leave `net.ipv4.tcp_abort_on_overflow` at 0 unless clients must fail fast: with 0 a burst shorter than the \
             client's retransmissions passes unnoticed.",
        ),
    ],
    classic: Some(ClassicRemedies {
        retry: "With care: retries at once make the overload worse. Idempotent requests only, with growing and randomised \
                back-off.",
        heartbeat: "The best of the three: connections that are kept open and reused do not need to be accepted again.",
        short: "Makes it worse: every request passes through the accept queue.",
    }),
    see_also: &[Cause::ListenerClosed, Cause::Refused, Cause::PeerReset, Cause::MemoryPressure],
};

pub(super) static LISTENER_CLOSED: CauseEntry = CauseEntry {
    cause: Cause::ListenerClosed,
    title: "A listener closed with clients waiting",
    directions: Directions::Sent,
    role: None,
    // These clients were connected and may have sent their requests, and none of that was served.
    severity: Severity::Harmful,
    what_happened: "A listening socket was closed, or its process ended, while connections were still waiting to be \
                    accepted. The kernel had completed their handshakes, so the clients believed they were connected. All \
                    of them were reset at once. This happens when a server stops without draining, or died while it was \
                    behind with accepting.",
    how_known: HowKnown {
        evidence: "The reset was sent for a connection that no process had ever accepted, at a moment when a listening \
                   socket was being closed. Lingering and memory are ruled out.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the reason is `tcp_state` and the socket never belonged to a process",
            },
            Level {
                confidence: Confidence::Likely,
                when: "the kernel gives no reason, and the socket never belonged to a process",
            },
        ],
        older_kernels: Some(
            "Before 6.12 the kernel gives no usable reason; that no process had accepted the socket decides.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[],
        note: Some(
            "The clients' requests were never read. The next clients get `Connection refused` until a process listens again.",
        ),
    },
    remedies: &[
        Remedy::set(
            "Drain before stopping: take the instance out of the load balancer, go on accepting until no new connections \
             come, then close the listener.",
            &DRAIN,
        ),
        Remedy::act(
            "Hand the listening socket over instead of closing it: systemd socket activation, `SO_REUSEPORT` with \
             `net.ipv4.tcp_migrate_req=1` (Linux 5.14 and later), or a reload that inherits the socket (nginx, HAProxy, \
             Envoy).",
        ),
        Remedy::act(
            "If the process died, find out why: see `process_exit`. If it was slow to accept, see `listener_overflow`.",
        ),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good, on another instance: the application never read these requests. The client cannot know that, so it \
                should still repeat only what is idempotent.",
        heartbeat: "Some help: connections that were accepted long ago are drained by the application, not lost in the \
                    queue.",
        short: "Makes it worse: more connections wait in the queue at any moment.",
    }),
    see_also: &[Cause::ProcessExit, Cause::ListenerOverflow, Cause::Refused],
};
