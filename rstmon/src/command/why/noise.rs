//! Resets that need no action: benign ones, probes of closed ports, health checks. Pure.

use super::joined::{JoinedReset, ResetOwner};
use crate::{
    explain::{Cause, CauseId, Severity},
    model::Role,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

/// An address that was refused at this many ports is scanning.
const SCANNED_PORTS: usize = 5;
/// An address that was refused at one port this often, and does not scan, wants a service that is not there.
const INSISTENT: u64 = 3;
/// An owner that this often ends its connections to one address benignly, after an answer, checks its health.
const CHECKS: u64 = 3;
/// Ports that a summary names.
const PORTS: usize = 8;

/// Why a reset needs no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NoiseKind {
    /// The configuration says that the operator expects it.
    Expected,
    /// The severity of the reset is benign.
    Benign,
    /// A scan, or a stray attempt, of ports that no process of this host is known to have served.
    Probe,
    /// Opened and reset without a byte either way; or reset after an answer, again and again.
    HealthCheck,
}

impl NoiseKind {
    /// The words that continue a summary's title, in parentheses.
    pub(super) const fn phrase(self) -> &'static str {
        match self {
            Self::Expected => "expected by the configuration",
            Self::Benign => "benign",
            Self::Probe => "port scans and stray attempts",
            Self::HealthCheck => "health checks: reset without a request, or with its answer received",
        }
    }
}

/// The resets of one cause that need no action for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NoiseSummary {
    pub(super) cause: CauseId,
    pub(super) title: &'static str,
    pub(super) noise: NoiseKind,
    pub(super) count: u64,
    /// Service ports, ascending, at most eight.
    pub(super) ports: Vec<u16>,
    pub(super) distinct_ports: usize,
    pub(super) distinct_remotes: usize,
}

/// Distinguishes noise from what needs action. It looks at all resets first, because a scan shows only in all of them
/// together.
pub(super) struct NoiseFilter {
    scanners: HashSet<IpAddr>,
    insistent: HashSet<(IpAddr, u16)>,
    /// How often each end with a check's resets met each address.
    checks: HashMap<(ResetOwner, IpAddr), u64>,
}

impl NoiseFilter {
    pub(super) fn new(resets: &[JoinedReset]) -> Self {
        let mut attempts: HashMap<(IpAddr, u16), u64> = HashMap::new();
        let mut ports: HashMap<IpAddr, usize> = HashMap::new();
        let mut checks: HashMap<(ResetOwner, IpAddr), u64> = HashMap::new();
        for reset in resets.iter().filter(|reset| may_be_a_check(reset)) {
            *checks.entry((reset.owner.clone(), reset.remote)).or_default() += 1;
        }
        for reset in resets.iter().filter(|reset| reset.is_unowned_refusal()) {
            let count = attempts.entry(target(reset)).or_default();
            *count += 1;
            if *count == 1 {
                *ports.entry(reset.remote).or_default() += 1;
            }
        }
        Self {
            scanners: ports
                .into_iter()
                .filter(|(_, ports)| *ports >= SCANNED_PORTS)
                .map(|(remote, _)| remote)
                .collect(),
            insistent: attempts
                .into_iter()
                .filter(|(_, count)| *count >= INSISTENT)
                .map(|(target, _)| target)
                .collect(),
            checks,
        }
    }

    /// Why a reset needs no action; `None` where it needs one.
    pub(super) fn classify(&self, reset: &JoinedReset) -> Option<NoiseKind> {
        if reset.event.expected.is_some() {
            return Some(NoiseKind::Expected);
        }
        if self.is_health_check(reset) {
            return Some(NoiseKind::HealthCheck);
        }
        if reset.severity == Severity::Benign {
            return Some(NoiseKind::Benign);
        }
        if reset.is_unowned_refusal() {
            let wanted = self.insistent.contains(&target(reset)) && !self.scanners.contains(&reset.remote);
            return (!wanted).then_some(NoiseKind::Probe);
        }
        None
    }

    fn is_health_check(&self, reset: &JoinedReset) -> bool {
        if !may_be_a_check(reset) {
            return false;
        }
        let evidence = &reset.event.evidence;
        let repeated = || self.checks.get(&(reset.owner.clone(), reset.remote)).is_some_and(|count| *count >= CHECKS);
        // Without a request one is enough; an answered one is a check where it repeats.
        (evidence.sent_bytes == Some(0) && evidence.received_bytes == Some(0))
            || (reset.severity == Severity::Benign && repeated())
    }
}

fn target(reset: &JoinedReset) -> (IpAddr, u16) {
    (reset.remote, reset.event.local.port)
}

/// Whether the event can be of a health check, at the checker's end or at the checked one. A server that aborts a
/// connection that it accepted is no health check.
fn may_be_a_check(reset: &JoinedReset) -> bool {
    matches!(
        (reset.event.cause.known(), reset.event.role),
        (Some(Cause::LingerAbort), Some(Role::Opened)) | (Some(Cause::PeerReset), Some(Role::Accepted))
    )
}

/// One summary for each cause and kind of noise.
pub(super) fn summaries(noise: &[(NoiseKind, &JoinedReset)]) -> Vec<NoiseSummary> {
    let mut groups: BTreeMap<(CauseId, NoiseKind), Vec<&JoinedReset>> = BTreeMap::new();
    for &(noise, reset) in noise {
        groups.entry((reset.cause, noise)).or_default().push(reset);
    }
    let summary = |((cause, noise), resets): ((CauseId, NoiseKind), Vec<&JoinedReset>)| {
        let ports: BTreeSet<u16> = resets.iter().filter_map(|reset| reset.owner.port).collect();
        let remotes: HashSet<IpAddr> = resets.iter().map(|reset| reset.remote).collect();
        NoiseSummary {
            cause,
            title: cause.entry().title,
            noise,
            count: resets.len() as u64,
            distinct_ports: ports.len(),
            ports: ports.into_iter().take(PORTS).collect(),
            distinct_remotes: remotes.len(),
        }
    };
    groups.into_iter().map(summary).collect()
}

#[cfg(test)]
mod tests {
    use super::{NoiseFilter, NoiseKind};
    use crate::{
        command::why::{
            joined::joined_resets,
            testing::{event, received_from},
        },
        event::{Event, filter::Filter},
    };
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn classified(events: &[Arc<Event>]) -> Vec<Option<NoiseKind>> {
        let (resets, _) = joined_resets(events, &Filter::default());
        let filter = NoiseFilter::new(&resets);
        resets.iter().map(|reset| filter.classify(reset)).collect()
    }

    fn attempt(remote: &str, port: u16) -> Arc<Event> {
        let ends = json!({
            "local": {"address": "10.0.0.1", "port": port}, "remote": {"address": remote, "port": 5000},
            "service_port": port, "owner": Value::Null,
        });
        event(None, "refused", "sent", 1, &ends)
    }

    #[test]
    fn scans_and_stray_attempts_are_noise_and_insistence_is_not() {
        let scan: Vec<_> = (1..=5).flat_map(|port| [attempt("10.0.0.9", port), attempt("10.0.0.9", 1)]).collect();
        assert!(classified(&scan).iter().all(|noise| *noise == Some(NoiseKind::Probe)), "{:?}", classified(&scan));
        let stray = [attempt("10.0.0.8", 80), attempt("10.0.0.8", 80), attempt("10.0.0.7", 80)];
        assert_eq!(classified(&stray), [Some(NoiseKind::Probe); 3]);
        let wanted = [attempt("10.0.0.8", 80), attempt("10.0.0.8", 80), attempt("10.0.0.8", 80)];
        assert_eq!(classified(&wanted), [None; 3]);
    }

    #[test]
    fn a_port_with_a_known_owner_or_a_local_client_is_no_probe() {
        assert_eq!(classified(&[event(Some("tomcat"), "refused", "sent", 1, &json!({}))]), [None]);
        let sent = attempt("10.0.0.1", 80);
        let received = received_from(&sent, Some("curl"), "refused", 1);
        assert_eq!(classified(&[sent, received]), [None]);
    }

    #[test]
    fn a_connection_without_a_byte_is_a_health_check_unless_the_server_cut_it_off() {
        let of = |cause, direction, role: &str, bytes: u32| {
            let more = json!({"role": role, "evidence": {"sent_bytes": 0, "received_bytes": bytes}});
            event(Some("haproxy"), cause, direction, 1, &more)
        };
        let events = [
            of("linger_abort", "sent", "opened", 0),
            of("peer_reset", "received", "accepted", 0),
            of("linger_abort", "sent", "accepted", 0),
            of("linger_abort", "sent", "opened", 7),
            event(Some("haproxy"), "linger_abort", "sent", 1, &json!({"role": "opened"})),
        ];
        assert_eq!(classified(&events), [Some(NoiseKind::HealthCheck), Some(NoiseKind::HealthCheck), None, None, None]);
    }

    #[test]
    fn expected_resets_are_noise() {
        let expected = json!({"expected": "health checks of the load balancer", "severity": "benign"});
        assert_eq!(
            classified(&[event(Some("lb"), "closed_with_unread_data", "sent", 1, &expected)]),
            [Some(NoiseKind::Expected)]
        );
    }

    #[test]
    fn an_answered_check_is_one_where_it_repeats() {
        let check = |second| {
            let more = json!({
                "role": "opened", "severity": "benign", "evidence": {"sent_bytes": 40, "received_bytes": 120},
            });
            event(Some("haproxy"), "linger_abort", "sent", second, &more)
        };
        assert_eq!(classified(&[check(1), check(2)]), [Some(NoiseKind::Benign); 2]);
        assert_eq!(classified(&[check(1), check(2), check(3)]), [Some(NoiseKind::HealthCheck); 3]);
    }

    #[test]
    fn the_severity_is_that_of_the_event() {
        let of =
            |severity: &str| event(Some("curl"), "closed_with_unread_data", "sent", 1, &json!({"severity": severity}));
        assert_eq!(classified(&[of("benign"), of("notice")]), [Some(NoiseKind::Benign), None]);
    }

    #[test]
    fn benign_causes_are_noise() {
        assert_eq!(
            classified(&[event(Some("lb"), "reset_while_closing", "received", 1, &json!({}))]),
            [Some(NoiseKind::Benign)]
        );
    }
}
