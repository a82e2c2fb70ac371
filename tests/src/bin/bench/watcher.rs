//! What watches for resets while something is measured: rstmon, another tool, or nothing.

use crate::{
    daemon,
    peer::{PeerTool, ResetsSeen, RunningPeer},
    traffic::CLOSED_PORT,
};
use anyhow::Result;
use rstmon_tests::{daemon::DaemonProcess, metrics::Metrics, netns::NetworkPlace};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Watcher {
    /// What the others are compared with.
    Nothing,
    /// rstmon, by its name in the report and its configuration.
    Rstmon(&'static str, &'static str),
    Tool(PeerTool),
}

impl Watcher {
    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no watcher",
            Self::Rstmon(name, _) => name,
            Self::Tool(tool) => tool.name(),
        }
    }

    pub(crate) fn start(self, place: &NetworkPlace) -> Result<RunningWatcher> {
        Ok(match self {
            Self::Nothing => RunningWatcher::Nothing,
            Self::Rstmon(_, toml) => {
                let (daemon, _) = daemon::start(toml)?;
                let before = daemon.scrape()?;
                RunningWatcher::Rstmon { daemon, before }
            }
            Self::Tool(tool) => RunningWatcher::Tool(RunningPeer::start(tool, place)?),
        })
    }
}

#[derive(Debug)]
pub(crate) enum RunningWatcher {
    Nothing,
    Rstmon { daemon: DaemonProcess, before: Metrics },
    Tool(RunningPeer),
}

impl RunningWatcher {
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Nothing => None,
            Self::Rstmon { daemon, .. } => Some(daemon.pid()),
            Self::Tool(peer) => Some(peer.pid()),
        }
    }

    /// Waits until it has worked through what it has gathered.
    pub(crate) fn settle(&self) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Rstmon { daemon, .. } => daemon::settle(daemon),
            Self::Tool(peer) => peer.settle(),
        }
    }

    /// Ends it. Returns the refused connections that it has seen.
    pub(crate) fn stop(self) -> Result<Option<ResetsSeen>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Tool(peer) => peer.stop().map(Some),
            Self::Rstmon { daemon, before } => {
                let after = daemon.scrape()?;
                daemon.stop()?;
                Ok(Some(seen(&before, &after)))
            }
        }
    }
}

/// Resets that rstmon counted, and events that it lost: a lost event is a reset that was counted all the same.
fn seen(before: &Metrics, after: &Metrics) -> ResetsSeen {
    let port = CLOSED_PORT.to_string();
    let grown =
        |family, labels: &[(&str, &str)]| after.count(family, labels).saturating_sub(before.count(family, labels));
    ResetsSeen {
        resets: grown("rstmon_resets_total", &[("direction", "sent"), ("port", &port)]),
        lost: Some(grown("rstmon_events_lost_total", &[])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_since_and_only_what_was_sent_counts() {
        let before = "rstmon_resets_total{direction=\"sent\",port=\"9\"} 5\n";
        let after = "rstmon_resets_total{direction=\"sent\",port=\"9\"} 12
rstmon_resets_total{direction=\"sent\",port=\"80\"} 3
rstmon_resets_total{direction=\"received\",port=\"9\"} 7
rstmon_events_lost_total{why=\"rate_limited\"} 4
rstmon_events_lost_total{why=\"ring_full\"} 2
";
        let parse = |text| Metrics::parse(text).expect("well-formed");
        assert_eq!(seen(&parse(before), &parse(after)), ResetsSeen { resets: 7, lost: Some(6) });
    }
}
