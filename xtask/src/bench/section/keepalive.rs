//! Requests a second over connections that stay open: traffic without resets, as a real server has most of the time.

use crate::bench::{
    accounts::{Account, Accounts},
    daemon::{DEFAULT, Daemon},
    effort::Effort,
    markdown::{table, thousands},
    peer::Tool,
    rounds::interleaved,
    server::{Nginx, whole_seconds},
    spread::{Spread, float, ratios},
    statistics::Statistics,
    traffic::{Range, cpus},
    watcher::Watcher,
};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Each round is short and there are many: the difference is smaller than what a machine does from second to second.
const SECONDS: u32 = 2;
const ROUNDS_MORE: u32 = 3;
const WATCHERS: [Watcher; 3] = [Watcher::Nobody, Watcher::Rstmon("rstmon", DEFAULT), Watcher::Tool(Tool::Dumping)];

/// What watching does to traffic without resets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::bench) struct KeepAlive {
    watchers: Vec<Watched>,
    /// Time in hooks as a share of all CPUs' time, by the kernel's statistics: what the throughput can lose at most by them.
    hooks_share: f64,
    hook_runs_per_request: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Watched {
    watcher: String,
    requests_per_second: Spread,
    ratio: Spread,
}

pub(in crate::bench) fn measure(effort: &Effort) -> anyhow::Result<KeepAlive> {
    let range = Range::new()?;
    let cpus = cpus()?.len();
    let nginx = Nginx::start(&range.namespace)?;
    let time = effort.seconds(SECONDS);
    let requests = || nginx.requests_per_second(time, cpus.saturating_sub(1));
    requests()?;
    let found = interleaved(effort.rounds * ROUNDS_MORE, WATCHERS.len(), |one| {
        let watching = WATCHERS[one].start(&effort.binary, &range.namespace)?;
        let found = requests()?;
        watching.stop()?;
        Ok(found)
    })?;
    let watched = |(watcher, own): (&Watcher, &Vec<f64>)| {
        Some(Watched {
            watcher: watcher.name().to_owned(),
            requests_per_second: Spread::of(own.iter().copied())?,
            ratio: Spread::of(ratios(own, &found[0]))?,
        })
    };
    let watchers = WATCHERS.iter().zip(&found).map(watched).collect::<Option<_>>().context("no round")?;

    // Apart from the rest: the statistics cost something themselves.
    let statistics = Statistics::enable()?;
    let daemon = Daemon::start(&effort.binary, DEFAULT)?;
    let before = Accounts::parse(&daemon.scrape()?)?;
    let per_second = requests()?;
    let spent = Accounts::parse(&daemon.scrape()?)?.since(&before);
    daemon.stop()?;
    drop(statistics);
    nginx.stop()?;
    let seconds = whole_seconds(time);
    let sum = |value: fn(&Account) -> f64| spent.values().map(value).sum::<f64>();
    Ok(KeepAlive {
        watchers,
        hooks_share: sum(|account| account.seconds) / (seconds * float(cpus)),
        hook_runs_per_request: sum(|account| account.runs) / (per_second * seconds),
    })
}

impl KeepAlive {
    /// Requests with rstmon as a share of those without anybody.
    pub(in crate::bench) fn ratio(&self) -> Option<&Spread> {
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
        let row = |one: &Watched| {
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
