//! Growth with CPUs at work: what is kept per CPU costs the same, what CPUs share costs more.

use crate::{
    daemon::{self, DEFAULT},
    effort::Effort,
    markdown::{table, thousands},
    rounds::interleaved,
    runtime::HookRuntimes,
    spread::{Spread, ratios},
    statistics::BpfStatistics,
    traffic::{TrafficRange, cpus},
};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

const SECONDS: u32 = 1;

/// The cost of a reset by the number of CPUs that have one at the same time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CpuScaling(Vec<CpusAtWork>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct CpusAtWork {
    cpus: usize,
    alone_per_second: Spread,
    /// Connections a second with rstmon, divided by those without.
    ratio: Spread,
    /// One run of `tcp_send_reset`, including the cost of the statistics themselves.
    sent_ns: Spread,
}

pub(crate) fn measure(effort: Effort) -> Result<CpuScaling> {
    let range = TrafficRange::new()?;
    let time = effort.seconds(SECONDS);
    let mut numbers = vec![1, cpus()?.len()];
    numbers.dedup();
    range.flood(numbers.len(), time)?;
    // Even configurations are without rstmon, odd ones with it.
    let rounds = interleaved(effort.rounds, 2 * numbers.len(), |one| {
        let number = numbers[one / 2];
        if one % 2 == 0 {
            return Ok([range.flood(number, time)?, 0.0]);
        }
        let (daemon, _) = daemon::start(DEFAULT)?;
        let per_second = range.flood(number, time)?;
        let statistics = BpfStatistics::enable()?;
        let before = HookRuntimes::of(&daemon.scrape()?);
        range.flood(number, time / 2)?;
        let spent = HookRuntimes::of(&daemon.scrape()?).since(&before);
        drop(statistics);
        daemon.stop()?;
        let hook = spent.get("tcp_send_reset").context("no hook of sent resets")?;
        Ok([per_second, hook.ns_per_run()])
    })?;
    let at_work = |(number, pair): (&usize, &[Vec<[f64; 2]>])| {
        let column = |rounds: &[[f64; 2]], column: usize| rounds.iter().map(|round| round[column]).collect::<Vec<_>>();
        let (alone, watched) = (column(&pair[0], 0), column(&pair[1], 0));
        Some(CpusAtWork {
            cpus: *number,
            ratio: Spread::of(ratios(&watched, &alone))?,
            alone_per_second: Spread::of(alone)?,
            sent_ns: Spread::of(column(&pair[1], 1))?,
        })
    };
    numbers.iter().zip(rounds.chunks(2)).map(at_work).collect::<Option<_>>().map(CpuScaling).context("no round")
}

/// What the kernel half keeps, whether it is shared, and what follows.
const KEPT: [(&str, &str, &str); 8] = [
    (
        "counts, overflow, losses, counts by namespace",
        "per CPU",
        "an increment touches no other CPU's memory; a reading adds up all CPUs",
    ),
    (
        "room to put a reset together, rate limits",
        "per CPU",
        "limits hold for each CPU: twice the CPUs, at most twice the events",
    ),
    ("received resets that wait for a verdict", "per CPU", ""),
    ("ring buffer of events", "shared", "one lock for a moment at each event, none at a reset beyond the rate limit"),
    (
        "tombstones",
        "shared",
        "a ring and a table without locks: a close adds one to a shared number and writes two lines, a look-up writes none",
    ),
    ("ports with listeners", "shared", "written when a listener comes or goes"),
    (
        "notes of connections opened here",
        "shared",
        "a table without locks: a connection writes its own place, which another has left a while ago",
    ),
    ("notes of other sockets", "per socket", "a socket's own memory: as shared as the socket"),
];

impl fmt::Display for CpuScaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.first().map_or(f64::NAN, |one| one.sent_ns.median);
        let row = |CpusAtWork { cpus, alone_per_second, ratio, sent_ns }: &CpusAtWork| {
            vec![
                cpus.to_string(),
                thousands(alone_per_second.median),
                ratio.show(3),
                sent_ns.show(0),
                format!("{:.2}", sent_ns.median / first),
            ]
        };
        let head = [
            "CPUs at work",
            "refused connections/s, unwatched",
            "throughput with rstmon",
            "`tcp_send_reset`, ns gross",
            "times the first",
        ];
        writeln!(f, "{}", table(&head, &self.0.iter().map(row).collect::<Vec<_>>()))?;
        let rows: Vec<_> =
            KEPT.iter().map(|(what, whose, so)| vec![what.to_string(), whose.to_string(), so.to_string()]).collect();
        write!(f, "{}", table(&["what the kernel half keeps", "whose", "so"], &rows))
    }
}
