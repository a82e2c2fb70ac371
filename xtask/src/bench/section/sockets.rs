//! Growth with open connections: the backfill of their owners at the start, memory, and what a new connection costs.

use crate::bench::{
    accounts::Accounts,
    daemon::{DEFAULT, Daemon},
    effort::Effort,
    holder::Sockets,
    markdown::{table, thousands},
    proc,
    rounds::interleaved,
    spread::{Spread, float},
    statistics::Statistics,
    traffic::{Range, Traffic},
};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Open sockets when the daemon starts.
const SOCKETS: [u32; 3] = [0, 10_000, 100_000];
const MOST_ROUNDS: u32 = 3;
/// Starts a round, of which the shortest counts: opening so many sockets takes longer.
const STARTS: u32 = 3;
const CONNECTIONS: u32 = 2000;

/// How the daemon grows with open connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::bench) struct OpenSockets(Vec<Open>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    sockets: u32,
    start_ms: Spread,
    /// What the start takes longer than without any.
    added_ms: Spread,
    resident_mib: Spread,
    hook_ns_per_connection: Spread,
}

pub(in crate::bench) fn measure(effort: &Effort) -> anyhow::Result<OpenSockets> {
    let range = Range::new()?;
    let rounds = interleaved(effort.at_most(MOST_ROUNDS), SOCKETS.len(), |one| {
        let held = Sockets::open(SOCKETS[one], &range.namespace)?;
        let found = round(effort, &range)?;
        drop(held);
        Ok(found)
    })?;
    let open = |(sockets, own): (&u32, &Vec<[f64; 3]>)| {
        let added_ms = Spread::of(own.iter().zip(&rounds[0]).map(|(own, none)| own[0] - none[0]))?;
        let [start_ms, resident_mib, hook_ns_per_connection] = Spread::of_columns(own)?;
        Some(Open { sockets: *sockets, start_ms, added_ms, resident_mib, hook_ns_per_connection })
    };
    SOCKETS.iter().zip(&rounds).map(open).collect::<Option<_>>().map(OpenSockets).context("no round")
}

/// The start in milliseconds, resident MiB, nanoseconds of hooks for a new connection.
fn round(effort: &Effort, range: &Range) -> anyhow::Result<[f64; 3]> {
    let mut start_ms = f64::INFINITY;
    for _ in 1..STARTS {
        let daemon = Daemon::start(&effort.binary, DEFAULT)?;
        start_ms = start_ms.min(daemon.start_time.as_secs_f64() * 1e3);
        daemon.stop()?;
    }
    let daemon = Daemon::start(&effort.binary, DEFAULT)?;
    start_ms = start_ms.min(daemon.start_time.as_secs_f64() * 1e3);
    let resident_mib = float(proc::resident_kib(daemon.pid())?) / 1024.0;
    let statistics = Statistics::enable()?;
    range.run(Traffic::Exchanged, CONNECTIONS / 10)?;
    let before = Accounts::parse(&daemon.scrape()?)?;
    range.run(Traffic::Exchanged, CONNECTIONS)?;
    let spent = Accounts::parse(&daemon.scrape()?)?.since(&before);
    drop(statistics);
    daemon.stop()?;
    let ns = spent.values().map(|account| account.seconds * 1e9).sum::<f64>() / f64::from(CONNECTIONS);
    Ok([start_ms, resident_mib, ns])
}

impl OpenSockets {
    /// Milliseconds that the start takes longer with the most sockets, and how many those are.
    pub(in crate::bench) fn backfill(&self) -> Option<(u32, &Spread)> {
        self.0.last().map(|open| (open.sockets, &open.added_ms))
    }
}

impl fmt::Display for OpenSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.first().map_or(f64::NAN, |open| open.start_ms.median);
        let row = |Open { sockets, start_ms, added_ms, resident_mib, hook_ns_per_connection }: &Open| {
            let each =
                if *sockets == 0 { "-".to_owned() } else { thousands(added_ms.median * 1e6 / f64::from(*sockets)) };
            vec![
                thousands(f64::from(*sockets)),
                start_ms.show(0),
                format!("{:.2}", start_ms.median / first),
                added_ms.show(0),
                each,
                resident_mib.show(1),
                hook_ns_per_connection.show(0),
            ]
        };
        let head = [
            "open sockets",
            "start, ms",
            "times the first",
            "longer, ms",
            "ns a socket",
            "resident, MiB",
            "hooks of a new connection, ns gross",
        ];
        writeln!(
            f,
            "Sockets of established connections, in as few processes as their limit of descriptors allows, that were there \
             before the daemon: their owners are found at the start. The shortest of {STARTS} starts a round.\n"
        )?;
        write!(f, "{}", table(&head, &self.0.iter().map(row).collect::<Vec<_>>()))
    }
}
