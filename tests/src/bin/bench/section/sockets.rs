//! Growth with open connections: the backfill of their owners at the start, memory, and what a new connection costs.

use crate::{
    daemon::{self, DEFAULT},
    effort::Effort,
    holders::HeldSockets,
    markdown::{table, thousands},
    rounds::interleaved,
    runtime::HookRuntimes,
    spread::{Spread, float},
    statistics::BpfStatistics,
    traffic::{Traffic, TrafficRange},
};
use anyhow::{Context as _, Result};
use rstmon_tests::vitals::Vitals;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Open sockets when the daemon starts.
const SOCKETS: [u32; 3] = [0, 10_000, 100_000];
const MOST_ROUNDS: u32 = 3;
/// Starts in a round, of which the shortest counts: opening the sockets anew for each would take longer.
const STARTS: u32 = 3;
const CONNECTIONS: u32 = 2000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SocketScaling(Vec<WithSockets>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WithSockets {
    sockets: u32,
    start_ms: Spread,
    /// How much longer the start takes than without open sockets.
    added_ms: Spread,
    resident_mib: Spread,
    hook_ns_per_connection: Spread,
}

pub(crate) fn measure(effort: Effort) -> Result<SocketScaling> {
    let range = TrafficRange::new()?;
    let rounds = interleaved(effort.at_most(MOST_ROUNDS), SOCKETS.len(), |one| {
        let held = HeldSockets::open(SOCKETS[one], range.place())?;
        let found = round(&range)?;
        drop(held);
        Ok(found)
    })?;
    let open = |(sockets, own): (&u32, &Vec<[f64; 3]>)| {
        let added_ms = Spread::of(own.iter().zip(&rounds[0]).map(|(own, none)| own[0] - none[0]))?;
        let [start_ms, resident_mib, hook_ns_per_connection] = Spread::of_columns(own)?;
        Some(WithSockets { sockets: *sockets, start_ms, added_ms, resident_mib, hook_ns_per_connection })
    };
    SOCKETS.iter().zip(&rounds).map(open).collect::<Option<_>>().map(SocketScaling).context("no round")
}

/// Milliseconds of a start, resident MiB, nanoseconds of hooks for a new connection.
fn round(range: &TrafficRange) -> Result<[f64; 3]> {
    let mut start_ms = f64::INFINITY;
    for _ in 1..STARTS {
        let (daemon, start_time) = daemon::start(DEFAULT)?;
        start_ms = start_ms.min(start_time.as_secs_f64() * 1e3);
        daemon.stop()?;
    }
    let (daemon, start_time) = daemon::start(DEFAULT)?;
    start_ms = start_ms.min(start_time.as_secs_f64() * 1e3);
    let resident_mib = float(Vitals::of(daemon.pid())?.resident_kib) / 1024.0;
    let statistics = BpfStatistics::enable()?;
    range.run(Traffic::Exchanged, CONNECTIONS / 10)?;
    let before = HookRuntimes::of(&daemon.scrape()?);
    range.run(Traffic::Exchanged, CONNECTIONS)?;
    let spent = HookRuntimes::of(&daemon.scrape()?).since(&before);
    drop(statistics);
    daemon.stop()?;
    let ns = spent.values().map(|runtime| runtime.seconds * 1e9).sum::<f64>() / f64::from(CONNECTIONS);
    Ok([start_ms, resident_mib, ns])
}

impl SocketScaling {
    /// The largest number of sockets, and how many milliseconds longer the start takes with them.
    pub(crate) fn backfill(&self) -> Option<(u32, &Spread)> {
        self.0.last().map(|open| (open.sockets, &open.added_ms))
    }
}

impl fmt::Display for SocketScaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.first().map_or(f64::NAN, |open| open.start_ms.median);
        let row = |WithSockets { sockets, start_ms, added_ms, resident_mib, hook_ns_per_connection }: &WithSockets| {
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
