//! The store on the live kernel: resets that outlive the daemon, a full disk, two daemons on one directory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess, rstmon},
    metrics::Metrics,
    scenario, scratch, skip,
    stage::{Family, Stage},
    wait::{self, SOON},
    watched::RESETS,
};
use serde_json::Value;
use std::{fs, path::Path, process::Command};

/// The rest of the section of the store may follow. The file system of the tests may be small.
const CONFIGURATION: &str = "[events]\nrate_per_second = 0\n[store]\nmin_free = \"0\"\n";

fn history(store: &Path, arguments: &[&str]) -> String {
    let output = rstmon(&[&["history"], arguments, &["--store", store.to_str().unwrap()]].concat()).unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The events in the store that match a filter.
fn stored(store: &Path, filter: &[&str]) -> Vec<Value> {
    let lines = history(store, &[&["export"], filter].concat());
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.get("lost").is_none()).collect()
}

/// Provokes a reset, and waits until the store has it. Returns the filter that finds it.
fn provoke(store: &Path) -> Vec<String> {
    let stage = Stage::loopback(Family::V4).unwrap();
    let scene = scenario::close::with_unread_data(&stage).unwrap();
    let port = scene.resets[0].local.port().min(scene.resets[0].remote.port());
    let filter = vec![
        "cause=closed_with_unread_data".to_owned(),
        format!("port={port},{}", scene.resets[0].local.port().max(scene.resets[0].remote.port())),
    ];
    let words: Vec<&str> = filter.iter().map(String::as_str).collect();
    wait::until_true("the reset to be stored", SOON, || Ok(!stored(store, &words).is_empty())).unwrap();
    filter
}

fn count(daemon: &DaemonProcess, name: &str, labels: &[(&str, &str)]) -> u64 {
    daemon.scrape().as_ref().map(|metrics: &Metrics| metrics.count(name, labels)).unwrap()
}

#[test]
fn resets_outlive_kill_9_and_the_gap_is_part_of_the_answer() {
    if !daemon::unless_ready("store over kill -9") {
        return;
    }
    let daemon = DaemonProcess::configured(CONFIGURATION).unwrap();
    let first = provoke(&daemon.store());
    let daemon = daemon.kill().unwrap().replace().unwrap();
    let store = daemon.store();
    let second = provoke(&store);
    for filter in [&first, &second] {
        let words: Vec<&str> = filter.iter().map(String::as_str).collect();
        let events = stored(&store, &words);
        assert!(!events.is_empty(), "{filter:?}");
        assert!(events.iter().all(|event| event["seq"].as_u64().is_some_and(|seq| seq > 0)), "{events:?}");
    }
    let list: Value = serde_json::from_str(&history(&store, &["--json"])).unwrap();
    assert_eq!(list["is_written"], true, "{list:#}");
    let reasons: Vec<&Value> = list["gaps"].as_array().unwrap().iter().map(|gap| &gap["reason"]).collect();
    assert_eq!(reasons, ["not_kept", "killed"], "{list:#}");
    let boots: Vec<&Value> = list["segments"].as_array().unwrap().iter().map(|segment| &segment["boot"]).collect();
    assert!(boots.windows(2).all(|two| two[0] == two[1]), "{list:#}");
    history(&store, &["check"]);

    // The recording is read as any other.
    let recording = scratch::directory().unwrap();
    let file = recording.path().join("night.json");
    fs::write(&file, history(&store, &["export", "--since", "1h"])).unwrap();
    let output = rstmon(&["why", "--json", "--replay", file.to_str().unwrap(), &first[0]]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["findings"].as_array().is_some_and(|findings| !findings.is_empty()), "{report:#}");
    daemon.stop().unwrap();
}

#[test]
fn a_stop_stores_every_reset_that_was_counted() {
    if !daemon::unless_ready("stored counts") {
        return;
    }
    let daemon = DaemonProcess::configured(CONFIGURATION).unwrap();
    provoke(&daemon.store());
    let counted = count(&daemon, RESETS, &[]);
    // Outlives the daemon.
    let copy = scratch::directory().unwrap();
    let store = copy.path().join("store");
    let from = daemon.store();
    let directory = from.clone();
    wait::until_true("the store to have its lock", SOON, || Ok(directory.join("lock").exists())).unwrap();
    fs::create_dir(&store).unwrap();
    let stopped = daemon.stop_and(|| {
        for entry in fs::read_dir(&from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), store.join(entry.file_name())).unwrap();
        }
    });
    stopped.unwrap();
    let list: Value = serde_json::from_str(&history(&store, &["--json"])).unwrap();
    let stored: u64 = list["counted"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    // Other processes of this host may have reset connections since the scrape.
    assert!(stored >= counted && counted > 0, "{stored} of {counted}: {list:#}");
    assert_eq!(list["is_written"], false);
    assert!(list["segments"].as_array().unwrap().iter().any(|segment| segment["stopped"].is_string()), "{list:#}");
}

/// A small file system, unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let directory = scratch::directory().unwrap();
        let path = directory.path().to_str().unwrap();
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "rstmon-test", path]).status().unwrap();
        assert!(status.success(), "mount: {status}");
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, how: &str) {
        let option = format!("remount,{how}");
        let status = Command::new("mount").args(["-o", &option]).arg(self.path()).status().unwrap();
        assert!(status.success(), "mount -o {option}: {status}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_costs_stored_events_and_nothing_else() {
    if !daemon::unless_ready("full disk") || !skip::unless_installed("full disk", &["mount", "umount"]) {
        return;
    }
    let disk = SmallDisk::mount();
    let store = disk.path().join("store");
    let daemon = DaemonProcess::configured(&format!("{CONFIGURATION}directory = \"{}\"\n", store.display())).unwrap();
    provoke(&store);
    let filler = disk.path().join("filler");
    // Ends with an error when no byte is left.
    let _ = fs::write(&filler, vec![0; 2 << 20]);
    let stage = Stage::loopback(Family::V4).unwrap();
    let before = count(&daemon, RESETS, &[]);
    wait::until_true("an event to be lost", SOON, || {
        scenario::close::with_unread_data(&stage)?;
        Ok(count(&daemon, "rstmon_events_lost_total", &[("why", "store")]) > 0)
    })
    .unwrap();
    assert_eq!(count(&daemon, "rstmon_store_up", &[]), 0);
    assert!(count(&daemon, RESETS, &[]) > before, "counting goes on");
    let doctor = rstmon(&["doctor", "--json", "--socket", daemon.socket().to_str().unwrap()]).unwrap();
    let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let check = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "store").unwrap();
    assert_eq!(check["standing"], "degraded", "{check:#}");
    assert_eq!(daemon.said().matches("the store cannot write").count(), 1, "{}", daemon.said());

    fs::remove_file(&filler).unwrap();
    provoke(&store);
    assert_eq!(count(&daemon, "rstmon_store_up", &[]), 1);
    let lines = history(&store, &["export"]);
    assert!(lines.lines().any(|line| line.starts_with("{\"schema\":1,\"lost\":")), "the loss is in its place: {lines}");
    history(&store, &["check"]);
    daemon.stop().unwrap();
}

#[test]
fn a_read_only_file_system_is_used_as_soon_as_it_can_be_written() {
    if !daemon::unless_ready("read-only disk") || !skip::unless_installed("read-only disk", &["mount", "umount"]) {
        return;
    }
    let disk = SmallDisk::mount();
    let store = disk.path().join("store");
    fs::create_dir(&store).unwrap();
    disk.remount("ro");
    let daemon = DaemonProcess::configured(&format!("{CONFIGURATION}directory = \"{}\"\n", store.display())).unwrap();
    wait::until_true("the daemon to say so", SOON, || Ok(daemon.said().contains("Read-only file system"))).unwrap();
    assert_eq!(count(&daemon, "rstmon_store_up", &[]), 0);
    disk.remount("rw");
    let stage = Stage::loopback(Family::V4).unwrap();
    wait::until_true("storing to begin", SOON, || {
        scenario::close::with_unread_data(&stage)?;
        Ok(count(&daemon, "rstmon_store_up", &[]) == 1)
    })
    .unwrap();
    provoke(&store);
    daemon.stop().unwrap();
}

#[test]
fn of_two_daemons_on_one_directory_one_stores_and_both_count() {
    if !daemon::unless_ready("one directory") {
        return;
    }
    let directory = scratch::directory().unwrap();
    let store = directory.path().join("store");
    let toml = format!("{CONFIGURATION}directory = \"{}\"\n", store.display());
    let first = DaemonProcess::configured(&toml).unwrap();
    provoke(&store);
    let second = DaemonProcess::configured(&toml).unwrap();
    wait::until_true("the second to say so", SOON, || Ok(second.said().contains("in use by another rstmon"))).unwrap();
    provoke(&store);
    assert!(count(&second, RESETS, &[]) > 0);
    assert_eq!((count(&first, "rstmon_store_up", &[]), count(&second, "rstmon_store_up", &[])), (1, 0));
    history(&store, &["check"]);
    second.stop().unwrap();
    first.stop().unwrap();
}

#[test]
fn without_a_store_nothing_is_written() {
    if !daemon::unless_ready("no store") {
        return;
    }
    let daemon = DaemonProcess::configured("[store]\nenabled = false\n").unwrap();
    assert!(!daemon.store().exists());
    assert!(daemon.scrape().unwrap().select("rstmon_store_up", &[]).next().is_none());
    let output = rstmon(&["history", "--store", daemon.store().to_str().unwrap()]).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot open"), "{output:?}");
    daemon.stop().unwrap();
}
