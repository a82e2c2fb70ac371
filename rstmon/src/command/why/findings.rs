//! Events -> findings: one story for each cause and owner. Pure.

use crate::{
    explain::{Cause, Confidence, Severity},
    model::Direction,
    serve::event::Event,
};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

/// Remote addresses that a finding names.
const REMOTES: usize = 3;

/// What belongs to one story.
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

/// One cause at one owner.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) cause: Cause,
    pub(super) title: &'static str,
    pub(super) severity: Severity,
    /// The least sure of the verdicts.
    pub(super) confidence: Confidence,
    pub(super) direction: Direction,
    #[serde(flatten)]
    pub(super) who: Who,
    /// Resets seen.
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Remote addresses, the most frequent first, at most three.
    pub(super) remotes: Vec<IpAddr>,
    pub(super) distinct_remotes: usize,
    /// Processes of this host at the other end, `name[pid]`.
    pub(super) local_peers: Vec<String>,
    /// The surest, then latest event.
    pub(super) example: Arc<Event>,
}

/// A group while it is being made.
struct Group {
    finding: Finding,
    remotes: BTreeMap<IpAddr, u64>,
    local_peers: BTreeSet<String>,
}

/// Groups events, the most harmful story first.
///
/// A received reset whose sender is on this host too is part of the sender's story: it names itself there, and makes
/// no story of its own.
pub(super) fn findings(events: &[Arc<Event>]) -> Vec<Finding> {
    let mut groups: BTreeMap<(Cause, Direction, Who), Group> = BTreeMap::new();
    let mut told: BTreeMap<Ends, String> = BTreeMap::new();
    for event in events {
        if event.direction == Direction::Received && event.peer.is_some() {
            told.insert(ends(event.local, event.remote), name(event));
        }
    }
    for event in events {
        if event.direction == Direction::Received && event.peer.is_some() {
            continue;
        }
        let group = groups
            .entry((event.cause, event.direction, who(event)))
            .and_modify(|group| group.add(event))
            .or_insert_with(|| Group::new(event));
        let told_by =
            (event.direction == Direction::Sent).then(|| told.get(&ends(event.remote, event.local))).flatten();
        group.local_peers.extend(told_by.cloned());
    }
    let mut findings: Vec<Finding> = groups.into_values().map(Group::finish).collect();
    findings.sort_by(|a, b| {
        (b.severity, b.count, b.last).cmp(&(a.severity, a.count, a.last)).then_with(|| a.who.cmp(&b.who))
    });
    findings
}

/// The connection, as one of its ends sees it.
type Ends = (IpAddr, u16, IpAddr, u16);

fn ends(local: crate::serve::event::Endpoint, remote: crate::serve::event::Endpoint) -> Ends {
    (local.address, local.port, remote.address, remote.port)
}

/// `java[4711]`
fn name(event: &Event) -> String {
    match event.owner.as_ref().and_then(|owner| owner.pid) {
        Some(pid) => format!("{}[{pid}]", event.process().unwrap_or("?")),
        None => "an unknown process".to_owned(),
    }
}

fn who(event: &Event) -> Who {
    Who {
        process: event.process().map(str::to_owned),
        unit: event.unit().map(str::to_owned),
        container: event.container().map(str::to_owned),
        port: event.service_port,
    }
}

impl Group {
    fn new(event: &Arc<Event>) -> Self {
        let finding = Finding {
            cause: event.cause,
            title: event.cause.entry().title,
            severity: event.severity,
            confidence: event.confidence,
            direction: event.direction,
            who: who(event),
            count: 1,
            first: event.time,
            last: event.time,
            remotes: Vec::new(),
            distinct_remotes: 0,
            local_peers: Vec::new(),
            example: Arc::clone(event),
        };
        Self { finding, remotes: BTreeMap::from([(event.remote.address, 1)]), local_peers: BTreeSet::new() }
    }

    fn add(&mut self, event: &Arc<Event>) {
        let finding = &mut self.finding;
        finding.count += 1;
        finding.severity = finding.severity.max(event.severity);
        finding.confidence = finding.confidence.min(event.confidence);
        finding.first = finding.first.min(event.time);
        finding.last = finding.last.max(event.time);
        if (event.confidence, event.time) >= (finding.example.confidence, finding.example.time) {
            finding.example = Arc::clone(event);
        }
        *self.remotes.entry(event.remote.address).or_default() += 1;
    }

    fn finish(self) -> Finding {
        let mut by_count: Vec<_> = self.remotes.into_iter().collect();
        by_count.sort_by_key(|(address, count)| (std::cmp::Reverse(*count), *address));
        Finding {
            distinct_remotes: by_count.len(),
            remotes: by_count.into_iter().take(REMOTES).map(|(address, _)| address).collect(),
            local_peers: self.local_peers.into_iter().collect(),
            ..self.finding
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Arc, Cause, Event, findings};
    use serde_json::{Value, json};

    /// An event: process, cause, direction, ports, and what else is to be different.
    pub(in super::super) fn event(
        process: Option<&str>,
        cause: &str,
        direction: &str,
        second: u8,
        more: &Value,
    ) -> Arc<Event> {
        let severity = cause.parse::<Cause>().expect("a cause").entry().severity;
        let mut value = json!({
            "schema": 1, "time": format!("2026-11-21T03:00:{second:02}Z"), "direction": direction, "reason": "tcp_state",
            "socket": "full", "local": {"address": "10.0.0.1", "port": 8080},
            "remote": {"address": "10.0.0.2", "port": 4000}, "service_port": 8080,
            "owner": process.map(|process| json!({"process": process, "pid": 7, "provenance": "current"})),
            "evidence": {"unread_bytes": 5}, "cause": cause, "confidence": "certain", "severity": severity,
            "sentence": "the evidence",
        });
        if let (Some(value), Some(more)) = (value.as_object_mut(), more.as_object()) {
            value.extend(more.clone());
        }
        Arc::new(serde_json::from_value(value).expect("a valid event"))
    }

    #[test]
    fn a_cause_at_an_owner_is_one_finding() {
        let events = [
            event(Some("java"), "closed_with_unread_data", "sent", 1, &json!({})),
            event(Some("java"), "closed_with_unread_data", "sent", 9, &json!({"confidence": "likely"})),
            event(Some("nginx"), "closed_with_unread_data", "sent", 5, &json!({})),
        ];
        let found = findings(&events);
        let told: Vec<_> = found.iter().map(|f| (f.who.process.as_deref(), f.count, f.confidence.word())).collect();
        assert_eq!(told, [(Some("java"), 2, "likely"), (Some("nginx"), 1, "certain")]);
        assert_eq!(found[0].first.to_string(), "2026-11-21T03:00:01Z");
        assert_eq!(found[0].last.to_string(), "2026-11-21T03:00:09Z");
        assert_eq!(found[0].example.confidence.word(), "certain", "the surest event is the example");
    }

    #[test]
    fn harm_comes_before_number() {
        let mut events: Vec<_> =
            (0..9).map(|second| event(Some("lb"), "reset_while_closing", "received", second, &json!({}))).collect();
        events.push(event(Some("java"), "closed_with_unread_data", "sent", 1, &json!({})));
        let order: Vec<_> = findings(&events).iter().map(|finding| finding.cause.id()).collect();
        assert_eq!(order, ["closed_with_unread_data", "reset_while_closing"]);
    }

    #[test]
    fn both_ends_on_this_host_are_one_story() {
        let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
        let received = event(
            Some("curl"),
            "peer_reset",
            "received",
            1,
            &json!({
                "local": {"address": "10.0.0.2", "port": 4000}, "remote": {"address": "10.0.0.1", "port": 8080},
                "peer": {"process": "web", "pid": 7, "cause": "closed_with_unread_data", "sentence": "the evidence"},
            }),
        );
        let found = findings(&[received, sent]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].cause.id(), found[0].local_peers.as_slice()),
            ("closed_with_unread_data", ["curl[7]".to_owned()].as_slice())
        );
    }

    #[test]
    fn the_most_frequent_remotes_are_named() {
        let from = |last: u8| {
            event(
                Some("java"),
                "peer_reset",
                "received",
                1,
                &json!({"remote": {"address": format!("10.0.0.{last}"), "port": 1}}),
            )
        };
        let events: Vec<_> = [9, 9, 9, 8, 8, 7, 6, 5].into_iter().map(from).collect();
        let found = findings(&events);
        assert_eq!(found[0].distinct_remotes, 5);
        assert_eq!(
            found[0].remotes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.9", "10.0.0.8", "10.0.0.5"]
        );
    }
}
