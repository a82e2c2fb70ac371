//! Who watches for resets while something is measured.

use super::{
    accounts::sum,
    daemon::{Daemon, Setup},
    namespace::Namespace,
    peer::{Peer, Seen, Tool},
    traffic::CLOSED_PORT,
};
use std::path::Path;

/// One who might.
#[derive(Clone, Copy, Debug)]
pub(super) enum Watcher {
    Nobody,
    Rstmon(&'static str, Setup),
    Tool(Tool),
}

impl Watcher {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Rstmon(name, _) => name,
            Self::Tool(tool) => tool.name(),
        }
    }

    /// Has it watch.
    pub(super) fn start(self, binary: &Path, namespace: &Namespace) -> anyhow::Result<Watching> {
        Ok(match self {
            Self::Nobody => Watching::Nobody,
            Self::Rstmon(_, setup) => {
                let daemon = Daemon::start(binary, setup)?;
                let before = daemon.scrape()?;
                Watching::Rstmon { daemon, before }
            }
            Self::Tool(tool) => Watching::Tool(Peer::start(tool, namespace)?),
        })
    }
}

/// One who does.
#[derive(Debug)]
pub(super) enum Watching {
    Nobody,
    Rstmon { daemon: Daemon, before: String },
    Tool(Peer),
}

impl Watching {
    /// Its process.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Nobody => None,
            Self::Rstmon { daemon, .. } => Some(daemon.pid()),
            Self::Tool(peer) => Some(peer.pid()),
        }
    }

    /// Waits until it has worked through what it has gathered.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Rstmon { daemon, .. } => daemon.settle(),
            Self::Tool(peer) => peer.settle(),
        }
    }

    /// Ends it, and takes its account of refused connections.
    pub(super) fn stop(self) -> anyhow::Result<Option<Seen>> {
        match self {
            Self::Nobody => Ok(None),
            Self::Tool(peer) => peer.stop().map(Some),
            Self::Rstmon { daemon, before } => {
                let after = daemon.scrape()?;
                daemon.stop()?;
                seen(&before, &after).map(Some)
            }
        }
    }
}

/// Resets that were counted, and events that nobody saw: those are two matters for rstmon.
fn seen(before: &str, after: &str) -> anyhow::Result<Seen> {
    let port = format!("port=\"{CLOSED_PORT}\"");
    let grown = |family, labels: &[&str]| -> anyhow::Result<u64> {
        Ok(whole(sum(after, family, labels)? - sum(before, family, labels)?))
    };
    Ok(Seen {
        resets: grown("rstmon_resets_total", &["direction=\"sent\"", &port])?,
        lost: Some(grown("rstmon_events_lost_total", &[])?),
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter's growth")]
fn whole(count: f64) -> u64 {
    count.max(0.0).round() as u64
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
        assert_eq!(seen(before, after).expect("numbers"), Seen { resets: 7, lost: Some(6) });
    }
}
