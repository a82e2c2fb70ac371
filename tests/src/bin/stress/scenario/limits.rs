//! Everything that is bounded is full.

use crate::{observed::ObservedDaemon, outcome::ScenarioFinding, testbed::Testbed};
use anyhow::Result;
use rstmon_tests::{bpf, follower::Subscriber, watched::RESETS};

/// The smallest limits.
const TIGHT: &str = "[counts]\nentries = 16\n[tombstones]\nentries = 1\n[history]\nevents = 10\n\
                     [events]\nring_bytes = 4096\nrate_per_second = 0\n[metrics]\nmax_series = 256\n";
const MAX_SERIES: usize = 256;
/// Listeners that the kernel half has room for (`LISTENERS` in rstmon-ebpf/src/maps.rs).
const LISTENERS: usize = 4096;

/// Fills counts, tombstones, ring, history and series.
pub(super) fn full_maps(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let observed = ObservedDaemon::start(testbed, TIGHT)?;
    let follower = Subscriber::new(&observed.daemon.socket())?.follow()?;
    let mut storms = testbed.storms()?;
    let each = testbed.arguments.times(8_000, 300_000);
    let done = testbed.storm(&mut storms, each)?;
    observed.events_add_up(&done, &follower)?;
    drop(follower);
    let metrics = observed.scrape()?;
    let (series, folded) = (metrics.select(RESETS, &[]).count(), metrics.count(RESETS, &[("process", "_other")]));
    let tombstones = bpf::entries(observed.daemon.pid(), "TOMBSTONES")?;
    let finding = observed.end(&done)?;
    let account = finding.account;
    let finding = finding
        .with_faults(&[("counts without room", account.overflow), ("events without room", account.lost.ring_full)])
        .with_note(format!("{series} series, {folded} resets folded away, room for {tombstones} tombstones"))
        .demand(series <= MAX_SERIES, || format!("{series} series, allowed are {MAX_SERIES}"))
        .demand(account.overflow > 0, || "16 entries held all keys".to_owned())
        .demand(account.lost.ring_full > 0, || "a ring of one page held all events".to_owned())
        .demand(folded > 0, || "nothing was folded away".to_owned());
    Ok(finding)
}

/// Opens more listeners than the map has room for, twice; an entry goes with its listener.
pub(super) fn listeners(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let observed = ObservedDaemon::start(testbed, "[history]\nevents = 1000\n")?;
    let pid = observed.daemon.pid();
    let before = bpf::entries(pid, "LISTENERS")?;
    let mut crowd = testbed.actor("crowd")?;
    let (mut storms, mut peak, mut opened) = (testbed.storms()?, 0, 0);
    // Each storm has a listener of its own, whose entry is free for a moment when it closes.
    let coming_and_going = storms.len();
    let mut done = crate::load::Totals::default();
    for count in [LISTENERS + 500, LISTENERS + 1000] {
        let load = testbed.begin(storms);
        crowd.ask(&format!("listeners {count}"))?;
        opened += count as u64;
        peak = peak.max(bpf::entries(pid, "LISTENERS")?);
        crowd.ask("listeners 0")?;
        let (actors, totals) = testbed.end(load)?;
        done.add(&totals);
        storms = actors;
    }
    // The storms' own listeners are gone with their commands.
    let after = bpf::entries(pid, "LISTENERS")?;
    let finding = observed.end(&done)?.with_faults(&[("listeners", opened)]);
    Ok(finding
        .with_note(format!("listeners remembered: {before} before, {peak} at most, {after} after"))
        .demand(peak + coming_and_going >= LISTENERS, || format!("the map was never full: {peak} of {LISTENERS}"))
        .demand(after <= before, || format!("{before} listeners were remembered before, {after} after")))
}
