//! Events -> stories: one story a RST, whichever of its ends were seen here. Pure.
//!
//! Where both ends are on this host, the story is the sender's, who knows why; the receiver is named in it. It is the
//! receiver's where nobody sent it: a refused attempt concerns the process that tried to connect.

use crate::{
    event::{Endpoint, Event, filter::Filter},
    explain::{
        Cause, Confidence, Severity,
        present::{ProcessName, UNKNOWN_PROCESS},
    },
    model::Direction,
};
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// The two events of one RST are no further apart; a port that is used again later is another connection.
const JOINED_WITHIN_MS: i64 = 1000;

/// Whose story it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Who {
    /// Comm of the owner.
    pub(super) process: Option<String>,
    /// Its unit.
    pub(super) unit: Option<String>,
    /// Its container.
    pub(super) container: Option<String>,
    /// Service port.
    pub(super) port: Option<u16>,
}

/// One RST.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) cause: Cause,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    /// Which end's story it is.
    pub(super) direction: Direction,
    pub(super) who: Who,
    pub(super) pid: Option<u32>,
    /// The other end's address.
    pub(super) remote: IpAddr,
    pub(super) time: Timestamp,
    /// The process of this host at the other end, `name[pid]`.
    pub(super) local_peer: Option<String>,
    /// The event that tells it best.
    pub(super) event: Arc<Event>,
}

/// The stories of which an end passes the filter, in the order of the events, and the number of the others.
pub(super) fn stories(events: &[Arc<Event>], filter: &Filter) -> (Vec<Story>, u64) {
    let receivers = join(events);
    let mut told = Vec::new();
    let mut excluded = 0;
    let mut tell = |story: Story, ends: [Option<&Event>; 2]| {
        if ends.into_iter().flatten().any(|end| filter.matches(end)) {
            told.push(story);
        } else {
            excluded += 1;
        }
    };
    for (index, event) in events.iter().enumerate() {
        match receivers.of_sender.get(&index).map(|&receiver| &events[receiver]) {
            Some(received) => tell(Story::joined(event, received), [Some(&**event), Some(&**received)]),
            None if receivers.joined.contains_key(&index) => {}
            None => tell(Story::alone(event), [Some(&**event), None]),
        }
    }
    (told, excluded)
}

/// Which events, by index, are two ends of one RST.
struct Receivers {
    of_sender: HashMap<usize, usize>,
    /// Receiver to sender.
    joined: HashMap<usize, usize>,
}

fn join(events: &[Arc<Event>]) -> Receivers {
    let mut senders: HashMap<(Endpoint, Endpoint), Vec<usize>> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        if event.direction == Direction::Sent {
            senders.entry((event.local, event.remote)).or_default().push(index);
        }
    }
    let mut receivers = Receivers { of_sender: HashMap::new(), joined: HashMap::new() };
    for (index, event) in events.iter().enumerate() {
        if event.direction != Direction::Received || event.peer.is_none() {
            continue;
        }
        let apart = |sender: usize| events[sender].time.duration_since(event.time).abs().as_millis();
        let candidates = senders.get(&(event.remote, event.local)).map_or(&[][..], Vec::as_slice);
        let nearest = candidates
            .iter()
            .copied()
            .filter(|sender| !receivers.of_sender.contains_key(sender))
            .filter(|&sender| apart(sender) <= i128::from(JOINED_WITHIN_MS))
            .min_by_key(|&sender| apart(sender));
        if let Some(sender) = nearest {
            receivers.of_sender.insert(sender, index);
            receivers.joined.insert(index, sender);
        }
    }
    receivers
}

impl Story {
    /// Of an event whose other end is elsewhere, or was seen and then forgotten.
    fn alone(event: &Arc<Event>) -> Self {
        let story = Self::of(event);
        let Some(sender) = event.peer.as_ref().filter(|_| event.direction == Direction::Received) else {
            return story;
        };
        if is_unowned_refusal(sender.cause, sender.process.as_deref()) {
            return story;
        }
        // The sender's own event is not there (rate limited, or older than the memory): it is told by what it left.
        Self {
            cause: sender.cause,
            severity: sender.cause.entry().severity,
            direction: Direction::Sent,
            who: Who {
                process: sender.process.clone(),
                unit: sender.unit.clone(),
                container: None,
                port: event.service_port,
            },
            pid: sender.pid,
            remote: event.local.address,
            local_peer: Some(name(event)),
            ..story
        }
    }

    /// Of both ends.
    fn joined(sent: &Arc<Event>, received: &Arc<Event>) -> Self {
        if is_unowned_refusal(sent.cause, sent.process()) {
            return Self::of(received);
        }
        Self { local_peer: Some(name(received)), ..Self::of(sent) }
    }

    /// Whether this host refused the connection and no process is known to have listened on the port.
    pub(super) fn is_unowned_refusal(&self) -> bool {
        self.direction == Direction::Sent && is_unowned_refusal(self.cause, self.who.process.as_deref())
    }

    fn of(event: &Arc<Event>) -> Self {
        Self {
            cause: event.cause,
            severity: event.severity,
            confidence: event.confidence,
            direction: event.direction,
            who: Who {
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
}

/// A closed port has no owner; only who lately listened there is known now and then.
fn is_unowned_refusal(cause: Cause, process: Option<&str>) -> bool {
    cause == Cause::Refused && process.is_none()
}

/// `java[4711]`
fn name(event: &Event) -> String {
    let pid = event.owner.as_ref().and_then(|owner| owner.pid);
    ProcessName::of_owner(event.process(), pid).map_or_else(|| UNKNOWN_PROCESS.to_owned(), |name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Filter, Story, stories};
    use crate::{
        command::why::testing::{event, received_from},
        event::Event,
    };
    use serde_json::json;
    use std::sync::Arc;

    fn told(events: &[Arc<Event>], filter: &[&str]) -> (Vec<Story>, u64) {
        stories(events, &Filter::parse(filter).expect("a filter"))
    }

    fn essence(story: &Story) -> (&str, &str, Option<&str>, Option<&str>) {
        let process = story.who.process.as_deref();
        (story.cause.id(), story.direction.as_str(), process, story.local_peer.as_deref())
    }

    #[test]
    fn both_ends_on_this_host_are_one_story_whichever_came_first() {
        let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
        let received = received_from(&sent, Some("curl"), "peer_reset", 1);
        for events in [[sent.clone(), received.clone()], [received, sent]] {
            let (found, excluded) = told(&events, &[]);
            assert_eq!((found.len(), excluded), (1, 0));
            assert_eq!(essence(&found[0]), ("closed_with_unread_data", "sent", Some("web"), Some("curl[7]")));
        }
    }

    #[test]
    fn a_filter_that_either_end_passes_keeps_the_story_whole() {
        let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
        let received = received_from(&sent, Some("curl"), "peer_reset", 1);
        let events = [sent, received];
        for filter in ["process=web", "process=curl", "direction=received", "cause=peer_reset"] {
            let (found, excluded) = told(&events, &[filter]);
            assert_eq!((found.len(), excluded), (1, 0), "{filter}");
            assert_eq!(found[0].cause.id(), "closed_with_unread_data", "{filter}");
        }
        assert_eq!(told(&events, &["process=nginx"]).1, 1, "one RST is left out, not two events");
    }

    #[test]
    fn a_receiver_whose_sender_was_forgotten_tells_the_senders_story() {
        let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
        let (found, _) = told(&[received_from(&sent, Some("curl"), "peer_reset", 1)], &[]);
        assert_eq!(essence(&found[0]), ("closed_with_unread_data", "sent", Some("web"), Some("curl[7]")));
        assert_eq!(found[0].severity.word(), "harmful");
    }

    #[test]
    fn a_refused_attempt_is_the_story_of_who_tried() {
        let sent = event(None, "refused", "sent", 1, &json!({}));
        let received = received_from(&sent, Some("curl"), "refused", 1);
        let (both, _) = told(&[sent.clone(), received.clone()], &[]);
        let (alone, _) = told(&[received], &[]);
        for found in [both, alone] {
            assert_eq!(found.len(), 1);
            assert_eq!(essence(&found[0]), ("refused", "received", Some("curl"), None));
        }
        let served = event(Some("nginx"), "refused", "sent", 1, &json!({}));
        let received = received_from(&served, Some("curl"), "refused", 1);
        let (found, _) = told(&[served, received], &[]);
        assert_eq!(essence(&found[0]), ("refused", "sent", Some("nginx"), Some("curl[7]")));
    }

    #[test]
    fn the_same_ports_used_again_are_another_rst() {
        let early = event(Some("web"), "linger_abort", "sent", 1, &json!({}));
        let late = event(Some("web"), "closed_with_unread_data", "sent", 40, &json!({}));
        let received = received_from(&late, Some("curl"), "peer_reset", 40);
        let (found, _) = told(&[early, late, received], &[]);
        let told: Vec<_> = found.iter().map(essence).collect();
        assert_eq!(
            told,
            [
                ("linger_abort", "sent", Some("web"), None),
                ("closed_with_unread_data", "sent", Some("web"), Some("curl[7]")),
            ]
        );
    }
}
