//! Resets that this host received: what was under way when the peer's reset arrived.

use super::table::Rule;
use crate::{
    explain::{
        Confidence::{Certain, Guess, Likely},
        Facts,
        Severity::{self, Benign, Harmful, Notice},
    },
    model::{Phase, State},
};
use rstmon_common::evidence as bit;

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = rules! { f =>
    "refused_by_peer":         f.state == Some(State::SynSent)                 => Refused, Certain, Notice;
    "subflow":                 f.has(bit::MPTCP)                               => Mptcp, Likely, if f.phase(Phase::Fresh) { Benign } else { Notice };
    "in_the_handshake":        f.is_in_the_handshake()                         => PeerReset, Likely, Benign;

    // After the peer's FIN, and after a long silence: whatever the state.
    "wrote_after_peers_fin":   f.wrote_in_vain()                               => WroteToClosedPeer, Certain, wrote(f);
    "after_long_silence":      f.is_after_silence()                            => PeerResetIdle, Likely, Harmful;

    // A close was under way here.
    "closing_undelivered_opener": f.is_while_closing() && f.opener() && f.undelivered()
                                                                               => RequestReset, Likely, Harmful;
    "half_closed_unanswered":  f.is_while_closing() && f.opener() && f.half_closed_unanswered()
                                                                               => RequestReset, Likely, Harmful;
    "closing_undelivered_acceptor": f.is_while_closing() && f.acceptor() && lost_by_acceptor(f)
                                                                               => PeerAborted, Likely, Notice;
    "closing_undelivered":     f.is_while_closing() && !f.opener() && !f.acceptor() && f.undelivered()
                                                                               => PeerAborted, Guess, Notice;
    "closing":                 f.is_while_closing()                            => ResetWhileClosing, Certain, Benign;

    // The connection was in use.
    "request_under_way":       f.is_live() && f.opener() && (f.answer_owed() || f.undelivered())
                                                                               => RequestReset, Likely, Harmful;
    "answer_under_way":        f.is_live() && f.acceptor() && (f.answer_owed() || lost_by_acceptor(f))
                                                                               => PeerAborted, Likely, Notice;
    "payload_under_way":       f.is_live() && !f.opener() && !f.acceptor() && f.undelivered()
                                                                               => PeerAborted, Guess, Notice;
    "nothing_exchanged":       f.is_live() && f.phase(Phase::Fresh)            => PeerReset, Likely, Benign;
    "nothing_under_way":       f.is_live()                                     => PeerReset, Likely, Notice;
};

/// Whether own payload was undelivered: before the first request, more than a banner.
fn lost_by_acceptor(f: &Facts) -> bool {
    if f.phase(Phase::Fresh) { f.much_undelivered() } else { f.undelivered() }
}

/// At the opener, a lost request; at the acceptor, an answer to a client that had left; a farewell is neither.
fn wrote(f: &Facts) -> Severity {
    if f.wrote_a_farewell() {
        Benign
    } else if f.opener() && !f.has(bit::AFTER_FIN_SMALL) {
        Harmful
    } else {
        Notice
    }
}
