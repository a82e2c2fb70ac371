//! Growth with processes, which the daemon looks through for network namespaces and, at its start, for open sockets.

use crate::bench::{
    daemon::{DEFAULT, Daemon},
    effort::Effort,
    holder::Sleepers,
    markdown::{table, thousands},
    proc::{self, Used},
    rounds::interleaved,
    spread::{Spread, float},
};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::{fmt, thread, time::Instant};

/// Processes besides the machine's own.
const PROCESSES: [u32; 3] = [0, 500, 2000];
const MOST_ROUNDS: u32 = 3;
const SCRAPES: u32 = 10;
/// The interval of the daemon's own reading.
const SECONDS: u32 = 5;

/// How the daemon grows with processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::bench) struct Processes(Vec<Many>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Many {
    processes: u32,
    start_ms: Spread,
    scrape_ms: Spread,
    idle_cpu_percent: Spread,
    resident_mib: Spread,
}

pub(in crate::bench) fn measure(effort: &Effort) -> anyhow::Result<Processes> {
    let rounds = interleaved(effort.at_most(MOST_ROUNDS), PROCESSES.len(), |one| {
        let sleepers = Sleepers::start(PROCESSES[one])?;
        let found = round(effort)?;
        drop(sleepers);
        Ok(found)
    })?;
    let many = |(processes, own): (&u32, &Vec<[f64; 4]>)| {
        let [start_ms, scrape_ms, idle_cpu_percent, resident_mib] = Spread::of_columns(own)?;
        Some(Many { processes: *processes, start_ms, scrape_ms, idle_cpu_percent, resident_mib })
    };
    PROCESSES.iter().zip(&rounds).map(many).collect::<Option<_>>().map(Processes).context("no round")
}

fn round(effort: &Effort) -> anyhow::Result<[f64; 4]> {
    let mut daemon = Daemon::start(&effort.binary, DEFAULT)?;
    let start_ms = daemon.start_time.as_secs_f64() * 1e3;
    let mut scrapes = Vec::new();
    for _ in 0..SCRAPES {
        let started = Instant::now();
        daemon.scrape()?;
        scrapes.push(started.elapsed().as_secs_f64() * 1e3);
    }
    daemon.settle()?;
    let time = effort.seconds(SECONDS);
    let before = Used::by(daemon.pid())?;
    thread::sleep(time);
    let used = Used::by(daemon.pid())?.since(before);
    let resident_mib = float(proc::resident_kib(daemon.pid())?) / 1024.0;
    daemon.stop()?;
    let scrape_ms = Spread::of(scrapes).context("no scrape")?.median;
    Ok([start_ms, scrape_ms, float(used.cpu_ns) / 1e7 / time.as_secs_f64(), resident_mib])
}

impl fmt::Display for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.first().map_or(f64::NAN, |many| many.scrape_ms.median);
        let row = |Many { processes, start_ms, scrape_ms, idle_cpu_percent, resident_mib }: &Many| {
            vec![
                thousands(f64::from(*processes)),
                scrape_ms.show(2),
                format!("{:.2}", scrape_ms.median / first),
                start_ms.show(0),
                idle_cpu_percent.show(3),
                resident_mib.show(1),
            ]
        };
        let head = [
            "more processes",
            "scrape, ms",
            "times the first",
            "start, ms",
            "CPU when idle, % of one",
            "resident, MiB",
        ];
        write!(f, "{}", table(&head, &self.0.iter().map(row).collect::<Vec<_>>()))
    }
}
