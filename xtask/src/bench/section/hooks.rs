//! Nanoseconds that the hooks take for a reset and for a connection, from the kernel's BPF run-time statistics, net of a
//! program that does nothing: the statistics' own two looks at the clock.

use crate::bench::{
    accounts::{Account, Accounts, sum},
    daemon::{Daemon, Setup},
    effort::Effort,
    markdown::{table, thousands},
    peer::{Peer, Tool},
    proc,
    rounds::interleaved,
    spread::{Spread, float, ratios, show},
    statistics::Statistics,
    traffic::{Range, Traffic},
};
use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt, thread,
    time::{Duration, Instant},
};

/// Connections of each sort in a round.
const CONNECTIONS: u32 = 3000;

/// A verdict takes no longer.
const DEADLINE: Duration = Duration::from_secs(1);

/// What a reset may cost, from the least to everything.
pub(in crate::bench) const STEPS: [(&str, Setup); 4] = [
    ("counting", Setup { toml: "[tombstones]\nentries = 0\n[events]\nrate_per_second = 1\n", flags: &[] }),
    ("tombstones", Setup { toml: "[events]\nrate_per_second = 1\n", flags: &[] }),
    ("event", Setup { toml: "[tombstones]\nentries = 0\n[events]\nrate_per_second = 0\n", flags: &[] }),
    ("both", Setup { toml: "[events]\nrate_per_second = 0\n", flags: &[] }),
];

/// What the hooks cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::bench) struct Hooks {
    connections_of_each_sort: u32,
    pub(in crate::bench) empty_ns: Spread,
    /// Resets sent and received, all rounds together, and those of them that rstmon did not count.
    made: f64,
    missing: f64,
    resets: Vec<ResetCost>,
    /// By step: the mean of all sorts of resets.
    pub(in crate::bench) mean_net_ns: BTreeMap<String, Spread>,
    /// A connection without a reset, both ends, by step.
    pub(in crate::bench) connections: BTreeMap<String, ConnectionCost>,
}

/// One sort of reset at one hook.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ResetCost {
    traffic: Traffic,
    hook: String,
    /// By step, in nanoseconds.
    net_ns: BTreeMap<String, Spread>,
    /// By step, the run in terms of one of an empty program.
    ratio: BTreeMap<String, Spread>,
}

/// All hooks of a connection that ends without a reset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::bench) struct ConnectionCost {
    /// Nanoseconds, both ends together.
    pub(in crate::bench) net_ns: Spread,
    /// Runs of hooks, both ends together.
    runs: Spread,
    /// Share of the time that the connection took.
    share: Spread,
}

/// One configuration's round.
#[derive(Clone, Debug, Default)]
struct Round {
    accounts: BTreeMap<(Traffic, String), Account>,
    exchange_ns: f64,
    resets: f64,
    missing: f64,
}

const EMPTY: &str = "empty";
const HOOKS: [&str; 2] = ["tcp_send_reset", "tcp_receive_reset"];

pub(in crate::bench) fn measure(effort: &Effort) -> anyhow::Result<Hooks> {
    let _statistics = Statistics::enable()?;
    let range = Range::new()?;
    let count = effort.count(CONNECTIONS);
    let rounds = interleaved(effort.rounds, STEPS.len() + 1, |configuration| match STEPS.get(configuration) {
        Some((_, setup)) => round(effort, *setup, &range, count),
        None => empty_program(&range, count),
    })?;
    evaluate(&rounds, count).context("no round")
}

/// The accounts of each sort of connection.
fn round(effort: &Effort, setup: Setup, range: &Range, count: u32) -> anyhow::Result<Round> {
    let daemon = Daemon::start(&effort.binary, setup)?;
    let mut round = Round::default();
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
        let spent = Accounts::parse(&after)?.since(&Accounts::parse(&before)?);
        round.accounts.extend(spent.into_iter().map(|(hook, account)| ((traffic, hook), account)));
    }
    daemon.stop()?;
    Ok(round)
}

/// The scrape in which all resets are counted, or how many are missing. A received one may have to wait for a verdict.
fn counted(daemon: &Daemon, before: &str, count: u32) -> anyhow::Result<(String, f64)> {
    let started = Instant::now();
    loop {
        let after = daemon.scrape()?;
        let missing = |direction: &str| -> anyhow::Result<f64> {
            let seen = |metrics| sum(metrics, "rstmon_resets_total", &[direction]);
            Ok((f64::from(count) - (seen(&after)? - seen(before)?)).max(0.0))
        };
        let missing = missing("direction=\"sent\"")? + missing("direction=\"received\"")?;
        if missing == 0.0 || started.elapsed() > DEADLINE {
            let most = f64::from(count) / 100.0;
            ensure!(missing <= most, "rstmon missed {missing} of {count} resets: its costs mean nothing");
            return Ok((after, missing));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn empty_program(range: &Range, count: u32) -> anyhow::Result<Round> {
    let peer = Peer::start(Tool::Nothing, &range.namespace)?;
    range.run(Traffic::Refused, count / 10)?;
    let (before_ns, before) = proc::bpf_runs(peer.pid())?;
    range.run(Traffic::Refused, count)?;
    let (after_ns, after) = proc::bpf_runs(peer.pid())?;
    peer.stop()?;
    ensure!(after > before, "the empty program did not run");
    let account = Account { seconds: float(after_ns - before_ns) / 1e9, runs: float(after - before) };
    Ok(Round { accounts: [((Traffic::Refused, EMPTY.to_owned()), account)].into(), ..Round::default() })
}

/// `None` without rounds.
fn evaluate(rounds: &[Vec<Round>], count: u32) -> Option<Hooks> {
    let of = |round: &Round, traffic, hook: &str| {
        round.accounts.get(&(traffic, hook.to_owned())).map(|account| account.ns_per_run())
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
    Some(Hooks {
        connections_of_each_sort: count,
        empty_ns: Spread::of(empty.iter().copied())?,
        made: rounds.iter().flatten().map(|round| round.resets).sum(),
        missing: rounds.iter().flatten().map(|round| round.missing).sum(),
        resets,
        mean_net_ns: totals.into_iter().map(mean).collect::<Option<_>>()?,
        connections: connections.collect::<Option<_>>()?,
    })
}

fn connection(rounds: &[Round], empty: &[f64], count: f64) -> Option<ConnectionCost> {
    let all = |round: &Round| -> Account {
        let exchanged = round.accounts.iter().filter(|((traffic, _), _)| *traffic == Traffic::Exchanged);
        exchanged.fold(Account::default(), |all, (_, one)| Account {
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

impl fmt::Display for Hooks {
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

    fn account(ns: f64, runs: f64) -> Account {
        Account { seconds: ns * runs / 1e9, runs }
    }

    #[test]
    fn the_empty_program_is_taken_off_each_run() {
        let steps = || {
            let mut round = Round { exchange_ns: 10_000.0, ..Round::default() };
            for traffic in Traffic::RESETS {
                for (hook, ns) in HOOKS.into_iter().zip([174.0, 374.0]) {
                    round.accounts.insert((traffic, hook.to_owned()), account(ns, 100.0));
                }
            }
            round.accounts.insert((Traffic::Exchanged, "inet_sock_set_state".to_owned()), account(174.0, 1000.0));
            vec![round]
        };
        let empty = Round {
            accounts: [((Traffic::Refused, EMPTY.to_owned()), account(74.0, 100.0))].into(),
            ..Round::default()
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
