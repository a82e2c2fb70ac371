//! Nanoseconds that the hooks take for a reset and for a connection, from the kernel's BPF run-time statistics, less
//! what a program that does nothing takes: the statistics read the clock twice a run.

use crate::{
    daemon,
    effort::Effort,
    markdown::{table, thousands},
    peer::{PeerTool, RunningPeer},
    rounds::interleaved,
    runtime::{HookRuntime, HookRuntimes},
    spread::{Spread, float, ratios, show},
    statistics::BpfStatistics,
    traffic::{Traffic, TrafficRange},
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{bpf, daemon::DaemonProcess, metrics::Metrics, wait};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

/// Connections of each sort in a round.
const CONNECTIONS: u32 = 3000;

/// A received reset is counted after its verdict, which takes less than this.
const DEADLINE: Duration = Duration::from_secs(1);

/// Configurations, from the cheapest reset to the most expensive.
const STEPS: [(&str, &str); 4] = [
    ("counting", "[tombstones]\nentries = 0\n[events]\nrate_per_second = 1\n"),
    ("tombstones", "[events]\nrate_per_second = 1\n"),
    ("event", "[tombstones]\nentries = 0\n[events]\nrate_per_second = 0\n"),
    ("both", "[events]\nrate_per_second = 0\n"),
];

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HookCosts {
    connections_of_each_sort: u32,
    pub(crate) empty_ns: Spread,
    /// Resets sent and received, all rounds together, and those of them that rstmon did not count.
    made: f64,
    missing: f64,
    resets: Vec<ResetCost>,
    /// By step, the mean of all sorts of resets.
    pub(crate) mean_net_ns: BTreeMap<String, Spread>,
    /// By step, a connection without a reset.
    pub(crate) connections: BTreeMap<String, ConnectionCost>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ResetCost {
    traffic: Traffic,
    hook: String,
    /// By step, in nanoseconds.
    net_ns: BTreeMap<String, Spread>,
    /// By step, one run divided by a run of an empty program.
    ratio: BTreeMap<String, Spread>,
}

/// All hooks of a connection that ends without a reset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConnectionCost {
    /// Nanoseconds, both ends together.
    pub(crate) net_ns: Spread,
    /// Runs of hooks, both ends together.
    runs: Spread,
    /// The hooks' share of the time that the connection took.
    share: Spread,
}

/// One configuration's round.
#[derive(Clone, Debug, Default)]
struct HookRound {
    runtimes: BTreeMap<(Traffic, String), HookRuntime>,
    exchange_ns: f64,
    resets: f64,
    missing: f64,
}

const EMPTY: &str = "empty";
const HOOKS: [&str; 2] = ["tcp_send_reset", "tcp_receive_reset"];

pub(crate) fn measure(effort: Effort) -> Result<HookCosts> {
    let _statistics = BpfStatistics::enable()?;
    let range = TrafficRange::new()?;
    let count = effort.count(CONNECTIONS);
    let rounds = interleaved(effort.rounds, STEPS.len() + 1, |configuration| match STEPS.get(configuration) {
        Some((_, toml)) => round(toml, &range, count),
        None => empty_program(&range, count),
    })?;
    evaluate(&rounds, count).context("no round")
}

/// The run times of the hooks by sort of connection.
fn round(toml: &str, range: &TrafficRange, count: u32) -> Result<HookRound> {
    let (daemon, _) = daemon::start(toml)?;
    let mut round = HookRound::default();
    for traffic in Traffic::RESETS.into_iter().chain([Traffic::Exchanged]) {
        // The first runs fill caches and maps.
        range.run(traffic, count / 10)?;
        let before = daemon.scrape()?;
        let taken = range.run(traffic, count)?;
        let after = if traffic == Traffic::Exchanged {
            round.exchange_ns = taken.as_secs_f64() * 1e9 / f64::from(count);
            daemon.scrape()?
        } else {
            let (after, missing) = counted(&daemon, &before, count).with_context(|| traffic.describe())?;
            round.resets += 2.0 * f64::from(count);
            round.missing += missing;
            after
        };
        let spent = HookRuntimes::of(&after).since(&HookRuntimes::of(&before));
        round.runtimes.extend(spent.into_iter().map(|(hook, runtime)| ((traffic, hook), runtime)));
    }
    daemon.stop()?;
    Ok(round)
}

/// A scrape in which all resets are counted, and how many are missing in it. A received one may wait for its verdict.
fn counted(daemon: &DaemonProcess, before: &Metrics, count: u32) -> Result<(Metrics, f64)> {
    let started = Instant::now();
    loop {
        let after = daemon.scrape()?;
        let missing = |direction| {
            let counted = |metrics: &Metrics| metrics.sum("rstmon_resets_total", &[("direction", direction)]);
            (f64::from(count) - (counted(&after) - counted(before))).max(0.0)
        };
        let missing = missing("sent") + missing("received");
        if missing == 0.0 || started.elapsed() > DEADLINE {
            let most = f64::from(count) / 100.0;
            ensure!(missing <= most, "rstmon missed {missing} of {count} resets: its costs mean nothing");
            return Ok((after, missing));
        }
        wait::pause();
    }
}

fn empty_program(range: &TrafficRange, count: u32) -> Result<HookRound> {
    let peer = RunningPeer::start(PeerTool::Nothing, range.place())?;
    range.run(Traffic::Refused, count / 10)?;
    let (before_ns, before) = bpf::runs(peer.pid())?;
    range.run(Traffic::Refused, count)?;
    let (after_ns, after) = bpf::runs(peer.pid())?;
    peer.stop()?;
    ensure!(after > before, "the empty program did not run");
    let runtime = HookRuntime { seconds: float(after_ns - before_ns) / 1e9, runs: float(after - before) };
    Ok(HookRound { runtimes: [((Traffic::Refused, EMPTY.to_owned()), runtime)].into(), ..HookRound::default() })
}

/// `None` without rounds.
fn evaluate(rounds: &[Vec<HookRound>], count: u32) -> Option<HookCosts> {
    let of = |round: &HookRound, traffic, hook: &str| {
        round.runtimes.get(&(traffic, hook.to_owned())).map(|runtime| runtime.ns_per_run())
    };
    let empty: Vec<f64> = rounds.last()?.iter().filter_map(|round| of(round, Traffic::Refused, EMPTY)).collect();
    let mut resets = Vec::new();
    let mut totals: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for traffic in Traffic::RESETS {
        for hook in HOOKS {
            let mut cost =
                ResetCost { traffic, hook: hook.to_owned(), net_ns: BTreeMap::new(), ratio: BTreeMap::new() };
            for ((step, _), rounds) in STEPS.iter().zip(rounds) {
                let ns: Vec<f64> = rounds.iter().filter_map(|round| of(round, traffic, hook)).collect();
                let net: Vec<f64> = ns.iter().zip(&empty).map(|(ns, empty)| ns - empty).collect();
                let total = totals.entry((*step).to_owned()).or_insert_with(|| vec![0.0; net.len()]);
                total.iter_mut().zip(&net).for_each(|(total, net)| *total += net);
                cost.net_ns.insert((*step).to_owned(), Spread::of(net)?);
                cost.ratio.insert((*step).to_owned(), Spread::of(ratios(&ns, &empty))?);
            }
            resets.push(cost);
        }
    }
    let sorts = float(resets.len());
    let mean = |(step, total): (String, Vec<f64>)| Some((step, Spread::of(total.into_iter().map(|ns| ns / sorts))?));
    let connections =
        STEPS.iter().zip(rounds).take(2).map(|((step, _), rounds)| {
            connection(rounds, &empty, f64::from(count)).map(|cost| ((*step).to_owned(), cost))
        });
    Some(HookCosts {
        connections_of_each_sort: count,
        empty_ns: Spread::of(empty.iter().copied())?,
        made: rounds.iter().flatten().map(|round| round.resets).sum(),
        missing: rounds.iter().flatten().map(|round| round.missing).sum(),
        resets,
        mean_net_ns: totals.into_iter().map(mean).collect::<Option<_>>()?,
        connections: connections.collect::<Option<_>>()?,
    })
}

fn connection(rounds: &[HookRound], empty: &[f64], count: f64) -> Option<ConnectionCost> {
    let all = |round: &HookRound| -> HookRuntime {
        let exchanged = round.runtimes.iter().filter(|((traffic, _), _)| *traffic == Traffic::Exchanged);
        exchanged.fold(HookRuntime::default(), |all, (_, one)| HookRuntime {
            seconds: all.seconds + one.seconds,
            runs: all.runs + one.runs,
        })
    };
    let net: Vec<f64> = rounds
        .iter()
        .zip(empty)
        .map(|(round, empty)| (all(round).seconds * 1e9 - all(round).runs * empty) / count)
        .collect();
    Some(ConnectionCost {
        runs: Spread::of(rounds.iter().map(|round| all(round).runs / count))?,
        share: Spread::of(net.iter().zip(rounds).map(|(net, round)| net / round.exchange_ns))?,
        net_ns: Spread::of(net)?,
    })
}

impl fmt::Display for HookCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections_of_each_sort, empty_ns, made, missing, resets, mean_net_ns, connections } = self;
        writeln!(
            f,
            "Net nanoseconds of a reset, by its sort and hook ({connections_of_each_sort} of each a round). \
             A program that does nothing takes {} ns by the same statistics, which is taken off.\n",
            empty_ns.show(0)
        )?;
        let head = ["reset", "hook", "counting", "+ tombstone lookup", "+ event", "+ both", "counting / empty program"];
        let steps = |costs: &BTreeMap<String, Spread>| STEPS.map(|(step, _)| show(costs.get(step), 0)).to_vec();
        let mut rows: Vec<Vec<String>> = resets
            .iter()
            .map(|cost| {
                let mut row = vec![cost.traffic.describe().to_owned(), format!("`{}`", cost.hook)];
                row.extend(steps(&cost.net_ns));
                row.push(show(cost.ratio.get(STEPS[0].0), 2));
                row
            })
            .collect();
        let mut mean = vec!["mean of all".to_owned(), String::new()];
        mean.extend(steps(mean_net_ns));
        mean.push(mean_net_ns.get(STEPS[0].0).map_or_else(String::new, |counting| {
            format!("{:.2}", (counting.median + empty_ns.median) / empty_ns.median)
        }));
        rows.push(mean);
        writeln!(f, "{}", table(&head, &rows))?;
        let (made, missing) = (thousands(*made), thousands(*missing));
        writeln!(f, "Of {made} resets sent and received meanwhile, rstmon did not count {missing}.\n")?;

        writeln!(
            f,
            "All hooks of a connection that is opened, exchanges a message each way and is closed, both ends on this host:\n"
        )?;
        let rows: Vec<Vec<String>> = STEPS
            .iter()
            .take(2)
            .zip(["owner learning", "owner learning and tombstone"])
            .filter_map(|((step, _), name)| {
                let ConnectionCost { net_ns, runs, share } = connections.get(*step)?;
                let end = Spread {
                    median: net_ns.median / 2.0,
                    lower: net_ns.lower / 2.0,
                    upper: net_ns.upper / 2.0,
                    ..*net_ns
                };
                Some(vec![name.to_owned(), net_ns.show(0), end.show(0), runs.show(1), share.show(3)])
            })
            .collect();
        write!(
            f,
            "{}",
            table(&["", "net ns, both ends", "net ns, an end", "runs of hooks", "share of its time"], &rows)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(ns: f64, runs: f64) -> HookRuntime {
        HookRuntime { seconds: ns * runs / 1e9, runs }
    }

    #[test]
    fn the_empty_program_is_taken_off_each_run() {
        let steps = || {
            let mut round = HookRound { exchange_ns: 10_000.0, ..HookRound::default() };
            for traffic in Traffic::RESETS {
                for (hook, ns) in HOOKS.into_iter().zip([174.0, 374.0]) {
                    round.runtimes.insert((traffic, hook.to_owned()), runtime(ns, 100.0));
                }
            }
            round.runtimes.insert((Traffic::Exchanged, "inet_sock_set_state".to_owned()), runtime(174.0, 1000.0));
            vec![round]
        };
        let empty = HookRound {
            runtimes: [((Traffic::Refused, EMPTY.to_owned()), runtime(74.0, 100.0))].into(),
            ..HookRound::default()
        };
        let found = evaluate(&[steps(), steps(), steps(), steps(), vec![empty]], 100).expect("rounds");
        let rounded = |spread: &Spread| format!("{:.1}", spread.median);
        assert_eq!(rounded(&found.mean_net_ns["counting"]), "200.0");
        let connection = &found.connections["tombstones"];
        assert_eq!([&connection.net_ns, &connection.runs].map(rounded), ["1000.0", "10.0"]);
        assert_eq!(rounded(&connection.share), "0.1");
        assert!(found.to_string().contains("| 3.70 "), "found {found}");
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        assert!(evaluate(&vec![Vec::new(); STEPS.len() + 1], 100).is_none());
    }
}
