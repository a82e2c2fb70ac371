//! Connections a second with and without somebody watching for resets. Rounds of all watchers are interleaved, each
//! round is held against the one without a watcher next to it: what else the machine does meets all alike.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use super::{
    daemon::{Daemon, Setup},
    numbers::{float, median},
    peer::{Peer, TOOLS, Tool},
    traffic::{Range, Traffic},
};
use crate::{lookup, say};

/// What is measured, and connections of it in a round.
const LOADS: [(Traffic, u32); 2] = [(Traffic::Refused, 20_000), (Traffic::Exchanged, 6000)];
const EVERY_EVENT: Setup = Setup { toml: "[events]\nrate_per_second = 0\n", flags: &[] };

/// Who watches.
#[derive(Clone, Debug)]
enum Watcher {
    Nobody,
    Rstmon(Setup),
    Tool(Tool, std::path::PathBuf),
}

/// One watcher under one load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Throughput {
    pub(super) traffic: Traffic,
    pub(super) watcher: &'static str,
    /// Median.
    pub(super) connections_per_second: f64,
    /// Median of the rounds' ratios to the round without a watcher.
    pub(super) ratio: f64,
    /// Median of what a connection takes longer than without a watcher.
    pub(super) added_us: f64,
}

pub(super) fn measure(binary: &Path, rounds: u32) -> anyhow::Result<Vec<Throughput>> {
    let mut range = Range::new()?;
    let mut watchers = vec![
        ("nobody", Watcher::Nobody),
        ("rstmon", Watcher::Rstmon(Setup::default())),
        ("rstmon, every event", Watcher::Rstmon(EVERY_EVENT)),
    ];
    for tool in TOOLS {
        match lookup::find(tool.program) {
            Some(path) => watchers.push((tool.program, Watcher::Tool(tool, path))),
            None => say::line(format_args!("bench: no {} to compare with", tool.program)),
        }
    }
    watch(&Watcher::Nobody, binary, &mut range)?;

    let mut seconds: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
    for round in 0..rounds as usize {
        for turn in 0..watchers.len() {
            // Each watcher comes first, second... in turn.
            let watcher = (round + turn) % watchers.len();
            for (load, taken) in watch(&watchers[watcher].1, binary, &mut range)?.into_iter().enumerate() {
                seconds.entry((load, watcher)).or_default().push(taken);
            }
        }
    }
    let figures = |(&(load, watcher), taken): (&(usize, usize), &Vec<f64>)| {
        let ((traffic, count), (watcher, _)) = (LOADS[load], &watchers[watcher]);
        compare(traffic, watcher, float(count.into()), taken, seconds.get(&(load, 0))?)
    };
    Ok(seconds.iter().filter_map(figures).collect())
}

/// Seconds that each load takes while somebody watches.
fn watch(watcher: &Watcher, binary: &Path, range: &mut Range) -> anyhow::Result<[f64; LOADS.len()]> {
    match watcher {
        Watcher::Nobody => loads(range),
        Watcher::Rstmon(setup) => {
            let daemon = Daemon::start(binary, *setup)?;
            let taken = loads(range)?;
            daemon.stop()?;
            Ok(taken)
        }
        Watcher::Tool(tool, path) => {
            let peer = Peer::start(*tool, path, || range.run(Traffic::Refused, 1).map(drop))?;
            let taken = loads(range)?;
            peer.stop()?;
            Ok(taken)
        }
    }
}

fn loads(range: &mut Range) -> anyhow::Result<[f64; LOADS.len()]> {
    let mut taken = [0.0; LOADS.len()];
    for (taken, (traffic, count)) in taken.iter_mut().zip(LOADS) {
        // The first connections fill caches.
        range.run(traffic, count / 20)?;
        *taken = range.run(traffic, count)?.as_secs_f64();
    }
    Ok(taken)
}

/// Rounds of a watcher against those of nobody. `None` without rounds.
fn compare(traffic: Traffic, watcher: &'static str, count: f64, taken: &[f64], alone: &[f64]) -> Option<Throughput> {
    let pairs = || taken.iter().zip(alone);
    Some(Throughput {
        traffic,
        watcher,
        connections_per_second: median(taken.iter().map(|seconds| count / seconds))?,
        ratio: median(pairs().map(|(seconds, alone)| alone / seconds))?,
        added_us: median(pairs().map(|(seconds, alone)| (seconds - alone) / count * 1e6))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_is_held_against_its_neighbour() {
        // The machine was half as fast in the second round: the ratio does not see it.
        let found = compare(Traffic::Refused, "rstmon", 100.0, &[1.25, 2.5, 1.25], &[1.0, 2.0, 1.0]).expect("rounds");
        assert!((found.connections_per_second - 80.0).abs() < 1e-9, "found {found:?}");
        assert!((found.ratio - 0.8).abs() < 1e-9, "found {found:?}");
        assert!((found.added_us - 2500.0).abs() < 1e-6, "found {found:?}");
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        assert_eq!(compare(Traffic::Refused, "rstmon", 100.0, &[], &[]), None);
    }
}
