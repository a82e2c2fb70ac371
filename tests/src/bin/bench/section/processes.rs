//! Growth with processes: the daemon reads them all for their network namespaces and, at its start, for open sockets.

use crate::{
    daemon::{self, DEFAULT},
    effort::Effort,
    holders::Sleepers,
    markdown::{table, thousands},
    rounds::interleaved,
    spread::{Spread, float},
};
use anyhow::{Context as _, Result};
use rstmon_tests::{
    vitals::{CpuUsage, Vitals},
    wait,
};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Instant};

/// Processes besides the machine's own.
const PROCESSES: [u32; 3] = [0, 500, 2000];
const MOST_ROUNDS: u32 = 3;
const SCRAPES: u32 = 10;
/// The interval at which the daemon reads its counts.
const SECONDS: u32 = 5;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProcessScaling(Vec<WithProcesses>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WithProcesses {
    processes: u32,
    start_ms: Spread,
    scrape_ms: Spread,
    idle_cpu_percent: Spread,
    resident_mib: Spread,
}

pub(crate) fn measure(effort: Effort) -> Result<ProcessScaling> {
    let rounds = interleaved(effort.at_most(MOST_ROUNDS), PROCESSES.len(), |one| {
        let sleepers = Sleepers::start(PROCESSES[one])?;
        let found = round(effort)?;
        drop(sleepers);
        Ok(found)
    })?;
    let many = |(processes, own): (&u32, &Vec<[f64; 4]>)| {
        let [start_ms, scrape_ms, idle_cpu_percent, resident_mib] = Spread::of_columns(own)?;
        Some(WithProcesses { processes: *processes, start_ms, scrape_ms, idle_cpu_percent, resident_mib })
    };
    PROCESSES.iter().zip(&rounds).map(many).collect::<Option<_>>().map(ProcessScaling).context("no round")
}

fn round(effort: Effort) -> Result<[f64; 4]> {
    let (daemon, start_time) = daemon::start(DEFAULT)?;
    let start_ms = start_time.as_secs_f64() * 1e3;
    let mut scrapes = Vec::new();
    for _ in 0..SCRAPES {
        let started = Instant::now();
        daemon::scrape_text(&daemon)?;
        scrapes.push(started.elapsed().as_secs_f64() * 1e3);
    }
    daemon::settle(&daemon)?;
    let time = effort.seconds(SECONDS);
    let before = CpuUsage::of(daemon.pid())?;
    wait::moment(time);
    let used = CpuUsage::of(daemon.pid())?.since(before);
    let resident_mib = float(Vitals::of(daemon.pid())?.resident_kib) / 1024.0;
    daemon.stop()?;
    let scrape_ms = Spread::of(scrapes).context("no scrape")?.median;
    Ok([start_ms, scrape_ms, float(used.cpu_ns) / 1e7 / time.as_secs_f64(), resident_mib])
}

impl fmt::Display for ProcessScaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.first().map_or(f64::NAN, |many| many.scrape_ms.median);
        let row = |WithProcesses { processes, start_ms, scrape_ms, idle_cpu_percent, resident_mib }: &WithProcesses| {
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
