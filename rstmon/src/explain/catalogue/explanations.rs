//! The stories that people tell about resets, each with the causes that tell them apart.

use crate::explain::cause::Cause;

/// A story from the field and the verdicts that it can turn out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsualExplanation {
    /// The story, as it is told before anybody has evidence.
    pub(crate) story: &'static str,
    /// The causes to look at, most telling first.
    pub(crate) causes: &'static [Cause],
}

/// The five usual explanations of a reset.
pub(crate) static USUAL_EXPLANATIONS: [UsualExplanation; 5] = [
    UsualExplanation {
        story: "One side quit without closing properly",
        causes: &[Cause::ProcessExit, Cause::ClosedWithUnreadData],
    },
    UsualExplanation {
        story: "The user pressed stop or reloaded while the response was being written",
        causes: &[Cause::PeerAborted],
    },
    UsualExplanation { story: "The server was past its capacity", causes: &[Cause::ListenerOverflow] },
    UsualExplanation {
        story: "The runtime (a JVM, say) died or stalled at peak load",
        causes: &[Cause::ProcessExit, Cause::ListenerClosed, Cause::MemoryPressure],
    },
    UsualExplanation {
        story: "A firewall dropped the idle connection",
        causes: &[Cause::PeerResetIdle, Cause::IdleTimeout, Cause::UnknownConnection],
    },
];
