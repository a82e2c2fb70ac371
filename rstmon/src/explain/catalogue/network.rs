//! Causes in which the path between the ends, or one of the ends, lost the state of the connection.

use super::{
    AFTER_FIN, CauseEntry, ClassicRemedies, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom,
    settings::{CONNECTION_TRACKING, HEARTBEAT, PATH_IDLE, SESSION_IDLE},
};
use crate::{
    explain::{
        cause::Cause,
        severity::{Confidence, Severity},
    },
    model::Role,
};

pub(super) static PEER_RESET_IDLE: CauseEntry = CauseEntry {
    cause: Cause::PeerResetIdle,
    title: "A reset after a long silence",
    directions: Directions::Received,
    role: None,
    // The first request after the pause fails, and it fails again after every pause until something is changed.
    severity: Severity::Harmful,
    what_happened: "A connection was silent for a long time and then turned out to be gone: the first segment after the \
                    pause was answered with a reset, or the reset came out of the silence by itself. The peer, or a \
                    firewall, NAT or load balancer in between, had forgotten the connection.",
    how_known: HowKnown {
        evidence: "The reset ended a silence longer than the idle threshold: since the peer was last heard where own payload \
                   is unacknowledged, else since payload went either way. No answer that the peer still owed explains the \
                   silence. Idle times that cluster at a round number (60 s, 240 s, 350 s, 600 s, 900 s, 3600 s) are a \
                   configured limit.",
        levels: &[Level {
            confidence: Confidence::Likely,
            when: "the silence is measured, above the threshold, and nothing was being retransmitted",
        }],
        older_kernels: None,
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[AFTER_FIN],
        note: Some(
            "When a middlebox sent the reset, the peer's application may get one too, or may keep a connection that no \
             longer works until its own keep-alive gives up.",
        ),
    },
    remedies: &[
        Remedy::set(
            "Send a heartbeat more often than the shortest idle limit on the path: TCP keep-alive, or better a ping of the \
             protocol itself, which also proves that the peer's application is alive.",
            &HEARTBEAT,
        ),
        Remedy::set("Find the shortest idle limit on the path and, where possible, raise it.", &PATH_IDLE),
        Remedy::set(
            "If the peer's own program ends idle sessions, compare the silence with its timeout.",
            &SESSION_IDLE,
        ),
        Remedy::act("Retire pooled connections before that limit, or validate them before use.").at(Role::Opened),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests: the forgotten connection delivered nothing, but the client cannot be sure of \
                that.",
        heartbeat: "The best answer: a heartbeat below the idle limit keeps the path's memory fresh.",
        short: "Good where traffic is rare: a connection that is opened for each request never grows old.",
    }),
    see_also: &[Cause::IdleTimeout, Cause::IdleAbort, Cause::RequestReset, Cause::UnknownConnection],
};

pub(super) static UNKNOWN_CONNECTION: CauseEntry = CauseEntry {
    cause: Cause::UnknownConnection,
    title: "A segment for a connection unknown here",
    directions: Directions::Sent,
    role: None,
    // Single ones are stragglers and port scans. A burst means a failover or a reboot, and it passes.
    severity: Severity::Notice,
    what_happened: "A segment arrived that belongs to no connection this host knows, and it was not an attempt to open \
                    one. The peer believes in a connection that is not here: this host rebooted, a load balancer or an \
                    address moved it here, or a firewall lost its state. The kernel can only answer with a reset.",
    how_known: HowKnown {
        evidence: "The kernel gives the reason `no_socket` for a segment that is not a SYN. No tombstone matches, so no \
                   process here has closed such a connection lately; or the tombstone says that this host gave the \
                   connection up without a word, after a timeout.",
        levels: &[
            Level { confidence: Confidence::Certain, when: "this host gave the connection up, without FIN or reset" },
            Level {
                confidence: Confidence::Likely,
                when: "no tombstone matches; one may have been evicted, or the close came before rstmon started",
            },
        ],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, no hook sees a segment without a socket: this cause is not seen.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[],
        note: None,
    },
    remedies: &[
        Remedy::act(
            "Compare with the time of a reboot, a failover, a deploy of the load balancer or a move of an address. If it \
             fits and has passed, nothing is left to do.",
        ),
        Remedy::act(
            "If it goes on, look at the load balancer: segments of one connection must reach one backend. Check its \
             stickiness, its draining time and, in Kubernetes, stale conntrack entries after pods were replaced.",
        ),
        Remedy::set(
            "Check conntrack on this host and on the path: a full table (`nf_conntrack: table full, dropping packet` in \
             the kernel log), or segments judged invalid and so passed on without address translation, which \
             `net.netfilter.nf_conntrack_tcp_be_liberal=1` prevents.",
            &CONNECTION_TRACKING,
        ),
        Remedy::set("Keep idle connections known to the path, or end them before it forgets them.", &PATH_IDLE),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests: a fresh connection reaches a host that knows it.",
        heartbeat: "Good against forgetful middleboxes, and it finds a lost connection before a request does. No help \
                    against failover.",
        short: "Good: fewer open connections means fewer to lose at a failover.",
    }),
    see_also: &[Cause::PeerResetIdle, Cause::PortScan, Cause::WriteAfterClose, Cause::Refused],
};

pub(super) static CUT_ON_THE_PATH: CauseEntry = CauseEntry {
    cause: Cause::CutOnThePath,
    title: "The peer did not send its reset",
    directions: Directions::Both,
    role: None,
    // A working connection was cut by a third party, and neither program can know it.
    severity: Severity::Harmful,
    what_happened: "A reset had ended the connection here, in the peer's name, but the peer did not send it: it wrote on \
                    afterwards, as if nothing had happened. Something between the ends cut the connection: a firewall, an \
                    intrusion prevention system, a load balancer, a censor, or an attacker who knew the sequence numbers. \
                    The peer's payload then met no connection and was answered with a reset of this host.",
    how_known: HowKnown {
        evidence: "The tombstone records that a received reset ended the connection. Payload at or after the sequence number \
                   of that reset arrived, and was written after it: its timestamp is later than the peer's clock at the \
                   reset or, without timestamps, it came more than a second later. A socket that had sent the reset \
                   retransmits nothing.",
        levels: &[Level {
            confidence: Confidence::Certain,
            when: "the peer wrote payload after the reset that it seemed to send",
        }],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, no hook sees a segment without a socket: this cause is not \
             seen.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[],
        note: Some("Both programs see a reset by the other one, and neither of them sent it."),
    },
    remedies: &[
        Remedy::act(
            "Look for what inspects or limits traffic between the two hosts: firewalls, intrusion prevention, VPN gateways, \
             load balancers, DDoS protection. Their logs have the connection at this second.",
        ),
        Remedy::act(
            "Capture at both ends: `tcpdump -ni any 'tcp[tcpflags] & tcp-rst != 0'`. A reset that arrives and was not sent, \
             with another TTL than the peer's segments, comes from in between.",
        ),
        Remedy::act("Where the path cannot be trusted, use a VPN, or QUIC, which cannot be reset by a third party."),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests, if the box does not cut each of them.",
        heartbeat: "Good where the box cuts idle connections; no help where it cuts what it does not like.",
        short: "Little help: a short connection can be cut as well.",
    }),
    see_also: &[Cause::AlreadyReset, Cause::PeerReset, Cause::RequestReset],
};

pub(super) static IDLE_TIMEOUT: CauseEntry = CauseEntry {
    cause: Cause::IdleTimeout,
    title: "Our keep-alive gave up on a silent peer",
    directions: Directions::Sent,
    role: None,
    // Keep-alive found a dead connection, as it should. The loss happened earlier and elsewhere.
    severity: Severity::Notice,
    what_happened: "TCP keep-alive probes from this host went unanswered until the kernel gave the connection up. The \
                    peer vanished without a word (power, sleep, network), or a firewall on the path forgot the \
                    connection and drops its segments silently.",
    how_known: HowKnown {
        evidence: "The kernel gives the reason `tcp_keepalive_timeout`. The evidence shows how long the peer had been \
                   silent and how many probes it did not answer.",
        levels: &[
            Level { confidence: Confidence::Certain, when: "the reason is `tcp_keepalive_timeout`" },
            Level {
                confidence: Confidence::Likely,
                when: "the kernel gives no reason, but the reset was sent by a timer and not by a process",
            },
        ],
        older_kernels: Some(
            "Before 6.12 the kernel gives no usable reason; the timer context decides. A connection that gives up on \
             unacknowledged data (`TCP_USER_TIMEOUT`, `tcp_retries2`) sends no reset on any kernel and is not counted.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::TimedOut],
        receiver: &[Symptom::Nothing, Symptom::ResetOnRead],
        cases: &[],
        note: Some("The peer usually never sees the reset, since it saw none of the probes either."),
    },
    remedies: &[
        Remedy::set("Find the idle limit on the path: probes must be more frequent than that.", &PATH_IDLE),
        Remedy::set(
            "Start the probes earlier. With the default of two hours most firewalls have long forgotten the connection.",
            &HEARTBEAT,
        ),
        Remedy::act("If the peers are laptops or phones, this is normal: they sleep and change networks."),
        Remedy::act("Let the application treat this error as a lost connection, and connect again."),
    ],
    classic: Some(ClassicRemedies {
        retry: "Good for idempotent requests: a request that was waiting for its answer has probably not been answered, but \
                may have been carried out.",
        heartbeat: "The best answer, if probes are more frequent than the path's idle limit. It already found the dead \
                    connection here; a shorter interval would have kept it alive.",
        short: "Good where traffic is rare.",
    }),
    see_also: &[Cause::PeerResetIdle, Cause::UnknownConnection],
};
