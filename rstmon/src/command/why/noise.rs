//! Stories that need nobody: benign causes, probes of closed ports, health checks. Pure.

use super::stories::Story;
use crate::{
    explain::{Cause, Severity},
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
/// Ports that a sum names.
const PORTS: usize = 8;

/// Why a story needs nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Noise {
    /// The catalogue says so.
    Benign,
    /// A scan, or a stray attempt, of ports that nobody here is known to have served.
    Probe,
    /// Opened and reset without a byte either way.
    HealthCheck,
}

impl Noise {
    /// In words.
    pub(super) const fn phrase(self) -> &'static str {
        match self {
            Self::Benign => "benign",
            Self::Probe => "port scans and stray attempts",
            Self::HealthCheck => "health checks: reset before a byte was exchanged",
        }
    }
}

/// Resets of one cause that need no attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Benign {
    pub(super) cause: Cause,
    pub(super) title: &'static str,
    /// Why they need none.
    pub(super) noise: Noise,
    pub(super) count: u64,
    /// Service ports, ascending, at most eight.
    pub(super) ports: Vec<u16>,
    pub(super) distinct_ports: usize,
    pub(super) distinct_remotes: usize,
}

/// Tells noise from the rest: a scan shows only in all stories together.
pub(super) struct Ear {
    scanners: HashSet<IpAddr>,
    insistent: HashSet<(IpAddr, u16)>,
}

impl Ear {
    /// Listens to all stories.
    pub(super) fn on(stories: &[Story]) -> Self {
        let mut attempts: HashMap<(IpAddr, u16), u64> = HashMap::new();
        let mut ports: HashMap<IpAddr, usize> = HashMap::new();
        for story in stories.iter().filter(|story| story.is_unowned_refusal()) {
            let count = attempts.entry(target(story)).or_default();
            *count += 1;
            if *count == 1 {
                *ports.entry(story.remote).or_default() += 1;
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
        }
    }

    /// Whether a story needs nobody, and why.
    pub(super) fn noise(&self, story: &Story) -> Option<Noise> {
        if story.severity == Severity::Benign {
            return Some(Noise::Benign);
        }
        if story.is_unowned_refusal() {
            let wanted = self.insistent.contains(&target(story)) && !self.scanners.contains(&story.remote);
            return (!wanted).then_some(Noise::Probe);
        }
        is_health_check(story).then_some(Noise::HealthCheck)
    }
}

fn target(story: &Story) -> (IpAddr, u16) {
    (story.remote, story.event.local.port)
}

/// The checker's end or the checked one's. A server that aborts what it accepted is no health check.
fn is_health_check(story: &Story) -> bool {
    let evidence = &story.event.evidence;
    let checks = matches!(
        (story.event.cause, story.event.role),
        (Cause::LingerAbort, Some(Role::Opened)) | (Cause::PeerReset, Some(Role::Accepted))
    );
    checks && evidence.sent_bytes == Some(0) && evidence.received_bytes == Some(0)
}

/// One sum for each cause and kind of noise.
pub(super) fn sum_up(noise: &[(Noise, &Story)]) -> Vec<Benign> {
    let mut sums: BTreeMap<(Cause, Noise), Vec<&Story>> = BTreeMap::new();
    for &(noise, story) in noise {
        sums.entry((story.cause, noise)).or_default().push(story);
    }
    let sum = |((cause, noise), stories): ((Cause, Noise), Vec<&Story>)| {
        let ports: BTreeSet<u16> = stories.iter().filter_map(|story| story.who.port).collect();
        let remotes: HashSet<IpAddr> = stories.iter().map(|story| story.remote).collect();
        Benign {
            cause,
            title: cause.entry().title,
            noise,
            count: stories.len() as u64,
            distinct_ports: ports.len(),
            ports: ports.into_iter().take(PORTS).collect(),
            distinct_remotes: remotes.len(),
        }
    };
    sums.into_iter().map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::{Ear, Noise};
    use crate::{
        command::why::{
            stories::stories,
            testing::{event, received_from},
        },
        event::{Event, filter::Filter},
    };
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn heard(events: &[Arc<Event>]) -> Vec<Option<Noise>> {
        let (stories, _) = stories(events, &Filter::default());
        let ear = Ear::on(&stories);
        stories.iter().map(|story| ear.noise(story)).collect()
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
        assert!(heard(&scan).iter().all(|noise| *noise == Some(Noise::Probe)), "{:?}", heard(&scan));
        let stray = [attempt("10.0.0.8", 80), attempt("10.0.0.8", 80), attempt("10.0.0.7", 80)];
        assert_eq!(heard(&stray), [Some(Noise::Probe); 3]);
        let wanted = [attempt("10.0.0.8", 80), attempt("10.0.0.8", 80), attempt("10.0.0.8", 80)];
        assert_eq!(heard(&wanted), [None; 3]);
    }

    #[test]
    fn a_port_that_somebody_served_or_somebody_here_wanted_is_no_probe() {
        assert_eq!(heard(&[event(Some("tomcat"), "refused", "sent", 1, &json!({}))]), [None]);
        let sent = attempt("10.0.0.1", 80);
        let received = received_from(&sent, Some("curl"), "refused", 1);
        assert_eq!(heard(&[sent, received]), [None]);
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
        assert_eq!(heard(&events), [Some(Noise::HealthCheck), Some(Noise::HealthCheck), None, None, None]);
    }

    #[test]
    fn benign_causes_are_noise() {
        assert_eq!(
            heard(&[event(Some("lb"), "reset_while_closing", "received", 1, &json!({}))]),
            [Some(Noise::Benign)]
        );
    }
}
