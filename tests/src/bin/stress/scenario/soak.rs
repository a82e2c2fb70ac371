//! A mix of all load, again and again, for as long as was asked: the daemon's resources must not be larger in the last
//! quarter of the time than in the second.

use crate::{
    load::Totals,
    monotone::Monotone,
    observed::ObservedDaemon,
    outcome::ScenarioFinding,
    testbed::{OURS, Testbed},
};
use anyhow::{Result, ensure};
use rstmon_tests::{bpf, follower::Subscriber, vitals::Vitals, wait};
use std::time::{Duration, Instant};

/// Small limits, which are reached soon.
const COUNTS: usize = 512;
const TOMBSTONES: usize = 512;
/// `NETNS_ENTRIES` of rstmon-common.
const NAMESPACES: usize = 1024;
/// How much resident memory may grow from the second quarter to the last, in KiB: pages that the allocator keeps.
const MOST_DRIFT_KIB: u64 = 1024;

/// Resources after a cycle.
#[derive(Clone, Copy, Debug)]
struct SoakSample {
    vitals: Vitals,
    listeners: usize,
    counts: usize,
    tombstones: usize,
    namespaces: usize,
}

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let toml = format!(
        "[history]\nevents = 500\n[counts]\nentries = {COUNTS}\n[tombstones]\nentries = {TOMBSTONES}\n\
         [metrics]\nmax_series = 400\n"
    );
    let observed = ObservedDaemon::start(testbed, &toml)?;
    let (mut done, mut samples, mut monotone) = (Totals::default(), Vec::new(), Monotone::default());
    let started = Instant::now();
    while started.elapsed() < testbed.arguments.soak || samples.len() < 8 {
        done.add(&cycle(testbed, &observed)?);
        monotone.observe(&observed.scrape()?)?;
        samples.push(sample(&observed)?);
    }
    let cycles = samples.len() as u64;
    let second = typical(&samples, 1);
    let last = typical(&samples, 3);
    let finding = observed.end(&done)?.with_faults(&[("cycles", cycles), ("seconds", started.elapsed().as_secs())]);
    let most = |of: fn(&SoakSample) -> usize| samples.iter().map(of).max().unwrap_or(0);
    let (counts, tombstones) = (most(|one| one.counts), most(|one| one.tombstones));
    let namespaces = most(|one| one.namespaces);
    Ok(finding
        .with_note(format!(
            "second and last quarter: {} and {} KiB, {} and {} descriptors, {} and {} threads, {} and {} listeners",
            second.vitals.resident_kib,
            last.vitals.resident_kib,
            second.vitals.descriptors,
            last.vitals.descriptors,
            second.vitals.threads,
            last.vitals.threads,
            second.listeners,
            last.listeners,
        ))
        .with_note(format!(
            "entries at most: {counts} counts, room for {tombstones} tombstones, {namespaces} namespaces"
        ))
        .demand(last.vitals.resident_kib <= second.vitals.resident_kib + MOST_DRIFT_KIB, || {
            format!("memory drifts: {} KiB, then {}", second.vitals.resident_kib, last.vitals.resident_kib)
        })
        .demand(last.vitals.descriptors <= second.vitals.descriptors, || "descriptors drift".to_owned())
        .demand(last.listeners <= second.listeners, || "remembered listeners drift".to_owned())
        .demand(counts <= 2 * COUNTS, || format!("{counts} counts"))
        .demand(tombstones <= TOMBSTONES, || format!("{tombstones} tombstones"))
        .demand(namespaces <= NAMESPACES, || format!("{namespaces} namespaces")))
}

/// Storms, short processes, namespaces, listeners, and a reader that comes and goes.
fn cycle(testbed: &mut Testbed, observed: &ObservedDaemon) -> Result<Totals> {
    let follower = Subscriber::new(&observed.daemon.socket())?.follow()?;
    let mut storms = testbed.storms()?;
    let mut done = testbed.storm(&mut storms, 300)?;
    let mut others = vec![testbed.actor("crowd")?, testbed.actor("nomad")?];
    let seeds = [testbed.random.number(), testbed.random.number()];
    let commands =
        [format!("crowd {} 40 {} 1000 {OURS}c", testbed.closed_address(), seeds[0]), format!("nomad 3 {}", seeds[1])];
    done.add(&testbed.run(&mut others, &commands)?);
    others[0].ask("listeners 50")?;
    ensure!(follower.nonsense() == 0 && !follower.ended(), "the reader got malformed lines, or was cut off");
    Ok(done)
}

/// Reads the resources once the connections of the cycle are closed.
fn sample(observed: &ObservedDaemon) -> Result<SoakSample> {
    let pid = observed.daemon.pid();
    wait::moment(Duration::from_millis(20));
    let mut vitals = Vitals::of(pid)?;
    let mut fewest = vitals.descriptors;
    for _ in 0..20 {
        wait::pause();
        vitals = Vitals::of(pid)?;
        fewest = fewest.min(vitals.descriptors);
    }
    vitals.descriptors = fewest;
    Ok(SoakSample {
        vitals,
        listeners: bpf::entries(pid, "LISTENERS")?,
        counts: bpf::entries(pid, "COUNTS_0")? + bpf::entries(pid, "COUNTS_1")?,
        tombstones: bpf::entries(pid, "TOMBSTONES")?,
        namespaces: bpf::entries(pid, "NETNS_SENT")?,
    })
}

/// The median of each figure of a quarter, counted from 0.
fn typical(samples: &[SoakSample], quarter: usize) -> SoakSample {
    let (from, to) = (samples.len() * quarter / 4, samples.len() * (quarter + 1) / 4);
    let median = |of: fn(&SoakSample) -> u64| {
        let mut figures: Vec<u64> = samples[from..to].iter().map(of).collect();
        figures.sort_unstable();
        figures.get(figures.len() / 2).copied().unwrap_or(0)
    };
    let size = |of: fn(&SoakSample) -> u64| usize::try_from(median(of)).unwrap_or(usize::MAX);
    SoakSample {
        vitals: Vitals {
            resident_kib: median(|one| one.vitals.resident_kib),
            descriptors: median(|one| one.vitals.descriptors),
            threads: median(|one| one.vitals.threads),
        },
        listeners: size(|one| one.listeners as u64),
        counts: size(|one| one.counts as u64),
        tombstones: size(|one| one.tombstones as u64),
        namespaces: size(|one| one.namespaces as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_represented_by_its_median() {
        let sample = |resident_kib| SoakSample {
            vitals: Vitals { resident_kib, ..Vitals::default() },
            listeners: 1,
            counts: 2,
            tombstones: 3,
            namespaces: 4,
        };
        let samples: Vec<SoakSample> = [9, 9, 9, 1, 2, 99, 7, 7, 7, 5, 3, 4].map(sample).to_vec();
        assert_eq!(typical(&samples, 1).vitals.resident_kib, 2);
        assert_eq!(typical(&samples, 3).vitals.resident_kib, 4);
        assert_eq!(typical(&samples, 3).listeners, 1);
    }
}
