//! Nanoseconds that a hook takes, from the kernel's BPF run-time statistics, in steps from bare counting to everything.

use std::{collections::BTreeMap, path::Path};

use anyhow::ensure;
use serde::Serialize;

use super::{
    accounts::{Accounts, counted},
    daemon::{Daemon, Setup},
    numbers::{float, median},
    peer::{self, Peer},
    proc,
    statistics::Statistics,
    traffic::{Range, Traffic},
};

/// Connections of each sort in a round.
const CONNECTIONS: u32 = 3000;
const MIX: [Traffic; 3] = [Traffic::Refused, Traffic::Exchanged, Traffic::Aborted];

/// The steps, each with all that the one before it has.
const STEPS: [(&str, Setup); 4] = [
    ("bare", Setup { toml: "[tombstones]\nentries = 0\n", flags: &["--bench-without-evidence"] }),
    ("evidence", Setup { toml: "[tombstones]\nentries = 0\n", flags: &[] }),
    ("tombstones", Setup { toml: "", flags: &[] }),
    ("every_event", Setup { toml: "[events]\nrate_per_second = 0\n", flags: &[] }),
];

/// What the hooks cost.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Hooks {
    pub(super) connections_of_each_sort: u32,
    /// What the statistics say of a program that does nothing: their own two looks at the clock. Absent without
    /// bpftrace.
    pub(super) empty_program_ns: Option<f64>,
    pub(super) steps: [&'static str; STEPS.len()],
    pub(super) costs: Vec<Hook>,
}

/// What one hook costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Hook {
    pub(super) hook: String,
    /// Nanoseconds a run at each step, the clock's included.
    pub(super) ns: [Option<f64>; STEPS.len()],
}

impl Hook {
    /// Each step in terms of the one before it.
    pub(super) fn ratios(&self) -> [Option<f64>; STEPS.len() - 1] {
        std::array::from_fn(|step| Some(self.ns[step + 1]? / self.ns[step]?))
    }
}

pub(super) fn measure(binary: &Path, rounds: u32) -> anyhow::Result<Hooks> {
    let _statistics = Statistics::enable()?;
    let mut range = Range::new()?;
    let empty_program_ns = match Peer::empty_program()? {
        Some(peer) => Some(empty_program(peer, &mut range)?),
        None => None,
    };
    let mut found: BTreeMap<String, [Vec<f64>; STEPS.len()]> = BTreeMap::new();
    for _ in 0..rounds {
        for (step, (_, setup)) in STEPS.into_iter().enumerate() {
            for (hook, ns) in round(binary, setup, &mut range)? {
                found.entry(hook).or_default()[step].push(ns);
            }
        }
    }
    let costs = found.into_iter().map(|(hook, ns)| Hook { hook, ns: ns.map(median) }).collect();
    Ok(Hooks { connections_of_each_sort: CONNECTIONS, empty_program_ns, steps: STEPS.map(|(name, _)| name), costs })
}

/// Nanoseconds a run, by hook.
fn round(binary: &Path, setup: Setup, range: &mut Range) -> anyhow::Result<BTreeMap<String, f64>> {
    let daemon = Daemon::start(binary, setup)?;
    // The first runs fill caches and maps.
    run(range, CONNECTIONS / 10)?;
    let before = daemon.scrape()?;
    run(range, CONNECTIONS)?;
    let after = daemon.scrape()?;
    daemon.stop()?;
    let resets = 2 * u64::from(CONNECTIONS);
    for direction in ["sent", "received"] {
        ensure!(
            counted(&before, &after, direction, resets)?,
            "rstmon counted fewer than the {resets} {direction} resets that there were: its costs mean nothing"
        );
    }
    Ok(Accounts::parse(&after)?.ns_per_run_since(&Accounts::parse(&before)?))
}

fn run(range: &mut Range, count: u32) -> anyhow::Result<()> {
    MIX.into_iter().try_for_each(|traffic| range.run(traffic, count).map(drop))
}

fn empty_program(peer: Peer, range: &mut Range) -> anyhow::Result<f64> {
    let pid = peer.pid();
    peer::until("the empty program runs", || {
        range.run(Traffic::Refused, 10)?;
        Ok(proc::bpf_runs(pid)?.1 > 0)
    })?;
    let (before_ns, before) = proc::bpf_runs(pid)?;
    range.run(Traffic::Refused, CONNECTIONS)?;
    let (after_ns, after) = proc::bpf_runs(pid)?;
    peer.stop()?;
    ensure!(after > before, "the empty program did not run");
    Ok(float(after_ns - before_ns) / float(after - before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_neighbours() {
        let hook = Hook { hook: String::new(), ns: [Some(100.0), Some(150.0), Some(300.0), None] };
        assert_eq!(hook.ratios(), [Some(1.5), Some(2.0), None]);
    }

    #[test]
    fn only_the_first_step_is_without_evidence_and_the_third_is_the_default() {
        let bare = STEPS.iter().filter(|(_, setup)| !setup.flags.is_empty()).count();
        assert_eq!(bare, 1);
        assert!(STEPS[2].1.toml.is_empty());
    }
}
