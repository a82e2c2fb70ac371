//! Causes on the level of the protocol, and the cause of resets that no rule explains.

use super::{CauseEntry, Directions, HowKnown, Level, ObservedSymptoms, Remedy, Symptom};
use crate::explain::{
    cause::Cause,
    severity::{Confidence, Severity},
};

pub(super) static PROTOCOL_VIOLATION: CauseEntry = CauseEntry {
    cause: Cause::ProtocolViolation,
    title: "A segment broke the rules of TCP",
    directions: Directions::Sent,
    role: None,
    // Nearly always scanners or a confused middlebox; rarely a connection that is missed.
    severity: Severity::Notice,
    what_happened: "A segment arrived that does not fit the connection or the listener it is addressed to: an \
                    acknowledgement of something never sent, impossible flags, a stale timestamp. The kernel answered with \
                    a reset. Port scanners send such segments on purpose. Otherwise something on the path rewrites or \
                    mixes up connections, or a peer restarted and reused its ports.",
    how_known: HowKnown {
        evidence: "The kernel names the rule that was broken: `tcp_invalid_ack_sequence`, `tcp_rfc7323_paws`, \
                   `tcp_too_old_ack`, `tcp_ack_unsent_data`, `tcp_flags`, `tcp_old_ack` or `invalid_syn`, where no other \
                   cause accounts for it. The reason is part of the evidence sentence.",
        levels: &[
            Level { confidence: Confidence::Certain, when: "the kernel gives one of these reasons" },
            Level {
                confidence: Confidence::Likely,
                when: "the kernel gives no reason, and the segment met a connection that was still being opened",
            },
        ],
        older_kernels: Some("Before 6.10 only the state of the socket and the flags of the segment are known."),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite],
        cases: &[],
        note: Some("A connection that this host is opening at that moment goes on and may still succeed."),
    },
    remedies: &[
        Remedy::act("Look at the remote addresses: many ports from one address is a scan, and needs no remedy here."),
        Remedy::act(
            "If the peers are your own, look for whatever rewrites TCP on the path: NAT that reuses ports too soon, a load \
             balancer that mixes up connections, address translation on only one of two routes.",
        ),
        Remedy::act(
            "For `tcp_rfc7323_paws`, suspect several hosts behind one NAT address whose timestamps differ, or a peer that \
             restarted.",
        ),
        Remedy::act(
            "Capture a few: `tcpdump -ni any 'tcp[tcpflags] & tcp-rst != 0'` shows the reset and, before it, the culprit.",
        ),
    ],
    classic: None,
    see_also: &[Cause::PortReuse, Cause::PortScan, Cause::UnknownConnection, Cause::Unexplained],
};

pub(super) static PORT_REUSE: CauseEntry = CauseEntry {
    cause: Cause::PortReuse,
    title: "A new connection met the remains of an old one",
    directions: Directions::Sent,
    role: None,
    // The old connection is cleared away by the reset, and the next attempt succeeds.
    severity: Severity::Benign,
    what_happened: "Two connections with the same addresses and ports followed each other quickly. A connection attempt of \
                    this host was answered with an acknowledgement of the old connection, which the peer still had; the \
                    reset clears it away, and the next SYN succeeds. Or a SYN of the peer met an old connection that was \
                    still closing here and had not timed out; that attempt is refused, and so are the next ones until it has.",
    how_known: HowKnown {
        evidence: "A segment without SYN met a connection attempt (SYN_SENT), with an acknowledgement or a timestamp of another \
                   connection; or a SYN met a socket in TIME_WAIT or FIN_WAIT2.",
        levels: &[
            Level { confidence: Confidence::Certain, when: "the kernel names the rule, or the segment is a SYN" },
            Level { confidence: Confidence::Likely, when: "the kernel gives no reason" },
        ],
        older_kernels: Some("Before 6.10 a SYN that meets a TIME_WAIT socket is not seen."),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::Nothing, Symptom::Refused],
        cases: &[],
        note: Some("The connection attempt takes a second longer, or fails with `Connection refused`."),
    },
    remedies: &[
        Remedy::act(
            "None for single ones. If they are frequent, a client, or NAT in between, uses too few ports: widen \
             `net.ipv4.ip_local_port_range`, add addresses, or keep connections.",
        ),
        Remedy::act(
            "Leave `net.ipv4.tcp_timestamps` at 1 at both ends: they let a new connection take over an old port.",
        ),
    ],
    classic: None,
    see_also: &[Cause::ProtocolViolation, Cause::Refused],
};

pub(super) static PORT_SCAN: CauseEntry = CauseEntry {
    cause: Cause::PortScan,
    title: "A segment that no connection makes",
    directions: Directions::Sent,
    role: None,
    // The scanner learns that the port is closed, and no connection was touched.
    severity: Severity::Benign,
    what_happened: "A segment arrived with flags that no connection ever sends: none at all (NULL scan), FIN without ACK (FIN \
                    scan), FIN, PSH and URG (Xmas scan), or SYN together with FIN. Port scanners send such segments because \
                    some firewalls let them pass. The kernel answered as for any closed port.",
    how_known: HowKnown {
        evidence: "The segment's flags, and that it met no socket.",
        levels: &[Level { confidence: Confidence::Certain, when: "no connection makes such a segment" }],
        older_kernels: Some(
            "Before 6.10, and where trampolines are not allowed, no hook sees a segment without a socket: scans are not seen.",
        ),
    },
    sees: ObservedSymptoms { sender: &[Symptom::Nothing], receiver: &[Symptom::Nothing], cases: &[], note: None },
    remedies: &[Remedy::act(
        "None needed on an open network. From an address of your own, find out what scans, and whether it is allowed to.",
    )],
    classic: None,
    see_also: &[Cause::Refused, Cause::UnknownConnection, Cause::ProtocolViolation],
};

pub(super) static MPTCP: CauseEntry = CauseEntry {
    cause: Cause::Mptcp,
    title: "A Multipath TCP subflow was reset",
    directions: Directions::Both,
    role: None,
    // One path of several: the connection usually survives on the others.
    severity: Severity::Notice,
    what_happened: "One path (subflow) of a Multipath TCP connection was reset, because it failed, was not allowed, or \
                    passed through a middlebox that spoils MPTCP. The connection goes on over its other subflows, if it \
                    has any. The resets of a whole connection that a process here closes, aborts or leaves behind at its exit \
                    have that cause instead.",
    how_known: HowKnown {
        evidence: "The kernel gives one of the reasons that begin with `mptcp_rst_`; it says which: `mptcp_rst_emiddlebox`, \
                   `mptcp_rst_eprohibit`, `mptcp_rst_eresource`, `mptcp_rst_ebadperf` and so on.",
        levels: &[
            Level {
                confidence: Confidence::Certain,
                when: "the kernel gives an MPTCP reason, or the reason of a close for a subflow that was not closed (fastclose)",
            },
            Level { confidence: Confidence::Likely, when: "a subflow was reset for another reason, or without one" },
        ],
        older_kernels: Some("Without reasons, these resets look like those of plain TCP."),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::Nothing, Symptom::ResetOnRead],
        cases: &[],
        note: Some("An application sees an error only when the last subflow is gone."),
    },
    remedies: &[
        Remedy::act(
            "Look at the paths: `ip mptcp endpoint`, `ip mptcp limits` and `ip mptcp monitor` show subflows come and go.",
        ),
        Remedy::act("For `mptcp_rst_emiddlebox`, find the firewall or proxy that strips or rewrites TCP options."),
        Remedy::act(
            "If only one path is wanted, turn MPTCP off: `net.mptcp.enabled=0`, or `GODEBUG=multipathtcp=0` for Go.",
        ),
    ],
    classic: None,
    see_also: &[Cause::ProtocolViolation, Cause::PeerReset],
};

pub(super) static UNEXPLAINED: CauseEntry = CauseEntry {
    cause: Cause::Unexplained,
    title: "No rule explains this reset",
    directions: Directions::Both,
    role: None,
    // A reset that is not understood must not count as benign.
    severity: Severity::Notice,
    what_happened: "None of the rules fits what the kernel showed of this reset. rstmon does not guess further: it shows \
                    all the evidence it has. On kernels without reset reasons this is more frequent.",
    how_known: HowKnown {
        evidence: "There is none that points to one cause. State, idle time, byte counts, owner and reason are shown as \
                   they were read.",
        levels: &[Level { confidence: Confidence::Guess, when: "no other rule holds" }],
        older_kernels: Some(
            "`rstmon doctor` says what this kernel cannot show. From 6.12 on, reasons leave few of these.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::ResetOnRead, Symptom::ResetOnWrite, Symptom::BrokenPipe],
        cases: &[],
        note: None,
    },
    remedies: &[
        Remedy::act("Run `rstmon doctor`: a missing hook or capability is shown with its fix."),
        Remedy::act(
            "Read the evidence as JSON with `rstmon tail --json cause=unexplained`, and compare owner, age and idle time.",
        ),
        Remedy::act("If many look alike, a rule is missing: please report one of them, with the kernel version."),
    ],
    classic: None,
    see_also: &[Cause::PeerReset, Cause::ProtocolViolation],
};
