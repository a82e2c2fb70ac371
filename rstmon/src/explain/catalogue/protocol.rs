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
    see_also: &[Cause::UnknownConnection, Cause::ListenerOverflow, Cause::Unexplained],
};

pub(super) static MPTCP: CauseEntry = CauseEntry {
    cause: Cause::Mptcp,
    title: "A Multipath TCP subflow was reset",
    directions: Directions::Both,
    // One path of several: the connection usually survives on the others.
    severity: Severity::Notice,
    what_happened: "One path (subflow) of a Multipath TCP connection was reset, because it failed, was not allowed, or \
                    passed through a middlebox that spoils MPTCP. The connection goes on over its other subflows, if it \
                    has any.",
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
        older_kernels: Some(
            "Without reasons, and when a whole MPTCP connection is closed in a hurry on any kernel, these resets look like \
             those of plain TCP.",
        ),
    },
    sees: ObservedSymptoms {
        sender: &[Symptom::Nothing],
        receiver: &[Symptom::Nothing, Symptom::ResetOnRead],
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
