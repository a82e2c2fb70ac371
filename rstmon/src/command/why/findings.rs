//! Resets -> findings: one for each cause and owner. Pure.

use super::joined::{JoinedReset, ResetOwner};
use crate::{
    event::Event,
    explain::{CauseId, Confidence, Severity, present::ResetsSeen},
    model::{Direction, Role},
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

/// The resets of one cause, direction and owner.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ResetFinding {
    pub(super) cause: CauseId,
    pub(super) title: &'static str,
    pub(super) severity: Severity,
    /// The lowest of the verdicts.
    pub(super) confidence: Confidence,
    pub(super) direction: Direction,
    #[serde(flatten)]
    pub(super) owner: ResetOwner,
    pub(super) pids: BTreeSet<u32>,
    /// Resets that are remembered.
    pub(super) count: u64,
    /// Resets that were counted, where the counters know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) counted: Option<u64>,
    /// The severities of the ends that the resets are reported at.
    #[serde(skip)]
    pub(super) end_severities: BTreeSet<Severity>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Remote addresses, the most frequent first, at most three.
    pub(super) remotes: Vec<IpAddr>,
    pub(super) distinct_remotes: usize,
    /// Processes of this host at the other end, `name[pid]`, the most frequent first.
    pub(super) local_peers: Vec<String>,
    /// The role of this host's end; absent where it differs or is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<Role>,
    /// The event with the highest confidence; among equals the one with the most evidence, then the latest.
    pub(super) example: Arc<Event>,
}

/// Groups resets into findings, the most harmful first, then the most frequent, then the latest. `counted` returns the
/// exact number of a finding's resets, where it is known.
pub(super) fn findings<'a>(
    resets: impl IntoIterator<Item = &'a JoinedReset>,
    counted: impl Fn(&ResetFinding) -> Option<u64>,
) -> Vec<ResetFinding> {
    let mut groups: BTreeMap<(CauseId, Direction, &ResetOwner), Vec<&JoinedReset>> = BTreeMap::new();
    for reset in resets {
        groups.entry((reset.cause, reset.direction, &reset.owner)).or_default().push(reset);
    }
    let mut findings: Vec<ResetFinding> = groups
        .into_iter()
        .filter_map(|((cause, direction, owner), resets)| ResetFinding::of(cause, direction, owner, &resets))
        .map(|finding| ResetFinding { counted: counted(&finding), ..finding })
        .collect();
    findings.sort_by(|a, b| {
        (b.severity, b.number(), b.last).cmp(&(a.severity, a.number(), a.last)).then_with(|| a.owner.cmp(&b.owner))
    });
    findings
}

impl ResetFinding {
    /// `None` without resets.
    fn of(cause: CauseId, direction: Direction, owner: &ResetOwner, resets: &[&JoinedReset]) -> Option<Self> {
        let remotes = by_frequency(resets.iter().map(|reset| reset.remote));
        let example = resets
            .iter()
            .max_by_key(|reset| (reset.event.confidence, richness(&reset.event), reset.time))
            .map(|reset| Arc::clone(&reset.event))?;
        let role = resets.first()?.event.role.filter(|role| resets.iter().all(|reset| reset.event.role == Some(*role)));
        Some(Self {
            role,
            cause,
            title: cause.entry().title,
            severity: resets.iter().map(|reset| reset.severity).max()?,
            confidence: resets.iter().map(|reset| reset.confidence).min()?,
            direction,
            owner: owner.clone(),
            pids: resets.iter().filter_map(|reset| reset.pid).collect(),
            count: resets.len() as u64,
            counted: None,
            end_severities: resets.iter().map(|reset| reset.end_severity).collect(),
            first: resets.iter().map(|reset| reset.time).min()?,
            last: resets.iter().map(|reset| reset.time).max()?,
            distinct_remotes: remotes.len(),
            remotes: remotes.into_iter().take(REMOTES).collect(),
            local_peers: by_frequency(resets.iter().filter_map(|reset| reset.local_peer.clone())),
            example,
        })
    }
}

impl ResetFinding {
    /// The number of resets: counted, or else remembered.
    pub(super) fn number(&self) -> u64 {
        self.counted.unwrap_or(self.count)
    }

    /// What a view of the finding's cause needs to know; the symptoms are those of the example.
    pub(super) fn as_seen(&self) -> ResetsSeen {
        ResetsSeen {
            direction: Some(self.direction),
            role: self.role,
            severity: Some(self.severity),
            confidence: Some(self.confidence),
            condition: self.example.as_seen().condition,
        }
    }
}

/// Without repetition, the most frequent first.
fn by_frequency<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut counts: BTreeMap<T, u64> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut counts: Vec<(T, u64)> = counts.into_iter().collect();
    // The sort is stable: equally frequent values stay in ascending order.
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts.into_iter().map(|(value, _)| value).collect()
}

/// How many numbers of the evidence are known and not zero.
fn richness(event: &Event) -> usize {
    event.evidence.numbers().iter().filter(|(_, number)| *number != 0).count()
}

#[cfg(test)]
mod tests {
    use super::{ResetFinding, findings};
    use crate::{
        command::why::{joined::joined_resets, testing::event},
        event::{Event, filter::Filter},
    };
    use serde_json::json;
    use std::sync::Arc;

    fn found(events: &[Arc<Event>]) -> Vec<ResetFinding> {
        findings(&joined_resets(events, &Filter::default()).0, |_| None)
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
        let counts: Vec<_> = found.iter().map(|f| (f.owner.process.as_deref(), f.count, f.confidence.word())).collect();
        assert_eq!(counts, [(Some("java"), 2, "likely"), (Some("nginx"), 1, "certain")]);
        assert_eq!(found[0].pids.iter().copied().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(found[0].first.to_string(), "2026-11-21T03:00:01Z");
        assert_eq!(found[0].last.to_string(), "2026-11-21T03:00:09Z");
    }

    #[test]
    fn unit_container_port_and_direction_distinguish_findings() {
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
        let order: Vec<_> = found.iter().filter_map(|finding| finding.owner.process.as_deref()).collect();
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
