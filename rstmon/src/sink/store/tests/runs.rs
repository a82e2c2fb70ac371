//! Runs of the daemon one after the other: what one wrote, the next and every reader find.

use super::{TestStore, read, seqs, time};
use crate::{
    event::{Event, filter::Filter, span::TimeSpan},
    sink::store::read::{GapReason, Preselection, ScanItem},
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

#[test]
fn events_come_out_as_they_went_in_a_second_late_at_most() {
    let mut store = TestStore::new();
    let mut writer = store.run();
    let event = store.event(json!({"owner": {"process": "nginx"}}));
    writer.take(&event, store.now.instant);
    writer.tick(store.now);
    assert_eq!(store.read().0.len(), 0, "it waits for others");
    store.pass(Duration::from_secs(1));
    writer.tick(store.now);
    let (events, losses, is_damaged) = store.read();
    assert_eq!(serde_json::from_str::<Event>(&events[0]).expect("an event"), event);
    assert_eq!((seqs(&events), losses.len(), is_damaged), (vec![1], 0, false));
}

#[test]
fn members_of_the_group_may_read_and_others_not() {
    let store = TestStore::new();
    let _writer = store.run();
    let mode = |path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(store.directory().join("events-0000000001.ndjson")), 0o640);
    assert_eq!(mode(store.directory().to_owned()) & 0o027, 0, "nothing for others");
}

#[test]
fn each_run_has_segments_of_its_own_and_earlier_ones_are_compressed() {
    let mut store = TestStore::new();
    for run in 0..3 {
        let mut writer = store.run();
        store.write(&mut writer, 300);
        if run == 1 {
            writer.stop(store.now);
        }
        store.pass(Duration::from_mins(5));
    }
    let names: Vec<String> = store.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "events-0000000001-20261128T020000Z-20261128T020001Z.ndjson.gz",
            "events-0000000002-20261128T020501Z-20261128T020503Z.ndjson.gz",
            "events-0000000003.ndjson",
        ]
    );
    let (events, _, is_damaged) = store.read();
    let numbers: Vec<u64> = (0..3).flat_map(|_| 1..=300).collect();
    assert_eq!((seqs(&events), is_damaged), (numbers, false));
    let gaps = store.reader().inventory().expect("an inventory").gaps(TimeSpan::ALWAYS);
    let reasons: Vec<GapReason> = gaps.iter().map(|gap| gap.reason).collect();
    assert_eq!(reasons, [GapReason::NotKept, GapReason::Killed, GapReason::Stopped]);
    assert_eq!(store.reader().check().expect("a check").problems, []);
}

#[test]
fn a_cursor_survives_that_its_segment_is_compressed() {
    let mut store = TestStore::new();
    let mut writer = store.run();
    store.write(&mut writer, 600);
    let cursor = {
        let reader = store.reader();
        let mut scan = reader.scan(TimeSpan::ALWAYS, Preselection::default()).expect("a scan");
        for _ in 0..399 {
            scan.next();
        }
        scan.cursor()
    };
    drop(writer);
    let mut writer = store.run();
    store.write(&mut writer, 2);
    assert!(store.files()[0].0.contains(".gz"), "{:?}", store.files());
    let reader = store.reader();
    let mut scan = reader.scan(TimeSpan::ALWAYS, Preselection::default()).expect("a scan").from(cursor);
    let mut rest = Vec::new();
    while let Some(ScanItem::Event(line)) = scan.next() {
        rest.push(serde_json::from_slice::<Value>(line).expect("JSON")["seq"].as_u64().expect("seq"));
    }
    assert_eq!(rest, (400..=600).chain(1..=2).collect::<Vec<_>>());
}

#[test]
fn a_scan_goes_on_while_its_segments_are_compressed_and_removed() {
    let mut store = TestStore::new();
    let mut writer = store.run();
    store.write(&mut writer, 10);
    drop(writer);
    let second = store.run();
    let reader = store.reader();
    let mut scan = reader.scan(TimeSpan::ALWAYS, Preselection::default()).expect("a scan");
    store.pass(Duration::from_secs(1));
    let _third = {
        // The second segment is listed as plain, and closed before the scan comes to it.
        drop(second);
        store.run()
    };
    let mut found = 0;
    while scan.next().is_some() {
        found += 1;
    }
    assert_eq!((found, scan.damage()), (10, &[][..]));
}

#[test]
fn steps_of_the_clock_hide_nothing() {
    let mut store = TestStore::new();
    for step in [SignedDuration::from_hours(-5), SignedDuration::from_hours(30), SignedDuration::from_hours(-40)] {
        let mut writer = store.run();
        store.write(&mut writer, 1);
        store.step(step);
        store.write(&mut writer, 1);
        store.pass(Duration::from_mins(1));
        writer.tick(store.now);
    }
    let writer = store.run();
    let (events, _, _) = store.read();
    assert_eq!(events.len(), 6);
    for line in &events {
        let event: Event = serde_json::from_str(line).expect("an event");
        let span = TimeSpan { since: event.time, until: event.time };
        let (found, _, _) = read(store.directory(), span, Preselection::default());
        assert!(found.contains(line), "{line}");
    }
    drop(writer);
}

#[test]
fn a_filter_finds_what_parsing_every_line_finds() {
    let mut store = TestStore::new();
    for process in ["java", "nginx", "java"] {
        let mut writer = store.run();
        for port in 1..=50 {
            writer.take(&store.event(json!({"owner": {"process": process}, "service_port": port})), store.now.instant);
        }
        store.pass(Duration::from_secs(1));
        writer.tick(store.now);
    }
    let _writer = store.run();
    let all: Vec<Event> = store.read().0.iter().map(|line| serde_json::from_str(line).expect("an event")).collect();
    for filter in ["process=java port=7", "process=nginx", "port=7,70,50", "process!=java", "process=none", "unit=x"] {
        let filter = Filter::parse_line(filter).expect("a filter");
        let lines = read(store.directory(), TimeSpan::ALWAYS, Preselection::of(&filter)).0;
        let found = lines.iter().map(|line| serde_json::from_str::<Event>(line).expect("an event"));
        let found: Vec<Event> = found.filter(|event| filter.matches(event)).collect();
        let expected: Vec<Event> = all.iter().filter(|event| filter.matches(*event)).cloned().collect();
        assert_eq!(found, expected, "{filter}");
    }
}

#[test]
fn counts_are_written_each_minute_if_they_grew_and_at_the_stop() {
    let mut store = TestStore::new();
    let mut writer = store.run();
    for (process, sum) in [("java", 3), ("java", 3), ("java", 10)] {
        store.count(process, sum);
        store.pass(Duration::from_mins(1));
        writer.tick(store.now);
    }
    store.count("nginx", 1);
    store.pass(Duration::from_secs(7));
    writer.stop(store.now);
    let counted: Vec<(u64, Vec<(String, u64)>)> = store
        .counted()
        .into_iter()
        .map(|line| (line.seconds, line.counts.into_iter().map(|row| (row.kind.process, row.count)).collect()))
        .collect();
    let java = |count| vec![("java".to_owned(), count)];
    assert_eq!(counted, [(60, java(3)), (60, java(7)), (7, vec![("nginx".to_owned(), 1)])]);
}

#[test]
fn a_quiet_store_writes_nothing() {
    let mut store = TestStore::new();
    let mut writer = store.run();
    let before = store.files();
    for _ in 0..180 {
        store.pass(Duration::from_mins(1));
        writer.tick(store.now);
    }
    assert_eq!(store.files(), before);
}

#[test]
fn minutes_become_ten_minutes_after_a_day_with_the_same_sums() {
    let mut store = TestStore::new();
    let mut writer = store.run();
    for minute in 1..=36 * 60 {
        store.count("java", minute * 2);
        store.pass(Duration::from_mins(1));
        writer.tick(store.now);
    }
    let counted = store.counted();
    let sum: u64 = counted.iter().flat_map(|line| &line.counts).map(|row| row.count).sum();
    assert_eq!(sum, 36 * 60 * 2);
    let old: Vec<_> = counted.iter().filter(|line| line.time < time("2026-11-28T08:00:00Z")).collect();
    assert!((35..40).contains(&old.len()), "{} lines of the first six hours: {:?}", old.len(), store.files());
    let new = counted.iter().filter(|line| line.time > time("2026-11-29T02:00:00Z")).count();
    assert_eq!(new, 12 * 60);
    assert_eq!(store.reader().check().expect("a check").problems, []);
}
