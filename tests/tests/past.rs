//! `--since`, `--until` and `--at`, in the daemon's memory and in recordings: plain, gzip, several, directories.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, rstmon},
    scenario,
    scene::Direction,
    scratch, skip,
    stage::{Family, Stage},
    watched::WatchedDaemon,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// Exit code of wrong usage.
const USAGE: i32 = 2;

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeded(output: Output) -> (String, String) {
    let said = stderr(&output);
    assert!(output.status.success(), "{}: {said}", output.status);
    (String::from_utf8(output.stdout).unwrap(), said)
}

/// What a command prints on standard output and on standard error.
fn run(arguments: &[&str]) -> (String, String) {
    succeeded(rstmon(arguments).unwrap())
}

fn report(arguments: &[&str]) -> Value {
    serde_json::from_str(&run(&[&["why", "--json"], arguments].concat()).0).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_memory_is_asked_for_a_span() {
    if !daemon::unless_ready("past") {
        return;
    }
    let watched = WatchedDaemon::start().unwrap();
    let stage = Stage::loopback(Family::V4).unwrap();
    let scene = scenario::close::with_unread_data(&stage).unwrap();
    let sent = scene.resets.iter().find(|reset| reset.direction == Direction::Sent).unwrap();
    let events = watched.all_facts(&scene).unwrap();
    let event = events.iter().find(|event| event["direction"] == "sent").unwrap();
    let (time, port) = (event["time"].as_str().unwrap(), format!("port={}", sent.local.port()));
    let socket = watched.daemon.socket();
    let socket = ["--socket", socket.to_str().unwrap(), &port];

    // With --until, tail ends by itself; the daemon filters.
    for span in [["--since", "10m", "--until", "now"], ["--since", time, "--until", time], ["--at", time, "--at", time]]
    {
        let span = if span[0] == "--at" { &span[..2] } else { &span[..] };
        let (text, said) = run(&[&["tail", "--json"], &socket[..], span].concat());
        let found = lines(&text);
        assert!(found.iter().any(|found| found["time"] == time), "{span:?}: {text}");
        assert!(found.iter().all(|found| found["service_port"] == sent.local.port()), "{span:?}: {text}");
        let has_gap = said.contains("nothing is kept: the daemon started then");
        assert_eq!(has_gap, span[1] != time || span[0] == "--at", "{span:?}: {said}");
        let report = report(&[&socket[..], span].concat());
        assert!(report["events"].as_u64().unwrap() >= 1, "{span:?}: {report:#}");
    }

    // A span before the daemon's start has no resets, and the answer says that none could be there.
    let before = ["--since", "2026-01-01", "--until", "2026-01-02T00:00:00Z"];
    let (text, said) = run(&[&["tail", "--json"], &socket[..], &before].concat());
    assert_eq!(text, "");
    assert!(said.contains("nothing is kept: the daemon started then"), "{said}");
    let report = report(&[&socket[..], &before].concat());
    assert_eq!((&report["events"], &report["excluded"]), (&0.into(), &0.into()));
    assert!(report["covered"]["since"].as_str().unwrap() > "2026-01-02", "{report:#}");
    let (page, _) = run(&[&["why", "--utc"], &socket[..], &before].concat());
    assert!(page.starts_with("No resets in "), "{page}");
    assert!(page.contains("nothing is kept: the daemon started then."), "{page}");
    assert!(!page.contains("would be here"), "{page}");
}

#[test]
fn a_follower_begins_in_the_past() {
    if !daemon::unless_ready("past follower") {
        return;
    }
    let watched = WatchedDaemon::start().unwrap();
    let stage = Stage::loopback(Family::V4).unwrap();
    let first = scenario::close::with_unread_data(&stage).unwrap();
    let events = watched.all_facts(&first).unwrap();
    let latest = events.iter().map(|event| event["time"].as_str().unwrap()).max().unwrap();
    let second = scenario::open::refused(&stage).unwrap();
    watched.all_facts(&second).unwrap();
    let tail = rstmon_tests::tail::Tail::through(&watched.daemon.socket(), &["--since", latest]).unwrap();
    let third = scenario::open::refused(&stage).unwrap();
    for reset in second.resets.iter().chain(&third.resets) {
        tail.expect(reset).unwrap();
    }
    for event in tail.events().unwrap() {
        assert!(event["time"].as_str().unwrap() >= latest, "{event:#} is from before {latest}");
    }
}

/// Recordings of three seconds of 21 November 2026, as files in a directory.
struct Recorded {
    directory: TempDir,
}

/// A line of a reset received at a second of 03:12 UTC, by a client port of its own.
fn line(second: u32) -> String {
    format!(
        r#"{{"schema":1,"time":"2026-11-21T03:12:{second:02}Z","direction":"received","reason":"unsupported","state":"established","socket":"full","family":"ipv4","local":{{"address":"10.0.0.1","port":80}},"remote":{{"address":"10.0.0.2","port":{}}},"service_port":80,"owner":{{"process":"web","pid":7,"provenance":"accepted"}},"evidence":{{}},"cause":"peer_reset","confidence":"likely","severity":"notice","sentence":"made up"}}"#,
        40_000 + second
    )
}

fn gzip(text: &str, to: &Path) {
    let mut child = Command::new("gzip").stdin(Stdio::piped()).stdout(fs::File::create(to).unwrap()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

impl Recorded {
    fn new() -> Self {
        let directory = scratch::directory().unwrap();
        let text = |seconds: &[u32]| seconds.iter().map(|&second| line(second) + "\n").collect::<String>();
        fs::write(directory.path().join("a.json"), text(&[10, 20, 40])).unwrap();
        gzip(&text(&[15, 20, 30]), &directory.path().join("b.ndjson.gz"));
        fs::write(directory.path().join("notes.txt"), "not a recording").unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.directory.path().join(name);
        path.to_str().unwrap().to_owned()
    }
}

fn seconds(text: &str) -> Vec<String> {
    lines(text).iter().map(|event| event["time"].as_str().unwrap()[17..19].to_owned()).collect()
}

#[test]
fn recordings_are_read_plain_and_gzip_in_any_number() {
    if !daemon::unless_ready("past recordings") || !skip::unless_installed("past recordings", &["gzip"]) {
        return;
    }
    let recorded = Recorded::new();
    let (a, b, all) = (recorded.path("a.json"), recorded.path("b.ndjson.gz"), recorded.path(""));
    let replay = |arguments: &[&str]| seconds(&run(&[&["tail", "--json"], arguments].concat()).0);
    assert_eq!(replay(&["--replay", &a]), ["10", "20", "40"]);
    assert_eq!(replay(&["--replay", &b]), ["15", "20", "30"]);
    // An event of both comes once, and a shell's expansion of `*` makes words of further files.
    for several in [vec!["--replay", &a, "--replay", &b], vec!["--replay", &all], vec!["--replay", &a, &b, "port=80"]] {
        assert_eq!(replay(&several), ["10", "15", "20", "30", "40"], "{several:?}");
        let report = report(&several);
        assert_eq!(report["events"], 5, "{several:?}: {report:#}");
    }
    // Gzip on standard input.
    let input = fs::File::open(&b).unwrap();
    let output =
        Command::new(daemon::binary().unwrap()).args(["why", "--json", "--replay", "-"]).stdin(input).output().unwrap();
    let report: Value = serde_json::from_str(&succeeded(output).0).unwrap();
    assert_eq!(report["events"], 3, "{report:#}");
    let top: Value = serde_json::from_str(&run(&["top", "--json", "--replay", &all]).0).unwrap();
    assert_eq!(top["received"]["total"], 5, "{top:#}");
}

#[test]
fn times_of_a_recording_count_from_its_end() {
    if !daemon::unless_ready("past times") || !skip::unless_installed("past times", &["gzip"]) {
        return;
    }
    let recorded = Recorded::new();
    let all = recorded.path("");
    let replay = |arguments: &[&str]| {
        let (text, said) = run(&[&["tail", "--json", "--utc", "--replay", &all], arguments].concat());
        (seconds(&text).join(" "), said)
    };
    for (span, expected) in [
        (vec!["--since", "20s"], "20 30 40"),
        (vec!["--since", "03:12:15", "--until", "03:12:30"], "15 20 30"),
        (vec!["--until", "2026-11-21T03:12:15Z"], "10 15"),
        (vec!["--at", "2026-11-21 03:17:05"], "10 15 20 30 40"),
        (vec!["--at", "2026-11-21 03:17:15"], "15 20 30 40"),
        (vec!["--since", "2026-11-21 04:12:30+01:00"], "30 40"),
        // The last 03:20 before the end was on the day before.
        (vec!["--at", "03:20"], ""),
        (vec!["--at", "2026-11-21"], "10 15 20 30 40"),
        (vec!["--at", "03:12", "process=other"], ""),
    ] {
        assert_eq!(replay(&span).0, expected, "{span:?}");
    }
    let (none, said) = replay(&["--since", "2026-11-22"]);
    assert_eq!(none, "");
    assert!(said.contains("After 2026-11-21 03:12:40+00:00 nothing is recorded"), "{said}");
    let page = run(&["why", "--utc", "--replay", &all, "--at", "2026-11-21 03:17:10"]).0;
    assert!(page.starts_with("5 resets in 10.0 min: 5 notice."), "{page}");
    assert!(page.contains("From 03:12:10 to 03:22:10"), "{page}");
    assert!(page.contains("After 03:12:40 nothing is recorded."), "{page}");
    // The zone of the environment, and of --utc.
    let local = Command::new(daemon::binary().unwrap())
        .args(["tail", "--replay", &all, "--at", "04:12:10"])
        .env("TZ", "CET-1")
        .output()
        .unwrap();
    let (text, _) = succeeded(local);
    assert!(text.contains("--- 2026-11-21 ---\n04:12:10.000000 received"), "{text}");
    let top: Value = serde_json::from_str(&run(&["top", "--json", "--replay", &all, "--since", "10s"]).0).unwrap();
    assert_eq!((&top["received"]["total"], &top["started"]), (&2.into(), &"2026-11-21T03:12:30Z".into()), "{top:#}");
}

#[test]
fn what_cannot_be_read_or_meant_is_usage() {
    if !daemon::unless_ready("past errors") || !skip::unless_installed("past errors", &["gzip"]) {
        return;
    }
    let recorded = Recorded::new();
    let (a, empty) = (recorded.path("a.json"), recorded.path("empty"));
    fs::create_dir(&empty).unwrap();
    fs::write(recorded.path("damaged.json.gz"), b"\x1f\x8b\x08\0\0\0\0\0\0\x03 damaged").unwrap();
    let damaged = recorded.path("damaged.json.gz");
    for (arguments, word) in [
        (vec!["why", "--since", "noon"], "\"noon\" is no time; write it like 10m"),
        (vec!["why", "--at", "25:00"], "\"25:00\": a time of day is from 00:00 to 23:59:59"),
        (vec!["tail", "--until", "2026-02-30"], "there is no such day"),
        (vec!["tail", "--since", "2999-01-01"], "begins in the future"),
        (vec!["why", "--since", "1h", "--until", "2h"], "the span ends before it begins"),
        (vec!["why", "--at", "03:12", "--since", "1h"], "cannot be used with"),
        (vec!["why", "--for", "1s", "--since", "1h"], "cannot be used with"),
        (vec!["tail", "--standalone", "--since", "1h"], "sees no past"),
        (vec!["top", "--once", "--since", "1h"], "--replay FILE"),
        (vec!["why", "--replay", "-", "--since", "1h"], "can be read only once"),
        (vec!["why", "--replay", &empty], "has no recordings"),
        (vec!["why", "--replay", &damaged], "the gzip data is"),
        (vec!["why", "--replay", &a, "missing.json"], "cannot read the recording missing.json"),
        (vec!["top", "--once", "--replay", &a, "--since", "2026-12-01"], "no event is in the span"),
    ] {
        let output = rstmon(&arguments).unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(USAGE), "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?}: expected {word:?} in {said}");
    }
    // What is left of a recording that was cut off is read, with a note.
    let cut = recorded.path("cut.json.gz");
    let whole = fs::read(recorded.path("b.ndjson.gz")).unwrap();
    fs::write(&cut, &whole[..whole.len() - 8]).unwrap();
    let (text, said) = run(&["tail", "--json", "--replay", &cut]);
    assert_eq!(seconds(&text), ["15", "20", "30"]);
    assert!(said.contains("the gzip data is cut off at line"), "{said}");
}
