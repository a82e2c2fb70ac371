//! `rstmon tail --json`: with the daemon and alone, with and without filters.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess},
    scenario::{close, late, open},
    scene::Direction,
    stage::{Family, Stage},
    tail::Tail,
    wait::{self, SOON},
    watched::WatchedDaemon,
};
use serde_json::Value;
use std::{
    fs,
    process::{Child, Command, Stdio},
};

/// Fields of every event, whatever their value.
const FIELDS: &[&str] = &[
    "schema",
    "time",
    "direction",
    "reason",
    "state",
    "family",
    "local",
    "remote",
    "service_port",
    "netns",
    "owner",
    "evidence",
];

/// Whether a filter should pass an event; the number is the port of the filters that name one.
type Fits = fn(&Value, u16) -> bool;

fn check_schema(event: &Value) {
    for field in FIELDS {
        assert!(event.get(field).is_some(), "no {field} in {event:#}");
    }
    let time = event["time"].as_str().unwrap();
    let shape: String = time.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    assert!(shape.starts_with("0000-00-00T00:00:00"), "time is not RFC 3339: {time}");
    assert!(shape.ends_with('Z') || shape.ends_with("00:00"), "time has no zone: {time}");
    let evidence = event["evidence"].as_object().unwrap();
    assert!(evidence.values().all(|value| !value.is_null()), "evidence has no null values: {evidence:?}");
}

#[test]
fn alone_it_sees_what_the_daemon_sees() {
    if !daemon::unless_ready("tail alone") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemon = DaemonProcess::start().unwrap();
    let tails = [Tail::through(&daemon.socket(), &[]).unwrap(), Tail::standalone(&[]).unwrap()];
    let scene = close::with_unread_data(&stage).unwrap();
    for reset in &scene.resets {
        let [mut through, mut alone] = [&tails[0], &tails[1]].map(|tail| tail.expect(reset).unwrap());
        check_schema(&through);
        check_schema(&alone);
        // The two probes read the clock at different times; ages and idle times differ, also in the text.
        for event in [&mut through, &mut alone] {
            for part in ["", "/peer"] {
                let Some(part) = event.pointer_mut(part).and_then(Value::as_object_mut) else { continue };
                part.retain(|field, _| !["time", "evidence", "sentence"].contains(&field.as_str()));
            }
        }
        assert_eq!(through, alone);
    }
}

#[test]
fn a_filter_lets_through_what_it_names_and_nothing_else() {
    if !daemon::unless_ready("tail filters") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemon = DaemonProcess::configured("[events]\nrate_per_second = 0\n").unwrap();
    let tail = |filters: &[&str]| Tail::through(&daemon.socket(), filters).unwrap();
    let first = close::with_unread_data(&stage).unwrap();
    let port = first.resets[0].local.port();
    let (port_is, port_is_not) = (format!("port={port}"), format!("port!={port}"));

    let cases: [(Vec<&str>, Fits); 6] = [
        (vec!["direction=received"], |event, _| event["direction"] == "received"),
        (vec!["process=web"], |event, _| event["owner"]["process"] == "web"),
        (vec!["process=web,caller", "direction=sent"], |event, _| {
            event["direction"] == "sent" && ["web", "caller"].iter().any(|comm| event["owner"]["process"] == *comm)
        }),
        (vec!["reason!=no_socket"], |event, _| event["reason"] != "no_socket"),
        (vec![&port_is_not], |event, port| event["service_port"] != port),
        (vec!["remote=127.0.0.0/8"], |event, _| event["remote"]["address"].as_str().unwrap().starts_with("127.")),
    ];
    let watching: Vec<Tail> = cases.iter().map(|(filters, _)| tail(filters)).collect();
    let silent = tail(&[port_is.as_str(), "process=no-such-process"]);

    open::refused(&stage).unwrap();
    // The last scene; every filter passes one of its two ends: once that event is there, all earlier ones have been
    // filtered.
    let last = close::with_unread_data(&stage).unwrap();
    for (tail, (filters, fits)) in watching.iter().zip(&cases) {
        let marker = last.resets.iter().filter(|reset| {
            let probe = serde_json::json!({
                "direction": reset.direction.word(), "reason": reset.reason, "service_port": 0,
                "owner": {"process": reset.owner.as_ref().map(|(comm, _)| comm)},
                "remote": {"address": reset.remote.ip().to_string()},
            });
            fits(&probe, port)
        });
        for reset in marker {
            tail.expect(reset).unwrap();
        }
        for event in tail.events().unwrap() {
            assert!(fits(&event, port), "{filters:?} let through {event:#}");
        }
    }
    assert_eq!(silent.count(), 0, "{:?}", silent.events());
}

#[test]
fn events_come_in_the_order_of_their_time() {
    if !daemon::unless_ready("tail order") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemon = DaemonProcess::configured("[events]\nrate_per_second = 0\n").unwrap();
    let tail = Tail::through(&daemon.socket(), &["local=127.0.0.1/32"]).unwrap();
    for _ in 0..5 {
        open::refused(&stage).unwrap();
    }
    let last = open::refused(&stage).unwrap();
    for reset in &last.resets {
        tail.expect(reset).unwrap();
    }
    // Seconds and their fraction, because the number of digits may differ.
    let time = |event: &Value| {
        let text = event["time"].as_str().unwrap();
        let (seconds, fraction) = text.trim_end_matches('Z').split_once('.').unwrap_or((text, ""));
        (seconds.to_owned(), format!("{fraction:0<9}"))
    };
    let times: Vec<(String, String)> = tail.events().unwrap().iter().map(time).collect();
    assert!(times.len() >= 12, "{times:?}");
    let mut sorted = times.clone();
    sorted.sort();
    assert_eq!(times, sorted);
}

#[test]
fn a_barrier_is_passed() {
    if !daemon::unless_ready("tail barrier") {
        return;
    }
    let stage = Stage::loopback(Family::V6).unwrap();
    let daemon = DaemonProcess::start().unwrap();
    let tail = Tail::through(&daemon.socket(), &[]).unwrap();
    let scene = open::refused(&stage).unwrap();
    tail.barrier(stage.server()).unwrap();
    for reset in &scene.resets {
        let seen = tail.events().unwrap();
        let count = seen.iter().filter(|event| rstmon_tests::judge::is_of(reset, event)).count();
        assert_eq!(count, 1, "{reset:?} was reported {count} times");
    }
    tail.wait_for("an IPv6 event", SOON, |event| event["family"] == "ipv6").unwrap();
}

/// `rstmon tail` as text, through the daemon, ended on drop.
struct TextTail(Child);

impl Drop for TextTail {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn both_ends_of_a_reset_are_one_row_of_text() {
    if !daemon::unless_ready("tail text") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let watched = WatchedDaemon::start().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("rows");
    let child = Command::new(daemon::binary().unwrap())
        .args(["tail", "-f", "--socket"])
        .arg(watched.daemon.socket())
        .stdout(fs::File::create(&output).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _tail = TextTail(child);
    let text = || fs::read_to_string(&output).map_err(anyhow::Error::from);
    wait::until_true("the heading", SOON, || Ok(text()?.contains("PROCESS[PID]"))).unwrap();
    // An active reset, whose received event comes first, and a passive one, whose sent event does.
    for play in [close::with_unread_data, late::in_time_wait] {
        let scene = play(&stage).unwrap();
        watched.all_facts(&scene).unwrap();
        let sent = scene.resets.iter().find(|reset| reset.direction == Direction::Sent).unwrap();
        let (local, remote) = (sent.local.to_string(), sent.remote.to_string());
        let rows = || -> anyhow::Result<Vec<String>> {
            let rows = text()?;
            let of_it = rows.lines().filter(|row| row.contains(&local) && row.contains(&remote));
            Ok(of_it.map(str::to_owned).collect())
        };
        wait::until_true("a row", SOON, || Ok(!rows()?.is_empty())).unwrap();
        // Another play ends after whatever else this one could print.
        let next = open::refused(&stage).unwrap();
        watched.all_facts(&next).unwrap();
        let closed = next.resets[0].local.to_string();
        wait::until_true("the row of the next", SOON, || Ok(text()?.contains(&closed))).unwrap();
        let rows = rows().unwrap();
        assert_eq!(rows.len(), 1, "{rows:#?}");
        assert!(rows[0].contains(" sent ") && rows[0].contains("received here by "), "{rows:#?}");
    }
}
