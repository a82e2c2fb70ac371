//! The usual explanations of resets, each with the causes that it can turn out to be.

use crate::explain::cause::Cause;

/// An explanation that is given before there is evidence, and the verdicts that it can turn out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsualExplanation {
    pub(crate) explanation: &'static str,
    /// The causes to look at, the most likely first.
    pub(crate) causes: &'static [Cause],
}

/// The five usual explanations of a reset.
pub(crate) static USUAL_EXPLANATIONS: [UsualExplanation; 5] = [
    UsualExplanation {
        explanation: "One side quit without closing properly",
        causes: &[Cause::ProcessExit, Cause::ClosedWithUnreadData, Cause::WriteAfterClose],
    },
    UsualExplanation {
        explanation: "The user pressed stop or reloaded while the response was being written",
        causes: &[Cause::PeerAborted, Cause::WroteToClosedPeer, Cause::GaveUpWaiting],
    },
    UsualExplanation { explanation: "The server was past its capacity", causes: &[Cause::ListenerOverflow] },
    UsualExplanation {
        explanation: "The runtime (a JVM, say) died or stalled at peak load",
        causes: &[Cause::ProcessExit, Cause::ListenerClosed, Cause::MemoryPressure],
    },
    UsualExplanation {
        explanation: "A firewall dropped the idle connection",
        causes: &[Cause::PeerResetIdle, Cause::RequestReset, Cause::IdleTimeout, Cause::UnknownConnection],
    },
];
