//! The diagnosis as data; `--json` prints it. Schema 1, documented in docs/events.md ("Other JSON"); fields are only
//! ever added under one number.

use super::{
    counted::FindingCounts,
    findings::{ResetFinding, findings},
    joined::{JoinedReset, joined_resets},
    noise::{NoiseFilter, NoiseSummary, summaries},
    source::{ObservedResets, OverloadedPort},
};
use crate::{
    event::filter::Filter,
    explain::{
        Severity,
        catalogue::{ObservedSymptoms, Remedy},
    },
    query::{Origin, covered::CoveredSpan},
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The number of the report's schema.
const SCHEMA: u32 = 1;

/// A finding with the catalogue's symptoms and remedies of its cause.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AdvisedFinding {
    #[serde(flatten)]
    pub(super) finding: ResetFinding,
    pub(super) sees: &'static ObservedSymptoms,
    /// Those for the role of this host's end.
    pub(super) remedies: Vec<&'static Remedy>,
}

/// Everything that `rstmon why` shows. A RST of which both ends were seen is one reset in it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WhyReport {
    schema: u32,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// When the daemon began to count; `null` where that is not known, and for a span that has passed or a recording.
    pub(super) started: Option<Timestamp>,
    /// Whether the span ends at the present.
    #[serde(skip)]
    pub(super) ends_now: bool,
    /// What the origin has; `None` where it has all of the span.
    pub(super) covered: Option<CoveredSpan>,
    #[serde(rename = "source")]
    pub(super) origin: Origin,
    /// Resets that the counters counted, as far as they pass the filter; `null` where the counters do not know.
    pub(super) counted: Option<CountedResets>,
    /// Remembered events that passed the filter: of a reset, both ends may be.
    pub(super) remembered: u64,
    /// Resets that passed the filter.
    pub(super) events: u64,
    /// Resets that the filter left out.
    pub(super) excluded: u64,
    /// Events that are known to be missing; `None` where that is not known.
    pub(super) lost: Option<u64>,
    /// Whether older resets may have been forgotten to make room.
    pub(super) memory_full: bool,
    /// The oldest event seen, also of those that the filter left out.
    pub(super) oldest: Option<Timestamp>,
    pub(super) severities: BTreeMap<Severity, u64>,
    /// In order of harm.
    pub(super) findings: Vec<AdvisedFinding>,
    pub(super) benign: Vec<NoiseSummary>,
    /// What this host cannot show.
    pub(super) hidden: Vec<String>,
    /// Growth of the kernel's counters of full accept queues while watching.
    pub(super) listen_overflows: BTreeMap<&'static str, u64>,
    /// Ports whose listeners dropped something or are full now, in this command's network namespace.
    pub(super) listeners: Vec<OverloadedPort>,
    /// Number of network namespaces whose listeners are not looked at.
    pub(super) namespaces_without_listeners: u64,
}

/// Exact numbers. A reset between two processes of this host counts at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct CountedResets {
    /// The beginning of the counts: within five seconds before that of the report, or later where older counts are
    /// forgotten.
    pub(super) since: Timestamp,
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl CountedResets {
    pub(super) fn sum(self) -> u64 {
        self.sent + self.received
    }
}

impl WhyReport {
    pub(super) fn new(seen: ObservedResets, filter: &Filter) -> Self {
        let ObservedResets {
            events,
            origin,
            since,
            until,
            counts,
            ends_now,
            covered,
            hidden,
            lost,
            memory_full,
            overflows,
            listeners,
        } = seen;
        let (resets, excluded) = joined_resets(&events, filter);
        let mut severities = BTreeMap::new();
        for reset in &resets {
            *severities.entry(reset.severity).or_default() += 1;
        }
        let noise_filter = NoiseFilter::new(&resets);
        let (mut noise, mut serious) = (Vec::new(), Vec::new());
        for reset in &resets {
            match noise_filter.classify(reset) {
                Some(kind) => noise.push((kind, reset)),
                None => serious.push(reset),
            }
        }
        // A filter that leaves nothing but noise asks for it: the noise becomes findings.
        if serious.is_empty() && *filter != Filter::default() {
            serious = noise.drain(..).map(|(_, reset): (_, &JoinedReset)| reset).collect();
        }
        let set_aside = noise.iter().map(|(_, reset): &(_, &JoinedReset)| *reset);
        let finding_counts = FindingCounts::new(counts.as_ref(), filter, set_aside);
        let counted = counts.as_ref().zip(finding_counts.passing());
        Self {
            schema: SCHEMA,
            since,
            until,
            started: counts.as_ref().map(|counts| counts.started),
            counted: counted.map(|(counts, [sent, received])| CountedResets { since: counts.since, sent, received }),
            remembered: events.iter().filter(|event| filter.matches(&***event)).count() as u64,
            ends_now,
            covered,
            origin,
            events: resets.len() as u64,
            excluded,
            lost,
            memory_full,
            oldest: events.iter().map(|event| event.time).min(),
            severities,
            findings: findings(serious, |finding| finding_counts.of(finding))
                .into_iter()
                .map(AdvisedFinding::from)
                .collect(),
            benign: summaries(&noise),
            hidden,
            listen_overflows: overflows,
            listeners,
            namespaces_without_listeners: counts
                .as_ref()
                .map_or(0, |counts| counts.network_namespaces.saturating_sub(1)),
        }
    }
}

impl From<ResetFinding> for AdvisedFinding {
    fn from(finding: ResetFinding) -> Self {
        let entry = finding.cause.entry();
        let role = finding.role.or(entry.role);
        let remedies = entry.remedies.iter().filter(|remedy| remedy.is_for(role)).collect();
        Self { sees: &entry.sees, remedies, finding }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::{BTreeMap, Filter, ObservedResets, Origin, WhyReport};
    use crate::event::Event;
    use std::sync::Arc;

    /// Events remembered by a daemon that lost none and hides nothing.
    pub(in crate::command::why) fn seen(events: Vec<Arc<Event>>) -> ObservedResets {
        ObservedResets {
            events,
            origin: Origin::Daemon("/run/test.sock".into()),
            since: "2026-11-21T02:51:00Z".parse().expect("a time"),
            until: "2026-11-21T03:01:00Z".parse().expect("a time"),
            counts: None,
            hidden: Vec::new(),
            lost: None,
            ends_now: true,
            covered: None,
            memory_full: false,
            overflows: BTreeMap::new(),
            listeners: Vec::new(),
        }
    }

    /// The same events, with these series counted since the daemon started at 02:55:00.
    pub(in crate::command::why) fn counted(events: Vec<Arc<Event>>, series: &serde_json::Value) -> ObservedResets {
        let of = |direction: &str| {
            let series = series.as_array().into_iter().flatten().filter(|series| series["direction"] == direction);
            series.filter_map(|series| series["total"].as_u64()).sum::<u64>()
        };
        let counts = serde_json::from_value(serde_json::json!({
            "schema": 1, "started": "2026-11-21T02:55:00Z", "since": "2026-11-21T02:55:00Z",
            "until": "2026-11-21T03:01:00Z", "sent": of("sent"), "received": of("received"), "events_lost": 0,
            "events_forgotten": 0, "network_namespaces": 1, "series": series,
        }));
        let counts = Some(counts.expect("counts"));
        ObservedResets { since: "2026-11-21T02:55:00Z".parse().expect("a time"), counts, lost: Some(0), ..seen(events) }
    }

    /// The report on these events.
    pub(in crate::command::why) fn report(events: Vec<Arc<Event>>, filter: &[&str]) -> WhyReport {
        WhyReport::new(seen(events), &Filter::parse(filter).expect("a filter"))
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{report, seen};
    use crate::command::why::testing::{event, received_from};
    use serde_json::{Value, json};

    #[test]
    fn noise_is_summed_up_and_the_rest_is_found() {
        let probe = |port: u16| {
            let ends = json!({"local": {"address": "10.0.0.1", "port": port}, "service_port": port, "owner": null});
            event(None, "refused", "sent", 1, &ends)
        };
        let mut events: Vec<_> = (1..=20).map(probe).collect();
        events.push(event(Some("lb"), "reset_while_closing", "received", 1, &json!({})));
        events.push(event(Some("java"), "closed_with_unread_data", "sent", 1, &json!({})));
        let report = report(events, &[]);
        assert_eq!(report.findings.len(), 1);
        let summed: Vec<_> = report
            .benign
            .iter()
            .map(|benign| (benign.cause.id(), benign.count, benign.ports.len(), benign.distinct_ports))
            .collect();
        assert_eq!(summed, [("refused", 20, 8, 20), ("reset_while_closing", 1, 1, 1)]);
    }

    #[test]
    fn a_filter_for_noise_alone_gets_findings() {
        let events = || vec![event(Some("lb"), "reset_while_closing", "received", 1, &json!({}))];
        assert_eq!(report(events(), &[]).findings.len(), 0);
        let asked = report(events(), &["severity=benign"]);
        assert_eq!((asked.findings.len(), asked.benign.len()), (1, 0));
    }

    #[test]
    fn a_rst_seen_at_both_ends_counts_once() {
        let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
        let received = received_from(&sent, Some("curl"), "peer_reset", 1);
        let report = report(vec![sent, received], &[]);
        assert_eq!((report.events, report.severities.values().sum::<u64>()), (1, 1));
    }

    #[test]
    fn what_the_filter_leaves_out_is_counted() {
        let events = vec![event(Some("java"), "peer_reset", "received", 1, &json!({}))];
        let report = report(events, &["process=nginx"]);
        assert_eq!((report.events, report.excluded), (0, 1));
    }

    #[test]
    fn the_json_has_every_documented_field() {
        let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
        let received = received_from(&sent, Some("curl"), "peer_reset", 1);
        let report = super::WhyReport::new(seen(vec![sent, received]), &super::Filter::default());
        let json = serde_json::to_value(&report).expect("JSON");
        let keys = |value: &Value| {
            let mut keys: Vec<String> = value.as_object().expect("an object").keys().cloned().collect();
            keys.sort();
            keys.join(" ")
        };
        assert_eq!(
            keys(&json),
            "benign counted covered events excluded findings hidden listen_overflows listeners lost memory_full \
             namespaces_without_listeners oldest remembered schema severities since source started until"
        );
        assert_eq!(
            keys(&json["findings"][0]),
            "cause confidence container count direction distinct_remotes example first last local_peers pids port process \
             remedies remotes sees severity title unit"
        );
        assert_eq!(json["source"], "the daemon at /run/test.sock");
        assert_eq!(json["severities"], json!({"harmful": 1}));
        assert_eq!(json["findings"][0]["local_peers"], json!(["curl[7]"]));
    }
}
