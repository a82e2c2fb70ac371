//! The numbers behind a verdict in the event's JSON form.

use crate::model::{Bits, Ended, Evidence, Reset};
use rstmon_common::evidence as bit;
use serde::{Deserialize, Serialize};
use std::time::Duration;

macro_rules! evidence {
    ($($(#[$doc:meta])* $name:ident: $ty:ty;)*) => {
        /// Numbers that are not known are left out.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub(crate) struct EventEvidence {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<$ty>,)*
            /// Names of the facts that were true at the reset and that no number expresses.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub(crate) facts: Vec<String>,
        }

        impl EventEvidence {
            /// The known numbers with their names in the JSON, in the order of their declaration.
            fn declared_numbers(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.map(u64::from)),)*]
                    .into_iter()
                    .filter_map(|(name, number)| Some((name, number?)))
            }
        }
    };
}
evidence! {
    /// Milliseconds since the handshake.
    age_ms: u64;
    /// Milliseconds since the last data segment was sent.
    send_idle_ms: u64;
    /// Milliseconds since the last data segment was received.
    receive_idle_ms: u64;
    /// Milliseconds since the peer sent anything, data or acknowledgement.
    silent_ms: u64;
    /// Milliseconds since a process here closed the connection.
    closed_ms_ago: u64;
    /// Milliseconds without a byte in either direction before that close.
    idle_before_close_ms: u64;
    /// Bytes received and not read.
    unread_bytes: u32;
    /// Bytes written and not sent.
    unsent_bytes: u32;
    /// Bytes sent and not acknowledged.
    unacked_bytes: u32;
    /// Bytes written after the peer's FIN.
    after_fin_bytes: u32;
    /// Payload of the segment that the reset answers.
    segment_bytes: u32;
    /// Payload bytes sent over the connection's life, retransmissions included.
    sent_bytes: u64;
    /// Payload bytes received over the connection's life.
    received_bytes: u64;
    /// Connections in the accept queue.
    backlog: u32;
    /// Limit of the accept queue.
    backlog_limit: u32;
    /// Milliseconds since the accept queue was last seen to be full.
    queue_full_ms_ago: u64;
    /// Smoothed round-trip time in microseconds.
    rtt_us: u64;
    /// Segments retransmitted over the connection's life.
    retransmits: u32;
    /// Unanswered keep-alive or window probes, if any.
    probes: u8;
    /// Signal that is ending the owner.
    exit_signal: u8;
}

/// Bits of the evidence that numbers express, or that only the rules need.
const NO_FACTS: u64 = bit::SEGMENT_DATA
    | bit::STATE_KEPT
    | bit::UNREAD
    | bit::UNSENT
    | bit::UNACKED
    | bit::WROTE_AFTER_FIN
    | bit::SILENT
    | bit::CLOSED_HERE
    | bit::CLOSED_RECENTLY
    | bit::TOMBSTONE
    | bit::OWNER_RUNNING
    | bit::KERNEL_THREAD;

/// The facts of a reset that no number expresses, by name.
fn facts(reset: &Reset) -> Vec<String> {
    let ended_by_reset = matches!(reset.bits.ended(), Some(Ended::ResetSent | Ended::ResetReceived));
    let names = Bits(reset.bits.0 & !NO_FACTS).names();
    names.chain(ended_by_reset.then_some("ended_by_reset")).map(str::to_owned).collect()
}

/// The most informative numbers in the order in which they are shown; the others follow by name.
const MOST_TELLING: [&str; 10] = [
    "unread_bytes",
    "unsent_bytes",
    "unacked_bytes",
    "after_fin_bytes",
    "segment_bytes",
    "closed_ms_ago",
    "idle_before_close_ms",
    "silent_ms",
    "backlog",
    "age_ms",
];

impl EventEvidence {
    /// The known numbers with their names in the JSON, the most telling first.
    #[must_use]
    pub(crate) fn numbers(&self) -> Vec<(&'static str, u64)> {
        let mut numbers: Vec<_> = self.declared_numbers().collect();
        numbers.sort_by_key(|(name, _)| {
            (MOST_TELLING.iter().position(|telling| telling == name).unwrap_or(MOST_TELLING.len()), *name)
        });
        numbers
    }

    pub(super) fn new(reset: &Reset) -> Self {
        // Destructured, so that a new number of the model does not compile before this function uses or ignores it.
        let Evidence {
            age,
            send_idle,
            receive_idle,
            silent,
            closed_ago,
            idle_before_close,
            unread_bytes,
            unsent_bytes,
            unacked_bytes,
            after_fin_bytes,
            segment_bytes,
            sent_bytes,
            received_bytes,
            backlog,
            backlog_limit,
            queue_full_ago,
            rtt,
            retransmits,
            probes,
            exit_signal,
            oom_killed,
        } = reset.evidence.clone();
        let whole = |duration: Option<Duration>| duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        Self {
            age_ms: whole(age),
            send_idle_ms: whole(send_idle),
            receive_idle_ms: whole(receive_idle),
            silent_ms: whole(silent),
            closed_ms_ago: whole(closed_ago),
            idle_before_close_ms: whole(idle_before_close),
            unread_bytes,
            unsent_bytes,
            unacked_bytes,
            after_fin_bytes,
            segment_bytes,
            sent_bytes,
            received_bytes,
            backlog,
            backlog_limit,
            queue_full_ms_ago: whole(queue_full_ago),
            rtt_us: rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
            retransmits,
            probes: (probes > 0).then_some(probes),
            exit_signal,
            facts: facts(reset).into_iter().chain(oom_killed.then(|| "oom_killed".to_owned())).collect(),
        }
    }
}
