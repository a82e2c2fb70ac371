//! What identifies one RST at both of its ends: the sequence numbers on the wire, which NAT leaves alone.

use rstmon_common::{WireRecord, key::direction, record::wire};

/// The sequence numbers of a RST, as its end of the connection knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Sent(SentWire),
    Received(ReceivedWire),
}

/// The numbers of a RST that this host sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentWire {
    /// Its sequence number: `snd_nxt` of the socket that sent it, or the acknowledgement of the segment that it
    /// answers.
    pub(crate) seq: u32,
    /// What it acknowledges: `rcv_nxt` of the socket that sent it, or the end of the segment that it answers. A RST
    /// that answers a segment with ACK does not carry this number (`tcp_v4_send_reset`).
    pub(crate) ack: u32,
}

/// The numbers of the socket that accepted a RST. Linux accepts it at three places (`tcp_validate_incoming`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedWire {
    /// The next sequence number that was expected; 0 in `SYN_SENT`.
    pub(crate) rcv_nxt: u32,
    /// Whether the peer's FIN had arrived: then a RST at `rcv_nxt - 1` is accepted, too, because it may answer a
    /// segment that did not acknowledge the FIN (`tcp_reset_check`).
    pub(crate) after_fin: bool,
    /// The right-most edge of what arrived behind a gap, where there is one.
    pub(crate) sack_edge: Option<u32>,
    /// The first byte that was not acknowledged.
    pub(crate) snd_una: u32,
    /// The next byte to be sent.
    pub(crate) snd_nxt: u32,
}

/// Under which a RST is looked up: equal at both ends of one RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum WireKey {
    /// A refusal has the sequence number 0 and acknowledges the SYN.
    Refusal { ack: u32 },
    /// Any other RST, by its sequence number.
    Seq(u32),
}

impl Wire {
    /// `None` where the kernel half could not read the numbers.
    pub(super) fn decode(record: WireRecord, direction: u8) -> Option<Self> {
        let WireRecord { seq, ack, ack_end, sack_edge, flags, zero: _ } = record;
        let has = |bits| flags & bits == bits;
        has(wire::KNOWN).then(|| match direction {
            direction::RECEIVED => Self::Received(ReceivedWire {
                rcv_nxt: seq,
                after_fin: has(wire::AFTER_FIN),
                sack_edge: has(wire::BEHIND_GAP).then_some(sack_edge),
                snd_una: ack,
                snd_nxt: ack_end,
            }),
            _ => Self::Sent(SentWire { seq, ack }),
        })
    }
}

impl SentWire {
    #[must_use]
    pub(crate) fn key(self) -> WireKey {
        if self.seq == 0 { WireKey::Refusal { ack: self.ack } } else { WireKey::Seq(self.seq) }
    }

    /// Whether `received` is the other end of this RST. Times and addresses are for the caller to compare.
    #[must_use]
    pub(crate) fn is_received_as(self, received: ReceivedWire) -> bool {
        let in_window = self.ack.wrapping_sub(received.snd_una) <= received.snd_nxt.wrapping_sub(received.snd_una);
        received.keys().any(|key| key == self.key()) && in_window
    }
}

impl ReceivedWire {
    /// The keys of every RST that the socket would have accepted.
    pub(crate) fn keys(self) -> impl Iterator<Item = WireKey> {
        let key = move |seq| if seq == 0 { WireKey::Refusal { ack: self.snd_nxt } } else { WireKey::Seq(seq) };
        let before_fin = self.after_fin.then(|| self.rcv_nxt.wrapping_sub(1));
        let behind_gap = self.sack_edge.filter(|edge| *edge != self.rcv_nxt);
        [Some(self.rcv_nxt), before_fin, behind_gap].into_iter().flatten().map(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{ReceivedWire, SentWire};

    const RECEIVED: ReceivedWire =
        ReceivedWire { rcv_nxt: 1000, after_fin: false, sack_edge: None, snd_una: 500, snd_nxt: 600 };

    fn matches(seq: u32, ack: u32, received: ReceivedWire) -> bool {
        SentWire { seq, ack }.is_received_as(received)
    }

    #[test]
    fn a_reset_is_accepted_at_the_next_sequence_number() {
        assert!(matches(1000, 500, RECEIVED) && matches(1000, 600, RECEIVED));
        assert!(!matches(999, 600, RECEIVED) && !matches(1001, 600, RECEIVED));
    }

    #[test]
    fn its_acknowledgement_is_in_the_window_of_what_is_in_flight() {
        assert!(!matches(1000, 499, RECEIVED) && !matches(1000, 601, RECEIVED));
        let wrapped = ReceivedWire { snd_una: u32::MAX - 9, snd_nxt: 10, ..RECEIVED };
        assert!(matches(1000, u32::MAX, wrapped) && matches(1000, 10, wrapped) && !matches(1000, 11, wrapped));
    }

    #[test]
    fn after_a_fin_one_less_is_accepted() {
        let after_fin = ReceivedWire { after_fin: true, ..RECEIVED };
        assert!(matches(999, 600, after_fin) && matches(1000, 600, after_fin) && !matches(998, 600, after_fin));
    }

    #[test]
    fn behind_a_gap_the_edge_is_accepted() {
        let behind_gap = ReceivedWire { sack_edge: Some(4000), ..RECEIVED };
        assert!(matches(4000, 600, behind_gap) && matches(1000, 600, behind_gap) && !matches(2000, 600, behind_gap));
    }

    #[test]
    fn a_refusal_acknowledges_the_syn() {
        let connecting = ReceivedWire { rcv_nxt: 0, snd_una: 70, snd_nxt: 71, ..RECEIVED };
        assert!(matches(0, 71, connecting));
        assert!(!matches(0, 70, connecting), "another connection's refusal");
    }
}
