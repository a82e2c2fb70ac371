//! Every reset is counted exactly once, and nothing else is counted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    connection::{Connection, Recipe},
    daemon, hostile,
    kernel::Counters,
    machine::MachineLock,
    metrics::Metrics,
    netns::NetworkPlace,
    scenario::{self, Ground, Scenario},
    scene::Watch,
    sight::unless_unseen,
    skip,
    stage::{Family, Stage},
    wait::{self, LATER, SOON},
    watched::{RESETS, WatchedDaemon},
};

/// Connections of each of the two processes of the flood, unless the processor is emulated.
const EACH: u64 = 100_000;

/// Closed ports between two scrapes; each of them gives two keys.
const PORTS: u16 = 60;

#[test]
fn every_refused_connection_of_a_flood_is_counted() {
    if !daemon::unless_ready("flood") || !unless_unseen("flood", &["sent_without_socket"]) {
        return;
    }
    let stage = Stage::undisturbed(Family::V4).unwrap();
    let watched = WatchedDaemon::configured("[events]\nring_bytes = 4096\nrate_per_second = 0\n").unwrap();
    let host_before = Counters::read(&NetworkPlace::Host).unwrap();
    let before = watched.daemon.scrape().unwrap();
    let watch = Watch::on(stage.server()).unwrap();

    let each = wait::feasible(EACH);
    let (port, ends) = scenario::open::flood(&stage, &["flood-a", "flood-b"], each).unwrap();

    let after = watched.daemon.scrape().unwrap();
    // The kernel counts in every namespace separately; rstmon adds up all.
    let host = Counters::read(&NetworkPlace::Host).unwrap().since(&host_before).get("OutRsts");
    let kernel = watch.growth().unwrap().get("OutRsts") + host;
    let grown = |labels: &[(&str, &str)]| after.count(RESETS, labels) - before.count(RESETS, labels);
    assert_eq!(grown(&[("direction", "sent")]), kernel, "sent, against the kernel's OutRsts");

    let port = port.to_string();
    // If a task is preempted in a hook, the kernel skips that hook for other tasks and counts the misses: these have no
    // owner.
    let received = |process: &str| grown(&[("direction", "received"), ("process", process), ("port", port.as_str())]);
    let owned: Vec<u64> = ends.iter().map(|end| received(&end.comm)).collect();
    let unowned = received("");
    assert!(owned.iter().all(|&owned| owned <= each), "{owned:?} of {each}");
    assert_eq!(
        owned.iter().sum::<u64>() + unowned,
        2 * each,
        "received by both processes ({owned:?}) and without an owner"
    );
    let missed =
        |metrics: &Metrics| metrics.count("rstmon_probe_missed_runs_total", &[("hook", "inet_sock_set_state")]);
    let missed = missed(&after) - missed(&before);
    assert!(unowned <= missed, "{unowned} have no owner, and the kernel missed {missed} runs");
    for direction in ["sent", "received"] {
        assert_eq!(grown(&[("direction", direction), ("port", port.as_str())]), 2 * each, "{direction} at port {port}");
    }
    assert_eq!(after.count("rstmon_count_overflow_total", &[]), 0, "the few keys of this test fit into the map");

    // Events that the reader did not get are counted as lost; all others were handed on: the sum has to be exact.
    let balance = || -> anyhow::Result<(u64, u64, u64)> {
        let metrics = watched.daemon.scrape()?;
        // Not what the store loses, where the disk is full: the reader got it.
        let lost = |metrics: &Metrics| {
            let of = |why| metrics.count("rstmon_events_lost_total", &[("why", why)]);
            ["ring_full", "rate_limited", "slow_subscriber"].map(of).iter().sum::<u64>()
        };
        let counted = metrics.count(RESETS, &[]) - before.count(RESETS, &[]);
        Ok((watched.tail.count() as u64, lost(&metrics) - lost(&before), counted))
    };
    let added_up = wait::until_true("seen and lost events to add up", LATER, || {
        let (seen, lost, counted) = balance()?;
        Ok(seen + lost >= counted)
    });
    let (seen, lost, counted) = balance().unwrap();
    assert!(added_up.is_ok() && seen + lost == counted, "{seen} events seen, {lost} lost, {counted} resets counted");
    let metrics = watched.daemon.scrape().unwrap();
    assert!(metrics.count("rstmon_events_lost_total", &[("why", "ring_full")]) > 0, "a ring of one page lost no event");
    assert_eq!(metrics.count("rstmon_events_lost_total", &[("why", "rate_limited")]), 0, "no limit was set");
}

#[test]
fn a_full_count_map_keeps_the_sum() {
    if !daemon::unless_ready("full map") || !unless_unseen("full map", &["sent_without_socket"]) {
        return;
    }
    let stage = Stage::undisturbed(Family::V4).unwrap();
    // Far fewer entries and series than ports: the overflow slots and folding are both needed.
    let watched = WatchedDaemon::configured("[counts]\nentries = 16\n[metrics]\nmax_series = 256\n").unwrap();
    let before = watched.daemon.scrape().unwrap();
    let watch = Watch::on(stage.server()).unwrap();
    let mut scanner = stage.client_actor("scanner").unwrap();
    let ports = 20_001..21_001u16;
    let refused = ports.len() as u64;
    for port in ports {
        scanner.ask(&format!("flood {} 1", stage.server_address(port))).unwrap();
    }
    let after = watched.daemon.scrape().unwrap();
    assert_eq!(watch.growth().unwrap().get("OutRsts"), refused, "every port refused");
    for direction in ["sent", "received"] {
        let labels = [("direction", direction)];
        assert_eq!(after.count(RESETS, &labels) - before.count(RESETS, &labels), refused, "{direction}");
    }
    assert!(after.count("rstmon_count_overflow_total", &[]) > 0, "2000 keys fitted into 16 entries");
    assert!(after.count(RESETS, &[("process", "_other")]) > 0, "the overflow is not counted as _other");
    let series = after.select(RESETS, &[]).count();
    assert!(series <= 256, "{series} series, more than 256");
    assert_eq!(after.count("rstmon_uncounted_resets", &[]), 0);
}

#[test]
fn a_generation_of_counts_is_recycled_without_a_loss() {
    if !daemon::unless_ready("recycling") || !unless_unseen("recycling", &["sent_without_socket"]) {
        return;
    }
    let stage = Stage::undisturbed(Family::V4).unwrap();
    let watched = WatchedDaemon::configured("[counts]\nentries = 256\n").unwrap();
    let before = watched.daemon.scrape().unwrap();
    let mut scanner = stage.client_actor("scanner").unwrap();
    let mut refused = 0;
    // A round needs less than half of the map, and every scrape keeps that much free. All rounds need three times the
    // size of the map and the tables in front of it, so that scrapes have to change the generation.
    for round in 0..16u16 {
        for port in 0..PORTS {
            scanner.ask(&format!("flood {} 1", stage.server_address(20_001 + round * PORTS + port))).unwrap();
            refused += 1;
        }
        let after = watched.daemon.scrape().unwrap();
        for direction in ["sent", "received"] {
            let labels = [("direction", direction)];
            let grown = after.count(RESETS, &labels) - before.count(RESETS, &labels);
            assert_eq!(grown, refused, "{direction} after round {round}");
        }
        assert_eq!(after.count("rstmon_count_overflow_total", &[]), 0, "a recycled map has room");
    }
}

#[test]
fn a_rate_limit_loses_events_but_no_counts() {
    if !daemon::unless_ready("rate limit") || !unless_unseen("rate limit", &["sent_without_socket"]) {
        return;
    }
    let stage = Stage::undisturbed(Family::V4).unwrap();
    let watched = WatchedDaemon::configured("[events]\nrate_per_second = 10\n").unwrap();
    let before = watched.daemon.scrape().unwrap();
    let watch = Watch::on(stage.server()).unwrap();
    let times = wait::feasible(10_000);
    scenario::open::flood(&stage, &["flood"], times).unwrap();
    let after = watched.daemon.scrape().unwrap();
    let sent = [("direction", "sent"), ("cause", "refused")];
    assert_eq!(watch.growth().unwrap().get("OutRsts"), times);
    assert!(after.count(RESETS, &sent) - before.count(RESETS, &sent) >= times);
    let limited = after.count("rstmon_events_lost_total", &[("why", "rate_limited")]);
    assert!(limited > 0, "{times} resets within a few seconds did not exceed 10 a second");
}

#[test]
fn each_scenario_counts_what_it_provokes_and_no_more() {
    if !daemon::unless_ready("exact counts") {
        return;
    }
    let _alone = MachineLock::exclusive().unwrap();
    let watched = WatchedDaemon::start().unwrap();
    let mut failed = Vec::new();
    // Kept to the end: resets caused by the end of a scene would be counted for the next one.
    let mut played = Vec::new();
    // Scenarios that need the whole machine come first: a limit on orphans would abort those of other scenes.
    let mut scenarios: Vec<&Scenario> = scenario::ALL.iter().collect();
    scenarios.sort_by_key(|scenario| scenario.ground != Ground::Undisturbed);
    for scenario in scenarios {
        if !skip::unless_installed(scenario.name, scenario.tools) {
            continue;
        }
        let mut play = || {
            let stage = scenario.ground.stage()?;
            let before = watched.daemon.scrape()?;
            let scene = (scenario.play)(&stage)?;
            let counted = watched.counted(scenario.name, &scene, &before);
            let came_about = counted.is_ok() || scene.came_about()?;
            played.push((stage, scene));
            anyhow::Ok((counted, came_about))
        };
        let mut result = play();
        if let Ok((Err(error), false)) = &result {
            // No fault of rstmon: the kernel's counters show that the scenario did not provoke its resets. It is
            // reported and repeated.
            hostile::report(&format!("{}: not provoked: {error:#}", scenario.name));
            result = play();
        }
        let counted = result.and_then(|(counted, _)| counted);
        failed.extend(counted.err().map(|error| format!("{}: {error:#}", scenario.name)));
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn the_kernels_own_counters_agree() {
    if !daemon::unless_ready("reconciliation") || !unless_unseen("reconciliation", &["sent_without_socket"]) {
        return;
    }
    // On the host's own loopback, whose counters rstmon can read.
    let _alone = MachineLock::exclusive().unwrap();
    let stage = Stage::host(Family::V4).unwrap();
    let watched = WatchedDaemon::start().unwrap();
    for play in [scenario::open::refused, scenario::close::with_unread_data, scenario::late::in_time_wait] {
        play(&stage).unwrap();
    }
    wait::until_true("rstmon_uncounted_resets to be 0", SOON, || {
        let metrics = watched.daemon.scrape()?;
        Ok(metrics.select("rstmon_uncounted_resets", &[]).any(|sample| sample.value == 0.0))
    })
    .unwrap();
    let exported = watched.daemon.scrape().unwrap().count("rstmon_kernel_resets_total", &[("counter", "OutRsts")]);
    let known = Counters::read(&NetworkPlace::Host).unwrap().get("OutRsts");
    assert_eq!(exported, known, "rstmon_kernel_resets_total is the kernel's OutRsts");
}

#[test]
fn a_name_full_of_tricks_is_a_label_like_any_other() {
    if !daemon::unless_ready("hostile name") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let watched = WatchedDaemon::start().unwrap();
    let name = "a\"}b\\n{c=\"1";
    let mut pair = Connection::make(&stage, Recipe { server: name, ..Recipe::default() }).unwrap();
    pair.client.ask("set c linger 0").unwrap();
    pair.client.ask("close c").unwrap();
    let labels = [("process", name), ("direction", "received")];
    let counted = || watched.daemon.scrape().map(|metrics| metrics.count(RESETS, &labels));
    wait::until_true(&format!("a reset of the process {name:?}"), SOON, || Ok(counted()? >= 1)).unwrap();
    assert_eq!(counted().unwrap(), 1, "resets of the process {name:?}");
}
