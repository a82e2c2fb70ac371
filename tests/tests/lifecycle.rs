//! The daemon from start to exit: its pages, its cost, and what is left after it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess},
    scenario::{open, victim},
    skip,
    stage::{Family, Stage},
    vitals::Vitals,
    wait::{self, SOON},
    watched::WatchedDaemon,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{collections::BTreeSet, fs, process::Command, time::Duration};

/// Upper bound of the processor time from start to ready with all hooks attached: three times that of a release build,
/// so that debug builds pass.
const START: Duration = Duration::from_millis(600);

/// Upper bound of the resident memory once attached, in KiB.
const RESIDENT_KIB: u64 = 25 * 1024;

#[test]
fn it_serves_its_pages() {
    if !daemon::unless_ready("pages") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    for (path, status) in [("/-/ready", 200), ("/-/healthy", 200), ("/", 200), ("/metrics", 200), ("/nothing", 404)] {
        assert_eq!(daemon.get(path).unwrap().status, status, "{path}");
    }
    assert!(daemon.get("/").unwrap().body.contains("/metrics"), "the landing page leads to the metrics");
    daemon.stop().unwrap();
}

#[test]
fn it_exports_the_documented_metrics() {
    if !daemon::unless_ready("families") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let watched = WatchedDaemon::start().unwrap();
    let scene = open::refused(&stage).unwrap();
    watched.all_facts(&scene).unwrap();
    let metrics = watched.daemon.scrape().unwrap();
    for (name, kind) in [
        ("rstmon_resets_total", "counter"),
        ("rstmon_events_lost_total", "counter"),
        ("rstmon_count_overflow_total", "counter"),
        ("rstmon_hook_attached", "gauge"),
        ("rstmon_kernel_resets_total", "counter"),
        ("rstmon_uncounted_resets", "gauge"),
        ("rstmon_network_namespaces", "gauge"),
        ("rstmon_build_info", "gauge"),
        ("process_resident_memory_bytes", "gauge"),
    ] {
        assert_eq!(metrics.types.get(name).map(String::as_str), Some(kind), "type of {name}");
        assert!(metrics.select(name, &[]).next().is_some(), "{name} has no sample");
    }
    for why in ["ring_full", "rate_limited", "slow_subscriber"] {
        let labels = [("why", why)];
        assert!(metrics.select("rstmon_events_lost_total", &labels).next().is_some(), "no series for {why}");
    }
    for hook in ["tcp_send_reset", "tcp_receive_reset", "inet_sock_set_state"] {
        assert!(watched.has_hook(hook).unwrap(), "{hook} is not attached:\n{}", watched.daemon.said());
    }
}

#[test]
fn nothing_is_left_attached_after_a_graceful_stop() {
    nothing_is_left("graceful stop", |daemon| daemon.stop().unwrap());
}

#[test]
fn nothing_is_left_attached_after_an_interrupt() {
    nothing_is_left("interrupt", |daemon| {
        assert_eq!(daemon.end_by(Signal::INT).unwrap().code(), Some(0), "SIGINT is a graceful stop as well");
    });
}

#[test]
fn nothing_is_left_attached_after_kill_9() {
    nothing_is_left("kill -9", |daemon| {
        assert_eq!(daemon.end_by(Signal::KILL).unwrap().code(), None);
    });
}

fn nothing_is_left(name: &str, end: fn(DaemonProcess)) {
    if !daemon::unless_ready(name) || !skip::unless_installed(name, &["bpftool"]) {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let pid = daemon.pid();
    let ours: Vec<(&str, Vec<u64>)> = ["link", "prog", "map"].map(|kind| (kind, held_by(kind, pid))).to_vec();
    for (kind, ids) in &ours {
        assert!(!ids.is_empty(), "bpftool shows no {kind} of rstmon[{pid}]");
    }
    end(daemon);
    for (kind, ids) in &ours {
        // The kernel frees programs and maps after a grace period.
        wait::until_true(&format!("every {kind} of {ids:?} to be gone"), SOON, || {
            let left = all(kind);
            Ok(ids.iter().all(|id| !left.iter().any(|entry| entry["id"] == *id)))
        })
        .unwrap();
    }
}

/// All objects of a kind that the kernel has, from bpftool.
fn all(kind: &str) -> Vec<Value> {
    let bpftool = skip::find("bpftool").unwrap();
    let output = Command::new(bpftool).args(["--json", kind, "show"]).output().unwrap();
    assert!(output.status.success(), "bpftool: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The ids of the objects that a process holds, from its descriptors: bpftool shows holders only on kernels where it
/// can load programs of its own.
fn held_by(kind: &str, pid: u32) -> Vec<u64> {
    let field = format!("{kind}_id:");
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let held: BTreeSet<u64> = infos
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        // The descriptor of a link names its program as well.
        .filter(|info| kind == "link" || !info.contains("link_id:"))
        .filter_map(|info| info.lines().find_map(|line| line.strip_prefix(&field)?.trim().parse().ok()))
        .collect();
    let known = all(kind);
    held.into_iter().filter(|id| known.iter().any(|entry| entry["id"] == *id)).collect()
}

/// The processor time that a process has used, from the scheduler's statistics.
fn cpu_time(pid: u32) -> Duration {
    let schedstat = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    Duration::from_nanos(schedstat.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
fn it_starts_with_little_work_and_stays_small() {
    if !daemon::unless_ready("cost") {
        return;
    }
    if wait::slowness() > 1 {
        return skip::not_possible("cost", "times on an emulated processor mean nothing");
    }
    let daemon = DaemonProcess::start().unwrap();
    // Not the elapsed time, which depends on the load of the machine; `cargo xtask bench` measures that.
    let worked = cpu_time(daemon.pid());
    assert!(worked < START, "ready after {worked:?} of processor time, more than {START:?}");
    let resident = Vitals::of(daemon.pid()).unwrap().resident_kib;
    assert!(resident < RESIDENT_KIB, "{resident} KiB are resident, more than {RESIDENT_KIB}");
}

#[test]
fn two_daemons_see_the_same() {
    if !daemon::unless_ready("two daemons") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemons = [WatchedDaemon::start().unwrap(), WatchedDaemon::start().unwrap()];
    let scene = victim::established(&stage).unwrap();
    for watched in &daemons {
        watched.all_facts(&scene).unwrap();
    }
}

#[test]
fn counts_only_grow_from_scrape_to_scrape() {
    if !daemon::unless_ready("monotonic counters") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let watched = WatchedDaemon::start().unwrap();
    let mut before = watched.daemon.scrape().unwrap();
    for _ in 0..3 {
        victim::established(&stage).unwrap();
        let now = watched.daemon.scrape().unwrap();
        for sample in before.samples.iter().filter(|sample| sample.name == "rstmon_resets_total") {
            let labels: Vec<(&str, &str)> = sample.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let later = now.count(&sample.name, &labels);
            let earlier = before.count(&sample.name, &labels);
            assert!(later >= earlier, "{sample:?} fell to {later}");
        }
        before = now;
    }
}
