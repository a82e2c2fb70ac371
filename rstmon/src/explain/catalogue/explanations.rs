//! The stories that people tell about resets, each with the causes that tell them apart.

use crate::explain::cause::Cause;

/// A story from the field and the verdicts that it can turn out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldCause {
    /// The story, as it is told before anybody has evidence.
    pub(crate) story: &'static str,
    /// The causes to look at, most telling first.
    pub(crate) causes: &'static [Cause],
}

/// The five usual explanations of a reset.
pub(crate) static FIELD_CAUSES: [FieldCause; 5] = [
    FieldCause {
        story: "One side quit without closing properly",
        causes: &[Cause::ProcessExit, Cause::ClosedWithUnreadData],
    },
    FieldCause {
        story: "The user pressed stop or reloaded while the response was being written",
        causes: &[Cause::PeerAborted],
    },
    FieldCause { story: "The server was past its capacity", causes: &[Cause::ListenerOverflow] },
    FieldCause {
        story: "The runtime (a JVM, say) died or stalled at peak load",
        causes: &[Cause::ProcessExit, Cause::ListenerClosed, Cause::MemoryPressure],
    },
    FieldCause {
        story: "A firewall dropped the idle connection",
        causes: &[Cause::PeerResetIdle, Cause::IdleTimeout, Cause::UnknownConnection],
    },
];
