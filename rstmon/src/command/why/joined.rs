//! Events -> resets: one [`JoinedReset`] for each RST, whether one or both of its ends were seen on this host. Pure.
//!
//! Where both ends are on this host, the reset is reported at its sender, because the sender's event has the cause; the
//! receiver is named as the local peer. A refused connection to a port without an owner is reported at the receiver,
//! the process that tried to connect.

use crate::{
    event::{Endpoint, Event, filter::Filter, pairs::is_unowned_refusal},
    explain::{
        CauseId, Confidence, Severity,
        present::{ProcessName, UNKNOWN_PROCESS},
    },
    model::Direction,
};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

/// The two events of one RST are no further apart; a port that is used again later is another connection.
const JOINED_WITHIN_MS: i64 = 1000;

/// The owner of the end that a reset is reported at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(super) struct ResetOwner {
    /// Comm of the thread-group leader.
    pub(super) process: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) container: Option<String>,
    /// The port that names the service.
    pub(super) port: Option<u16>,
}

/// A RST with what is known of both its ends.
#[derive(Clone, Debug)]
pub(super) struct JoinedReset {
    pub(super) cause: CauseId,
    pub(super) severity: Severity,
    /// The severity of the end that it is reported at, which is counted with it.
    pub(super) end_severity: Severity,
    pub(super) confidence: Confidence,
    /// Sent, where it is reported at its sender.
    pub(super) direction: Direction,
    pub(super) owner: ResetOwner,
    pub(super) pid: Option<u32>,
    /// The other end's address.
    pub(super) remote: IpAddr,
    pub(super) time: Timestamp,
    /// The process of this host at the other end, `name[pid]`.
    pub(super) local_peer: Option<String>,
    /// The event with the evidence: the sender's, where it is there.
    pub(super) event: Arc<Event>,
}

/// The resets of which an end passes the filter, in the order of the events, and the number of the others.
pub(super) fn joined_resets(events: &[Arc<Event>], filter: &Filter) -> (Vec<JoinedReset>, u64) {
    let pairs = pair_ends(events);
    let mut passed = Vec::new();
    let mut excluded = 0;
    let mut add = |reset: JoinedReset, ends: [Option<&Event>; 2]| {
        if ends.into_iter().flatten().any(|end| filter.matches(end)) {
            passed.push(reset);
        } else {
            excluded += 1;
        }
    };
    for (index, event) in events.iter().enumerate() {
        match pairs.receiver_of.get(&index).map(|&receiver| &events[receiver]) {
            Some(received) => add(JoinedReset::of_both_ends(event, received), [Some(&**event), Some(&**received)]),
            None if pairs.receivers.contains(&index) => {}
            None => add(JoinedReset::of_one_end(event), [Some(&**event), None]),
        }
    }
    (passed, excluded)
}

/// The events, by index, that are two ends of one RST.
struct EndPairs {
    /// Sender to receiver.
    receiver_of: HashMap<usize, usize>,
    receivers: HashSet<usize>,
}

fn pair_ends(events: &[Arc<Event>]) -> EndPairs {
    let mut senders: HashMap<(Endpoint, Endpoint), Vec<usize>> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        if event.direction == Direction::Sent {
            senders.entry((event.local, event.remote)).or_default().push(index);
        }
    }
    let mut pairs = EndPairs { receiver_of: HashMap::new(), receivers: HashSet::new() };
    for (index, event) in events.iter().enumerate() {
        if event.direction != Direction::Received || event.peer.is_none() {
            continue;
        }
        let apart = |sender: usize| events[sender].time.duration_since(event.time).abs().as_millis();
        let candidates = senders.get(&(event.remote, event.local)).map_or(&[][..], Vec::as_slice);
        let nearest = candidates
            .iter()
            .copied()
            .filter(|sender| !pairs.receiver_of.contains_key(sender))
            .filter(|&sender| apart(sender) <= i128::from(JOINED_WITHIN_MS))
            .min_by_key(|&sender| apart(sender));
        if let Some(sender) = nearest {
            pairs.receiver_of.insert(sender, index);
            pairs.receivers.insert(index);
        }
    }
    pairs
}

impl JoinedReset {
    /// The reset of an event whose other end is on another host, or whose other end's event is missing.
    fn of_one_end(event: &Arc<Event>) -> Self {
        let reset = Self::of(event);
        let Some(sender) = event.peer.as_ref().filter(|_| event.direction == Direction::Received) else {
            return reset;
        };
        if is_unowned_refusal(sender.cause, sender.process.as_deref()) {
            return reset;
        }
        // The sender's own event is missing (rate limited, or older than the memory): what the received event holds of
        // the sender stands in for it.
        Self {
            cause: sender.cause,
            end_severity: sender.severity.unwrap_or(sender.cause.entry().severity),
            severity: sender.severity.unwrap_or(sender.cause.entry().severity).max(event.severity),
            direction: Direction::Sent,
            owner: ResetOwner {
                process: sender.process.clone(),
                unit: sender.unit.clone(),
                container: None,
                port: event.service_port,
            },
            pid: sender.pid,
            remote: event.local.address,
            local_peer: Some(owner_name(event)),
            ..reset
        }
    }

    fn of_both_ends(sent: &Arc<Event>, received: &Arc<Event>) -> Self {
        if is_unowned_refusal(sent.cause, sent.process()) {
            return Self::of(received);
        }
        // The pair has the sender's cause and the higher severity.
        let severity = sent.severity.max(received.severity);
        Self { severity, local_peer: Some(owner_name(received)), ..Self::of(sent) }
    }

    fn of(event: &Arc<Event>) -> Self {
        Self {
            cause: event.cause,
            severity: event.severity,
            end_severity: event.severity,
            confidence: event.confidence,
            direction: event.direction,
            owner: ResetOwner {
                process: event.process().map(str::to_owned),
                unit: event.unit().map(str::to_owned),
                container: event.container().map(str::to_owned),
                port: event.service_port,
            },
            pid: event.owner.as_ref().and_then(|owner| owner.pid),
            remote: event.remote.address,
            time: event.time,
            local_peer: None,
            event: Arc::clone(event),
        }
    }

    /// Whether this host refused the connection and no process is known to have listened on the port.
    pub(super) fn is_unowned_refusal(&self) -> bool {
        self.direction == Direction::Sent && is_unowned_refusal(self.cause, self.owner.process.as_deref())
    }
}

fn owner_name(event: &Event) -> String {
    let pid = event.owner.as_ref().and_then(|owner| owner.pid);
    ProcessName::of_owner(event.process(), pid).map_or_else(|| UNKNOWN_PROCESS.to_owned(), |name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Filter, JoinedReset, joined_resets};
    use crate::{
        command::why::testing::{event, received_from},
        event::Event,
    };
    use serde_json::json;
    use std::sync::Arc;

    fn joined(events: &[Arc<Event>], filter: &[&str]) -> (Vec<JoinedReset>, u64) {
        joined_resets(events, &Filter::parse(filter).expect("a filter"))
    }

    fn essence(reset: &JoinedReset) -> (&str, &str, Option<&str>, Option<&str>) {
        let process = reset.owner.process.as_deref();
        (reset.cause.id(), reset.direction.as_str(), process, reset.local_peer.as_deref())
    }

    #[test]
    fn both_ends_on_this_host_are_one_reset_whichever_came_first() {
        let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
        let received = received_from(&sent, Some("curl"), "peer_reset", 1);
        for events in [[sent.clone(), received.clone()], [received, sent]] {
            let (found, excluded) = joined(&events, &[]);
            assert_eq!((found.len(), excluded), (1, 0));
            assert_eq!(essence(&found[0]), ("closed_with_unread_data", "sent", Some("web"), Some("curl[7]")));
        }
    }

    #[test]
    fn a_filter_that_either_end_passes_keeps_both_ends() {
        let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
        let received = received_from(&sent, Some("curl"), "peer_reset", 1);
        let events = [sent, received];
        for filter in ["process=web", "process=curl", "direction=received", "cause=peer_reset"] {
            let (found, excluded) = joined(&events, &[filter]);
            assert_eq!((found.len(), excluded), (1, 0), "{filter}");
            assert_eq!(found[0].cause.id(), "closed_with_unread_data", "{filter}");
        }
        assert_eq!(joined(&events, &["process=nginx"]).1, 1, "one RST is left out, not two events");
    }

    #[test]
    fn a_received_event_stands_in_for_its_missing_sender() {
        let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
        let (found, _) = joined(&[received_from(&sent, Some("curl"), "peer_reset", 1)], &[]);
        assert_eq!(essence(&found[0]), ("closed_with_unread_data", "sent", Some("web"), Some("curl[7]")));
        assert_eq!(found[0].severity.word(), "harmful");
    }

    #[test]
    fn a_pair_has_the_causes_of_the_sender_and_the_higher_severity() {
        let sent = event(Some("curl"), "linger_abort", "sent", 1, &json!({"severity": "benign"}));
        let received = received_from(&sent, Some("web"), "peer_aborted", 1);
        for events in [vec![sent, received.clone()], vec![received]] {
            let (found, _) = joined(&events, &[]);
            assert_eq!((found[0].cause.id(), found[0].severity.word()), ("linger_abort", "notice"));
        }
    }

    #[test]
    fn a_refused_attempt_is_reported_at_the_process_that_tried() {
        let sent = event(None, "refused", "sent", 1, &json!({}));
        let received = received_from(&sent, Some("curl"), "refused", 1);
        let (both, _) = joined(&[sent.clone(), received.clone()], &[]);
        let (alone, _) = joined(&[received], &[]);
        for found in [both, alone] {
            assert_eq!(found.len(), 1);
            assert_eq!(essence(&found[0]), ("refused", "received", Some("curl"), None));
        }
        let served = event(Some("nginx"), "refused", "sent", 1, &json!({}));
        let received = received_from(&served, Some("curl"), "refused", 1);
        let (found, _) = joined(&[served, received], &[]);
        assert_eq!(essence(&found[0]), ("refused", "sent", Some("nginx"), Some("curl[7]")));
    }

    #[test]
    fn the_same_ports_used_again_are_another_rst() {
        let early = event(Some("web"), "linger_abort", "sent", 1, &json!({}));
        let late = event(Some("web"), "closed_with_unread_data", "sent", 40, &json!({}));
        let received = received_from(&late, Some("curl"), "peer_reset", 40);
        let (found, _) = joined(&[early, late, received], &[]);
        let essences: Vec<_> = found.iter().map(essence).collect();
        assert_eq!(
            essences,
            [
                ("linger_abort", "sent", Some("web"), None),
                ("closed_with_unread_data", "sent", Some("web"), Some("curl[7]")),
            ]
        );
    }
}
