//! CPU and memory of the daemon at a steady pace of resets.

use crate::{
    daemon::{self, DEFAULT},
    effort::Effort,
    markdown::{table, thousands},
    rounds::interleaved,
    spread::{Spread, float},
    traffic::{TrafficRange, cpus},
};
use anyhow::{Context as _, Result};
use rstmon_tests::{
    vitals::{self, CpuUsage, Vitals},
    wait,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Resets a second. A refused connection is two on this host: one sent, one received.
const PACES: [Option<f64>; 4] = [Some(0.0), Some(1000.0), Some(10_000.0), None];
/// The interval at which the daemon reads its counts, so that each round has one reading.
const SECONDS: u32 = 5;
const MOST_ROUNDS: u32 = 3;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Paces(Vec<SteadyPace>);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SteadyPace {
    /// Resets a second, sent and received; absent for as many as possible.
    pub(crate) asked: Option<f64>,
    resets_per_second: Spread,
    /// User and system, of one CPU.
    pub(crate) cpu_percent: Spread,
    sleeps_per_second: Spread,
    pub(crate) resident_mib: Spread,
    peak_mib: Spread,
}

pub(crate) fn measure(effort: Effort) -> Result<Paces> {
    let range = TrafficRange::new()?;
    let cpus = cpus()?.len();
    let time = effort.seconds(SECONDS);
    let rounds = interleaved(effort.at_most(MOST_ROUNDS), PACES.len(), |one| {
        let (daemon, _) = daemon::start(DEFAULT)?;
        daemon::settle(&daemon)?;
        let before = CpuUsage::of(daemon.pid())?;
        let connections = match PACES[one] {
            Some(resets) if resets > 0.0 => range.steady(resets / 2.0, time)?,
            Some(_) => {
                wait::moment(time);
                0.0
            }
            None => range.flood(cpus, time)?,
        };
        let used = CpuUsage::of(daemon.pid())?.since(before);
        let found = [
            2.0 * connections,
            float(used.cpu_ns) / 1e7 / time.as_secs_f64(),
            float(used.sleeps) / time.as_secs_f64(),
            float(Vitals::of(daemon.pid())?.resident_kib) / 1024.0,
            float(vitals::peak_kib(daemon.pid())?) / 1024.0,
        ];
        daemon.stop()?;
        Ok(found)
    })?;
    let pace = |(asked, rounds): (&Option<f64>, &Vec<[f64; 5]>)| {
        let [resets_per_second, cpu_percent, sleeps_per_second, resident_mib, peak_mib] = Spread::of_columns(rounds)?;
        Some(SteadyPace { asked: *asked, resets_per_second, cpu_percent, sleeps_per_second, resident_mib, peak_mib })
    };
    PACES.iter().zip(&rounds).map(pace).collect::<Option<_>>().map(Paces).context("no round")
}

impl Paces {
    /// At `asked` resets a second, or at as many as possible.
    pub(crate) fn at(&self, asked: Option<f64>) -> Option<&SteadyPace> {
        // Bits are compared: both are the same constant, unless it was read from JSON, which keeps it.
        self.0.iter().find(|pace| pace.asked.map(f64::to_bits) == asked.map(f64::to_bits))
    }
}

impl fmt::Display for Paces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "The daemon as installed, {SECONDS} s at each pace. A refused connection is two resets: one sent, one received.\n"
        )?;
        let row = |pace: &SteadyPace| {
            let SteadyPace { asked, resets_per_second, cpu_percent, sleeps_per_second, resident_mib, peak_mib } = pace;
            vec![
                asked.map_or_else(|| "as many as there can be".to_owned(), thousands),
                thousands(resets_per_second.median),
                cpu_percent.show(2),
                thousands(sleeps_per_second.median),
                resident_mib.show(1),
                peak_mib.show(1),
            ]
        };
        let head = ["resets/s", "reached", "CPU, % of one", "wake-ups/s", "resident, MiB", "peak, MiB"];
        write!(f, "{}", table(&head, &self.0.iter().map(row).collect::<Vec<_>>()))?;
        writeln!(f, "\nThe peak is reached while it loads.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_found() {
        let one = |asked| {
            let spread = Spread { median: 1.0, lower: 1.0, upper: 1.0, rounds: 1 };
            SteadyPace {
                asked,
                resets_per_second: spread,
                cpu_percent: spread,
                sleeps_per_second: spread,
                resident_mib: spread,
                peak_mib: spread,
            }
        };
        let paces = Paces(vec![one(Some(10_000.0)), one(None)]);
        assert!(paces.at(Some(10_000.0)).is_some_and(|pace| pace.asked.is_some()));
        assert!(paces.at(None).is_some_and(|pace| pace.asked.is_none()));
        assert!(paces.at(Some(1.0)).is_none());
    }
}
