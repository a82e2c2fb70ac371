//! Refused connections as fast as all CPUs can make them: what each watcher costs, and what it misses.

use crate::{
    daemon::{DEFAULT, EVERY_EVENT},
    effort::Effort,
    markdown::{table, thousands},
    peer::{PeerTool, ResetsSeen},
    rounds::interleaved,
    say,
    spread::{Spread, float, ratios, show},
    traffic::{TrafficRange, cpus},
    watcher::{RunningWatcher, Watcher},
};
use anyhow::{Context as _, Result};
use rstmon_tests::vitals::{self, CpuUsage};
use serde::{Deserialize, Serialize};
use std::fmt;

/// rstmon as installed.
pub(crate) const RSTMON: &str = "rstmon";

/// What watching does to a flood of resets, and the flood to the watchers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Flood {
    cpus: usize,
    seconds: f64,
    pub(crate) watchers: Vec<FloodWatcher>,
    /// Tools that do not work on this kernel, and why.
    refused: Vec<(String, String)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FloodWatcher {
    pub(crate) watcher: String,
    connections_per_second: Spread,
    pub(crate) ratio: Spread,
    /// Per cent of one CPU, user and system, until it has worked through everything; absent without a watcher.
    cpu_percent: Option<Spread>,
    cpu_us_per_reset: Option<Spread>,
    peak_mib: Option<Spread>,
    /// Resets that the kernel counted in the namespace meanwhile, all rounds together.
    kernel: u64,
    seen: u64,
    /// What it reports as lost itself: for rstmon, events.
    said_lost: Option<u64>,
    /// Per cent of the kernel's resets that it did not see.
    missed_percent: Option<Spread>,
}

#[derive(Clone, Copy, Debug, Default)]
struct FloodRound {
    per_second: f64,
    seconds: f64,
    cpu_ns: f64,
    peak_kib: f64,
    kernel: u64,
    seen: Option<ResetsSeen>,
}

pub(crate) fn measure(effort: Effort) -> Result<Flood> {
    let range = TrafficRange::new()?;
    let cpus = cpus()?.len();
    let mut watchers =
        vec![Watcher::Nothing, Watcher::Rstmon(RSTMON, DEFAULT), Watcher::Rstmon("rstmon, every event", EVERY_EVENT)];
    let mut refused = Vec::new();
    for tool in PeerTool::PEERS {
        match Watcher::Tool(tool).start(range.place()).and_then(RunningWatcher::stop) {
            Ok(_) => watchers.push(Watcher::Tool(tool)),
            Err(error) => {
                say(format_args!("bench: {} does not work here: {error:#}", tool.name()));
                refused.push((tool.name().to_owned(), format!("{error:#}")));
            }
        }
    }
    let time = effort.seconds(2);
    range.flood(cpus, time)?;
    let rounds = interleaved(effort.rounds, watchers.len(), |one| {
        let watching = watchers[one].start(range.place())?;
        let pid = watching.pid();
        let used = || pid.map_or(Ok(CpuUsage::default()), CpuUsage::of);
        let (resets, before) = (range.resets_sent()?, used()?);
        let per_second = range.flood(cpus, time)?;
        watching.settle()?;
        let cpu_ns = float(used()?.since(before).cpu_ns);
        let peak_kib = float(pid.map_or(Ok(0), vitals::peak_kib)?);
        let kernel = range.resets_sent()? - resets;
        let seen = watching.stop()?;
        Ok(FloodRound { per_second, seconds: time.as_secs_f64(), cpu_ns, peak_kib, kernel, seen })
    })?;
    let watchers = watchers.iter().zip(&rounds).map(|(watcher, own)| watched(watcher.name(), own, &rounds[0]));
    Ok(Flood {
        cpus,
        seconds: time.as_secs_f64(),
        watchers: watchers.collect::<Option<_>>().context("no round")?,
        refused,
    })
}

fn watched(watcher: &str, rounds: &[FloodRound], alone: &[FloodRound]) -> Option<FloodWatcher> {
    let speed = |rounds: &[FloodRound]| rounds.iter().map(|round| round.per_second).collect::<Vec<_>>();
    let seen = |round: &FloodRound| round.seen.map_or(0, |seen| seen.resets);
    let has_watcher = rounds.iter().any(|round| round.seen.is_some());
    let figure = |value: fn(&FloodRound) -> f64| if has_watcher { Spread::of(rounds.iter().map(value)) } else { None };
    Some(FloodWatcher {
        watcher: watcher.to_owned(),
        connections_per_second: Spread::of(speed(rounds))?,
        ratio: Spread::of(ratios(&speed(rounds), &speed(alone)))?,
        cpu_percent: figure(|round| round.cpu_ns / 1e7 / round.seconds),
        cpu_us_per_reset: figure(|round| round.cpu_ns / 1e3 / float(round.kernel)),
        peak_mib: figure(|round| round.peak_kib / 1024.0),
        kernel: rounds.iter().map(|round| round.kernel).sum(),
        seen: rounds.iter().map(seen).sum(),
        said_lost: rounds.iter().filter_map(|round| round.seen?.lost).reduce(|one, other| one + other),
        missed_percent: figure(|round| {
            (float(round.kernel) - float(round.seen.map_or(0, |seen| seen.resets))) / float(round.kernel) * 100.0
        }),
    })
}

impl Flood {
    /// Throughput that a watcher costs, as a share of the throughput without one.
    pub(crate) fn loss(&self, watcher: &str) -> Option<f64> {
        let found = self.watchers.iter().find(|one| one.watcher == watcher)?;
        Some(1.0 - found.ratio.median)
    }
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpus, seconds, watchers, refused } = self;
        writeln!(
            f,
            "{cpus} CPUs make refused connections for {seconds} s, as fast as they can; a watcher competes for the same CPUs.\n"
        )?;
        let row = |one: &FloodWatcher| {
            vec![
                one.watcher.clone(),
                one.ratio.show(3),
                thousands(one.connections_per_second.median),
                show(one.cpu_percent.as_ref(), 1),
                show(one.cpu_us_per_reset.as_ref(), 2),
                show(one.peak_mib.as_ref(), 1),
            ]
        };
        let head = [
            "watched by",
            "throughput",
            "connections/s",
            "its CPU, % of one",
            "its CPU, us a reset",
            "its peak memory, MiB",
        ];
        writeln!(f, "{}", table(&head, &watchers.iter().map(row).collect::<Vec<_>>()))?;
        writeln!(
            f,
            "What each has seen, against the kernel's own count of resets sent in that network namespace, all rounds together:\n"
        )?;
        let row = |one: &FloodWatcher| {
            let (kernel, seen) = (float(one.kernel), float(one.seen));
            one.missed_percent.as_ref().map(|missed| {
                let said = one.said_lost.map_or_else(|| "-".to_owned(), |lost| thousands(float(lost)));
                vec![
                    one.watcher.clone(),
                    thousands(kernel),
                    thousands(seen),
                    thousands(kernel - seen),
                    missed.show(2),
                    said,
                ]
            })
        };
        let head = ["watched by", "resets sent", "seen", "missed", "missed, %", "says it lost"];
        write!(f, "{}", table(&head, &watchers.iter().filter_map(row).collect::<Vec<_>>()))?;
        writeln!(
            f,
            "\nrstmon sees a reset by counting it. What it says it lost are events, of resets sent and received: beyond the \
             rate limit, or beyond the ring buffer.\n\nThe tools are run as:\n"
        )?;
        for tool in PeerTool::PEERS {
            writeln!(f, "- {}: `{}`", tool.name(), tool.command_line())?;
        }
        for (tool, reason) in refused {
            writeln!(f, "\n{tool} does not work on this kernel: {}", reason.replace('\n', " "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_is_what_the_kernel_has_more() {
        let alone = [FloodRound { per_second: 1000.0, seconds: 1.0, kernel: 1000, ..FloodRound::default() }];
        let seen = Some(ResetsSeen { resets: 600, lost: Some(150) });
        let own = [FloodRound { per_second: 800.0, seconds: 1.0, cpu_ns: 5e8, peak_kib: 2048.0, kernel: 800, seen }];
        let found = watched("tool", &own, &alone).expect("rounds");
        let median = |spread: &Option<Spread>| spread.map(|spread| spread.median);
        assert_eq!(found.ratio.median.to_string(), "0.8");
        assert_eq!(median(&found.cpu_percent), Some(50.0));
        assert_eq!(median(&found.missed_percent), Some(25.0));
        assert_eq!((found.kernel, found.seen, found.said_lost), (800, 600, Some(150)));

        let unwatched = watched("no watcher", &alone, &alone).expect("rounds");
        assert!(unwatched.cpu_percent.is_none() && unwatched.missed_percent.is_none());
        let flood = Flood { cpus: 2, seconds: 1.0, watchers: vec![unwatched, found], refused: Vec::new() };
        assert_eq!(flood.loss("tool").map(|loss| format!("{loss:.2}")), Some("0.20".to_owned()));
        assert_eq!(flood.loss("no watcher"), Some(0.0));
        assert_eq!(flood.loss("another tool"), None);
    }
}
