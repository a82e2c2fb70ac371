//! The daemon's CPU and memory at a steady pace of resets.

use crate::bench::{
    daemon::{DEFAULT, Daemon},
    effort::Effort,
    markdown::{table, thousands},
    proc::{self, Used},
    rounds::interleaved,
    spread::{Spread, float},
    traffic::{Range, cpus},
};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Resets a second. A refused connection is two on this host: one sent, one received.
const PACES: [Option<f64>; 4] = [Some(0.0), Some(1000.0), Some(10_000.0), None];
/// As long as the daemon waits between two readings of its counts, so that each round has one.
const SECONDS: u32 = 5;
const MOST_ROUNDS: u32 = 3;

/// What the daemon needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::bench) struct Paces(Vec<Pace>);

/// At one pace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::bench) struct Pace {
    /// Resets a second, sent and received; absent for as many as the machine can.
    pub(in crate::bench) asked: Option<f64>,
    resets_per_second: Spread,
    /// User and system, of one CPU.
    pub(in crate::bench) cpu_percent: Spread,
    sleeps_per_second: Spread,
    pub(in crate::bench) resident_mib: Spread,
    peak_mib: Spread,
}

pub(in crate::bench) fn measure(effort: &Effort) -> anyhow::Result<Paces> {
    let range = Range::new()?;
    let cpus = cpus()?.len();
    let time = effort.seconds(SECONDS);
    let rounds = interleaved(effort.at_most(MOST_ROUNDS), PACES.len(), |one| {
        let mut daemon = Daemon::start(&effort.binary, DEFAULT)?;
        daemon.settle()?;
        let before = Used::by(daemon.pid())?;
        let connections = match PACES[one] {
            Some(resets) if resets > 0.0 => range.steady(resets / 2.0, time)?,
            Some(_) => {
                std::thread::sleep(time);
                0.0
            }
            None => range.flood(cpus, time)?,
        };
        let used = Used::by(daemon.pid())?.since(before);
        let found = [
            2.0 * connections,
            float(used.cpu_ns) / 1e7 / time.as_secs_f64(),
            float(used.sleeps) / time.as_secs_f64(),
            float(proc::resident_kib(daemon.pid())?) / 1024.0,
            float(proc::peak_kib(daemon.pid())?) / 1024.0,
        ];
        daemon.stop()?;
        Ok(found)
    })?;
    let pace = |(asked, rounds): (&Option<f64>, &Vec<[f64; 5]>)| {
        let [resets_per_second, cpu_percent, sleeps_per_second, resident_mib, peak_mib] = Spread::of_columns(rounds)?;
        Some(Pace { asked: *asked, resets_per_second, cpu_percent, sleeps_per_second, resident_mib, peak_mib })
    };
    PACES.iter().zip(&rounds).map(pace).collect::<Option<_>>().map(Paces).context("no round")
}

impl Paces {
    /// At `asked` resets a second, or at as many as there can be.
    pub(in crate::bench) fn at(&self, asked: Option<f64>) -> Option<&Pace> {
        // The same constant both times: nothing is calculated with it.
        self.0.iter().find(|pace| pace.asked.map(f64::to_bits) == asked.map(f64::to_bits))
    }
}

impl fmt::Display for Paces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "The daemon as installed, {SECONDS} s at each pace. A refused connection is two resets: one sent, one received.\n"
        )?;
        let row = |pace: &Pace| {
            let Pace { asked, resets_per_second, cpu_percent, sleeps_per_second, resident_mib, peak_mib } = pace;
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
            Pace {
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
