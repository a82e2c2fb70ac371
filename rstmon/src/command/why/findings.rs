//! Stories -> findings: one for each cause and owner. Pure.

use super::stories::{Story, Who};
use crate::{
    event::Event,
    explain::{Cause, Confidence, Severity},
    model::Direction,
};
use jiff::Timestamp;
use serde::Serialize;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

/// Remote addresses that a finding names.
const REMOTES: usize = 3;

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
    pub(super) pids: BTreeSet<u32>,
    /// Resets seen.
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Remote addresses, the most frequent first, at most three.
    pub(super) remotes: Vec<IpAddr>,
    pub(super) distinct_remotes: usize,
    /// Processes of this host at the other end, `name[pid]`, the most frequent first.
    pub(super) local_peers: Vec<String>,
    /// The surest event, of these the one with the most evidence, of these the latest.
    pub(super) example: Arc<Event>,
}

/// Groups stories, the most harmful first, then the most frequent, then the latest.
pub(super) fn findings<'a>(stories: impl IntoIterator<Item = &'a Story>) -> Vec<Finding> {
    let mut groups: BTreeMap<(Cause, Direction, &Who), Vec<&Story>> = BTreeMap::new();
    for story in stories {
        groups.entry((story.cause, story.direction, &story.who)).or_default().push(story);
    }
    let mut findings: Vec<Finding> = groups
        .into_iter()
        .filter_map(|((cause, direction, who), stories)| Finding::of(cause, direction, who, &stories))
        .collect();
    findings.sort_by(|a, b| {
        (b.severity, b.count, b.last).cmp(&(a.severity, a.count, a.last)).then_with(|| a.who.cmp(&b.who))
    });
    findings
}

impl Finding {
    /// `None` without stories.
    fn of(cause: Cause, direction: Direction, who: &Who, stories: &[&Story]) -> Option<Self> {
        let remotes = by_frequency(stories.iter().map(|story| story.remote));
        let example = stories
            .iter()
            .max_by_key(|story| (story.event.confidence, richness(&story.event), story.time))
            .map(|story| Arc::clone(&story.event))?;
        Some(Self {
            cause,
            title: cause.entry().title,
            severity: stories.iter().map(|story| story.severity).max()?,
            confidence: stories.iter().map(|story| story.confidence).min()?,
            direction,
            who: who.clone(),
            pids: stories.iter().filter_map(|story| story.pid).collect(),
            count: stories.len() as u64,
            first: stories.iter().map(|story| story.time).min()?,
            last: stories.iter().map(|story| story.time).max()?,
            distinct_remotes: remotes.len(),
            remotes: remotes.into_iter().take(REMOTES).collect(),
            local_peers: by_frequency(stories.iter().filter_map(|story| story.local_peer.clone())),
            example,
        })
    }
}

/// Without repetition, the most frequent first.
fn by_frequency<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut counts: BTreeMap<T, u64> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut counts: Vec<(T, u64)> = counts.into_iter().collect();
    // Stable: what is equally frequent stays in its order.
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts.into_iter().map(|(value, _)| value).collect()
}

/// How many numbers of the evidence say something.
fn richness(event: &Event) -> usize {
    event.evidence.numbers().iter().filter(|(_, number)| *number != 0).count()
}

#[cfg(test)]
mod tests {
    use super::{Finding, findings};
    use crate::{
        command::why::{stories::stories, testing::event},
        event::{Event, filter::Filter},
    };
    use serde_json::json;
    use std::sync::Arc;

    fn found(events: &[Arc<Event>]) -> Vec<Finding> {
        findings(&stories(events, &Filter::default()).0)
    }

    #[test]
    fn a_cause_at_an_owner_is_one_finding_however_many_its_processes() {
        let pid = |pid: u32, confidence: &str| json!({"owner": {"process": "java", "pid": pid, "provenance": "current"}, "confidence": confidence});
        let events = [
            event(Some("java"), "closed_with_unread_data", "sent", 1, &pid(7, "certain")),
            event(Some("java"), "closed_with_unread_data", "sent", 9, &pid(8, "likely")),
            event(Some("nginx"), "closed_with_unread_data", "sent", 5, &json!({})),
        ];
        let found = found(&events);
        let told: Vec<_> = found.iter().map(|f| (f.who.process.as_deref(), f.count, f.confidence.word())).collect();
        assert_eq!(told, [(Some("java"), 2, "likely"), (Some("nginx"), 1, "certain")]);
        assert_eq!(found[0].pids.iter().copied().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(found[0].first.to_string(), "2026-11-21T03:00:01Z");
        assert_eq!(found[0].last.to_string(), "2026-11-21T03:00:09Z");
    }

    #[test]
    fn unit_container_port_and_direction_tell_findings_apart() {
        let of = |more| event(Some("java"), "mptcp", "sent", 1, &more);
        let owner = |key: &str, value: &str| json!({"owner": {"process": "java", "pid": 7, "provenance": "current", key: value}});
        let events = [
            of(json!({})),
            of(owner("unit", "a.service")),
            of(owner("unit", "b.service")),
            of(owner("container", "c")),
            of(json!({"service_port": 9})),
            event(Some("java"), "mptcp", "received", 1, &json!({})),
        ];
        assert_eq!(found(&events).len(), events.len());
    }

    #[test]
    fn harm_comes_before_number_and_number_before_time() {
        let mut events: Vec<_> =
            (0..9).map(|second| event(Some("lb"), "reset_while_closing", "received", second, &json!({}))).collect();
        events.push(event(Some("java"), "closed_with_unread_data", "sent", 1, &json!({})));
        events.push(event(Some("early"), "linger_abort", "sent", 2, &json!({})));
        events.push(event(Some("early"), "linger_abort", "sent", 3, &json!({})));
        events.push(event(Some("late"), "linger_abort", "sent", 40, &json!({})));
        events.push(event(Some("later"), "linger_abort", "sent", 50, &json!({})));
        let found = found(&events);
        let order: Vec<_> = found.iter().filter_map(|finding| finding.who.process.as_deref()).collect();
        assert_eq!(order, ["java", "early", "later", "late", "lb"]);
    }

    #[test]
    fn the_example_is_sure_then_rich_then_late() {
        let of = |second, confidence: &str, evidence: &serde_json::Value| {
            let more = json!({"confidence": confidence, "evidence": evidence});
            event(Some("java"), "closed_with_unread_data", "sent", second, &more)
        };
        let (poor, rich) = (json!({"unread_bytes": 5, "age_ms": 0}), json!({"unread_bytes": 5, "age_ms": 3}));
        let events =
            [of(1, "certain", &rich), of(2, "certain", &rich), of(3, "certain", &poor), of(4, "likely", &rich)];
        assert_eq!(found(&events)[0].example.time.to_string(), "2026-11-21T03:00:02Z");
    }

    #[test]
    fn the_most_frequent_remotes_are_named() {
        let from = |last: u8| {
            let remote = json!({"remote": {"address": format!("10.0.0.{last}"), "port": 1}});
            event(Some("java"), "peer_reset", "received", 1, &remote)
        };
        let events: Vec<_> = [9, 9, 9, 8, 8, 7, 6, 5].into_iter().map(from).collect();
        let found = found(&events);
        assert_eq!(found[0].distinct_remotes, 5);
        assert_eq!(
            found[0].remotes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["10.0.0.9", "10.0.0.8", "10.0.0.5"]
        );
    }
}
