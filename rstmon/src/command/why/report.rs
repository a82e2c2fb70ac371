//! The diagnosis as data; `--json` prints it. Schema 1, documented in docs/events.md.

use super::{
    findings::{Finding, findings},
    source::Seen,
};
use crate::{
    command::filter::Filter,
    explain::{
        Cause, Severity,
        catalogue::{Remedy, Sees},
    },
    serve::event::Event,
};
use jiff::Timestamp;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// The number of this form.
const SCHEMA: u32 = 1;

/// Resets of one cause that need no attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Benign {
    pub(super) cause: Cause,
    pub(super) title: &'static str,
    pub(super) count: u64,
    /// Service ports, ascending, at most eight.
    pub(super) ports: Vec<u16>,
}

/// A finding with what the catalogue says of its cause.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Advised {
    #[serde(flatten)]
    pub(super) finding: Finding,
    pub(super) sees: &'static Sees,
    pub(super) remedies: &'static [Remedy],
}

/// Everything that `rstmon why` says.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) source: String,
    /// Resets looked at.
    pub(super) events: u64,
    /// Resets that the filter left out.
    pub(super) excluded: u64,
    /// Resets by severity, the worst first.
    pub(super) severities: BTreeMap<Severity, u64>,
    /// In order of harm.
    pub(super) findings: Vec<Advised>,
    pub(super) benign: Vec<Benign>,
    /// What this host cannot show.
    pub(super) hidden: Vec<String>,
    /// Growth of the kernel's counters of full accept queues while watching.
    pub(super) listen_overflows: BTreeMap<&'static str, u64>,
}

/// Ports that a benign cause names.
const PORTS: usize = 8;

impl Report {
    pub(super) fn new(seen: Seen, filter: &Filter) -> Self {
        let Seen { events, source, since, until, hidden, overflows } = seen;
        let all = events.len();
        let events: Vec<Arc<Event>> = events.into_iter().filter(|event| filter.matches(event)).collect();
        let mut severities = BTreeMap::new();
        for event in &events {
            *severities.entry(event.severity).or_default() += 1;
        }
        let (noise, serious): (Vec<Finding>, Vec<Finding>) = findings(&events).into_iter().partition(is_noise);
        let advise = |finding: Finding| {
            let entry = finding.cause.entry();
            Advised { sees: &entry.sees, remedies: entry.remedies, finding }
        };
        Self {
            schema: SCHEMA,
            since,
            until,
            source,
            events: events.len() as u64,
            excluded: (all - events.len()) as u64,
            severities,
            findings: serious.into_iter().map(advise).collect(),
            benign: sum_up(&noise),
            hidden,
            listen_overflows: overflows,
        }
    }
}

/// Nobody needs to act: benign causes, and probes of ports that nobody here ever served.
fn is_noise(finding: &Finding) -> bool {
    let probe = finding.cause == Cause::Refused && finding.who.process.is_none();
    finding.severity == Severity::Benign || (probe && finding.local_peers.is_empty())
}

fn sum_up(noise: &[Finding]) -> Vec<Benign> {
    let mut causes: BTreeMap<Cause, (u64, Vec<u16>)> = BTreeMap::new();
    for finding in noise {
        let (count, ports) = causes.entry(finding.cause).or_default();
        *count += finding.count;
        ports.extend(finding.who.port);
    }
    causes
        .into_iter()
        .map(|(cause, (count, mut ports))| {
            ports.sort_unstable();
            ports.dedup();
            ports.truncate(PORTS);
            Benign { cause, title: cause.entry().title, count, ports }
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Arc, BTreeMap, Event, Filter, Report, Seen};
    use crate::command::why::findings::tests::event;
    use serde_json::json;

    pub(in super::super) fn report(events: Vec<Arc<Event>>, filter: &[&str]) -> Report {
        let seen = Seen {
            events,
            source: "a test".into(),
            since: "2026-11-21T02:50:00Z".parse().expect("a time"),
            until: "2026-11-21T03:00:00Z".parse().expect("a time"),
            hidden: Vec::new(),
            overflows: BTreeMap::new(),
        };
        Report::new(seen, &Filter::parse(filter).expect("a filter"))
    }

    #[test]
    fn scans_and_benign_causes_are_summed_up() {
        let probe = |port: u16| event(None, "refused", "sent", 1, &json!({"service_port": port, "owner": null}));
        let mut events: Vec<_> = (1..=20).map(probe).collect();
        events.push(event(Some("lb"), "reset_while_closing", "received", 1, &json!({})));
        events.push(event(Some("java"), "closed_with_unread_data", "sent", 1, &json!({})));
        let report = report(events, &[]);
        assert_eq!(report.findings.len(), 1);
        let summed: Vec<_> =
            report.benign.iter().map(|benign| (benign.cause.id(), benign.count, benign.ports.len())).collect();
        assert_eq!(summed, [("refused", 20, 8), ("reset_while_closing", 1, 1)]);
    }

    #[test]
    fn a_port_that_somebody_served_is_no_scan() {
        let report = report(vec![event(Some("tomcat"), "refused", "sent", 1, &json!({}))], &[]);
        assert_eq!((report.findings.len(), report.benign.len()), (1, 0));
    }

    #[test]
    fn what_the_filter_leaves_out_is_counted() {
        let events = vec![event(Some("java"), "peer_reset", "received", 1, &json!({}))];
        let report = report(events, &["process=nginx"]);
        assert_eq!((report.events, report.excluded), (0, 1));
    }
}
