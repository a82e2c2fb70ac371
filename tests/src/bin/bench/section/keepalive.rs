//! Requests a second over connections that stay open: traffic without resets, which is most of a server's traffic.

use crate::{
    daemon::{self, DEFAULT},
    effort::Effort,
    markdown::{table, thousands},
    peer::PeerTool,
    rounds::interleaved,
    runtime::{HookRuntime, HookRuntimes},
    spread::{Spread, float, ratios},
    statistics::BpfStatistics,
    traffic::{TrafficRange, cpus},
    watcher::Watcher,
    wrk::{self, whole_seconds},
};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Rounds are short and many: the difference is smaller than the changes of a machine's speed from second to second.
const SECONDS: u32 = 2;
const ROUNDS_MORE: u32 = 3;
const WATCHERS: [Watcher; 3] = [Watcher::Nothing, Watcher::Rstmon("rstmon", DEFAULT), Watcher::Tool(PeerTool::Dumping)];

/// What watching does to traffic without resets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeepAlive {
    watchers: Vec<KeepAliveWatcher>,
    /// Time in hooks as a share of all CPUs' time, by the kernel's statistics: the most that the hooks can cost in
    /// throughput.
    hooks_share: f64,
    hook_runs_per_request: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeepAliveWatcher {
    watcher: String,
    requests_per_second: Spread,
    ratio: Spread,
}

pub(crate) fn measure(effort: Effort) -> Result<KeepAlive> {
    let range = TrafficRange::new()?;
    let cpus = cpus()?.len();
    let nginx = wrk::start_nginx(range.place())?;
    let time = effort.seconds(SECONDS);
    let requests = || wrk::requests_per_second(range.place(), &nginx, time, cpus.saturating_sub(1));
    requests()?;
    let found = interleaved(effort.rounds * ROUNDS_MORE, WATCHERS.len(), |one| {
        let watching = WATCHERS[one].start(range.place())?;
        let found = requests()?;
        watching.stop()?;
        Ok(found)
    })?;
    let watched = |(watcher, own): (&Watcher, &Vec<f64>)| {
        Some(KeepAliveWatcher {
            watcher: watcher.name().to_owned(),
            requests_per_second: Spread::of(own.iter().copied())?,
            ratio: Spread::of(ratios(own, &found[0]))?,
        })
    };
    let watchers = WATCHERS.iter().zip(&found).map(watched).collect::<Option<_>>().context("no round")?;

    // Not in the rounds above: the statistics have a cost of their own.
    let statistics = BpfStatistics::enable()?;
    let (daemon, _) = daemon::start(DEFAULT)?;
    let before = HookRuntimes::of(&daemon.scrape()?);
    let per_second = requests()?;
    let spent = HookRuntimes::of(&daemon.scrape()?).since(&before);
    daemon.stop()?;
    drop(statistics);
    let seconds = whole_seconds(time);
    let sum = |value: fn(&HookRuntime) -> f64| spent.values().map(value).sum::<f64>();
    Ok(KeepAlive {
        watchers,
        hooks_share: sum(|runtime| runtime.seconds) / (seconds * float(cpus)),
        hook_runs_per_request: sum(|runtime| runtime.runs) / (per_second * seconds),
    })
}

impl KeepAlive {
    /// Requests a second with rstmon, divided by those without a watcher.
    pub(crate) fn ratio(&self) -> Option<&Spread> {
        self.watchers.iter().find(|one| one.watcher == "rstmon").map(|one| &one.ratio)
    }
}

impl fmt::Display for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { watchers, hooks_share, hook_runs_per_request } = self;
        writeln!(
            f,
            "nginx with one worker on one CPU, wrk with 32 connections that stay open on another; 16 bytes an answer.\n"
        )?;
        let row = |one: &KeepAliveWatcher| {
            vec![
                one.watcher.clone(),
                one.ratio.show(4),
                thousands(one.requests_per_second.median),
                one.ratio.rounds.to_string(),
            ]
        };
        let rows: Vec<_> = watchers.iter().map(row).collect();
        writeln!(f, "{}", table(&["watched by", "throughput", "requests/s", "rounds"], &rows))?;
        writeln!(
            f,
            "By the kernel's statistics, which cost something themselves, hooks run {hook_runs_per_request:.2} times a request, \
             both ends, and take {:.2} % of the CPUs' time.",
            hooks_share * 100.0
        )
    }
}
