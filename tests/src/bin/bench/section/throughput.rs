//! Short connections a second without a reset: the whole cost of owner learning and of tombstones.

use crate::{
    daemon::{DEFAULT, NO_TOMBSTONES},
    effort::Effort,
    markdown::{table, thousands},
    peer::PeerTool,
    rounds::interleaved,
    spread::{Spread, ratios},
    traffic::{Traffic, TrafficRange},
    watcher::Watcher,
};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

const CONNECTIONS: u32 = 8000;
const WATCHERS: [Watcher; 5] = [
    Watcher::Nothing,
    Watcher::Rstmon("rstmon without tombstones", NO_TOMBSTONES),
    Watcher::Rstmon("rstmon", DEFAULT),
    Watcher::Tool(PeerTool::Counting),
    Watcher::Tool(PeerTool::Dumping),
];

/// What watching does to connections without a reset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Throughput {
    connections: u32,
    watchers: Vec<ThroughputWatcher>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ThroughputWatcher {
    watcher: String,
    connections_per_second: Spread,
    ratio: Spread,
    added_ns: Spread,
}

pub(crate) fn measure(effort: Effort) -> Result<Throughput> {
    let range = TrafficRange::new()?;
    let count = effort.count(CONNECTIONS);
    range.run(Traffic::Exchanged, count)?;
    let ns = interleaved(effort.rounds, WATCHERS.len(), |one| {
        let watching = WATCHERS[one].start(range.place())?;
        // The first connections fill caches.
        range.run(Traffic::Exchanged, count / 10)?;
        let taken = range.run(Traffic::Exchanged, count)?;
        watching.stop()?;
        Ok(taken.as_secs_f64() * 1e9 / f64::from(count))
    })?;
    let watchers = WATCHERS.iter().zip(&ns).map(|(watcher, taken)| compare(watcher.name(), taken, &ns[0]));
    Ok(Throughput { connections: count, watchers: watchers.collect::<Option<_>>().context("no round")? })
}

fn compare(watcher: &str, ns: &[f64], alone: &[f64]) -> Option<ThroughputWatcher> {
    Some(ThroughputWatcher {
        watcher: watcher.to_owned(),
        connections_per_second: Spread::of(ns.iter().map(|ns| 1e9 / ns))?,
        ratio: Spread::of(ratios(alone, ns))?,
        added_ns: Spread::of(ns.iter().zip(alone).map(|(ns, alone)| ns - alone))?,
    })
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, watchers } = self;
        writeln!(
            f,
            "{connections} connections, one after the other, on one CPU: opened, a message each way, closed. No reset.\n"
        )?;
        let row = |ThroughputWatcher { watcher, connections_per_second, ratio, added_ns }: &ThroughputWatcher| {
            vec![watcher.clone(), ratio.show(3), thousands(connections_per_second.median), added_ns.show(0)]
        };
        let rows: Vec<_> = watchers.iter().map(row).collect();
        write!(f, "{}", table(&["watched by", "throughput", "connections/s", "added ns a connection"], &rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slower_is_a_ratio_below_one() {
        let found = compare("rstmon", &[1250.0, 2500.0], &[1000.0, 2000.0]).expect("rounds");
        assert_eq!(format!("{:.3} {:.0}", found.ratio.median, found.added_ns.median), "0.800 375");
        assert!(compare("rstmon", &[], &[]).is_none());
    }
}
