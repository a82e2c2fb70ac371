//! The store stays within its limits.

use super::{TestStore, seqs};
use crate::sink::{
    Sink as _,
    store::{Store, StoreState, options::MinFree},
};
use std::{sync::Arc, time::Duration};

const MIB: u64 = 1 << 20;

#[test]
fn the_oldest_events_go_before_the_limit_is_passed_and_the_counts_stay() {
    let mut store = TestStore::with(|options| options.max_bytes = MIB);
    let mut writer = store.run();
    store.count("java", 7);
    store.pass(Duration::from_mins(1));
    writer.tick(store.now);
    let mut largest = 0;
    for _ in 0..30 {
        store.write_noise(&mut writer, 200, 800);
        let files = store.files();
        let on_disk = files.iter().filter(|(name, _)| name.starts_with("events-"));
        largest = largest.max(on_disk.map(|(_, bytes)| bytes.next_multiple_of(4096)).sum::<u64>());
    }
    assert!(largest <= MIB, "{largest} bytes of {MIB}");
    let (events, losses, is_damaged) = store.read();
    let numbers = seqs(&events);
    assert_eq!((losses, is_damaged), (vec![], false));
    let last = 30 * 200;
    assert_eq!(numbers.last(), Some(&last), "the newest is there");
    assert!(numbers[0] > 1, "the oldest is not");
    assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "nothing is missing between");
    assert_eq!(store.counted().len(), 1, "counts have a limit of their own");
}

#[test]
fn what_is_too_old_goes_without_an_event() {
    let mut store = TestStore::with(|options| options.max_age = Duration::from_hours(2 * 24));
    let mut writer = store.run();
    store.write(&mut writer, 5);
    store.pass(Duration::from_hours(2));
    writer.tick(store.now);
    store.write(&mut writer, 5);
    assert_eq!(store.read().0.len(), 10);
    store.pass(Duration::from_hours(2 * 24 - 3));
    writer.tick(store.now);
    assert_eq!(store.read().0.len(), 10);
    store.pass(Duration::from_hours(2));
    writer.tick(store.now);
    assert_eq!(store.read().0.len(), 5, "the second five are not too old");
    store.pass(Duration::from_hours(2));
    writer.tick(store.now);
    assert_eq!(store.read().0.len(), 0, "{:?}", store.files());
}

#[test]
fn without_free_space_what_comes_in_replaces_the_oldest() {
    let mut store = TestStore::with(|options| options.max_bytes = 8 * MIB);
    for _ in 0..4 {
        let mut writer = store.run();
        store.write_noise(&mut writer, 200, 800);
    }
    // No file system has this much.
    store.options.min_free = MinFree::Bytes(u64::MAX);
    let before: u64 = store.files().iter().map(|(_, bytes)| bytes.next_multiple_of(4096)).sum();
    let mut writer = store.run();
    for _ in 0..10 {
        store.write_noise(&mut writer, 20, 800);
        let after: u64 = store.files().iter().map(|(_, bytes)| bytes.next_multiple_of(4096)).sum();
        // The last blocks of the files are not full.
        assert!(after <= before + 8192, "grew from {before} to {after}: {:?}", store.files());
    }
    assert!(store.files().len() > 2, "the past is not given up as a whole: {:?}", store.files());
    assert_eq!(store.shared.state(), StoreState::Working);
}

#[test]
fn without_free_space_and_without_a_past_events_are_lost_and_counted() {
    let mut store = TestStore::with(|options| options.min_free = MinFree::Bytes(u64::MAX));
    let mut writer = store.run();
    store.write(&mut writer, 20);
    let StoreState::Failing { reason } = store.shared.state() else { panic!("{:?}", store.shared.state()) };
    assert!(reason.contains("store.min_free"), "{reason}");
    assert_eq!(store.files(), []);
    assert_eq!(store.shared.lost.load(std::sync::atomic::Ordering::Relaxed), 20);
}

#[test]
fn a_sink_that_nothing_drains_loses_events_and_does_not_wait() {
    let fixture = TestStore::with(|options| options.max_bytes = 1 << 40);
    let store = Store::new(&fixture.options);
    let event = Arc::new(fixture.event(serde_json::json!({})));
    for _ in 0..5000 {
        store.take(&event);
    }
    assert_eq!((store.lost(), store.status().withheld), (Some(5000 - 4096), 0));
}

#[test]
fn a_storm_of_one_kind_is_withheld_and_not_lost() {
    let fixture = TestStore::with(|options| options.max_bytes = MIB);
    let store = Store::new(&fixture.options);
    let event = Arc::new(fixture.event(serde_json::json!({})));
    for _ in 0..5000 {
        store.take(&event);
    }
    assert_eq!(store.lost(), Some(0));
    assert!(store.status().withheld > 4900, "{}", store.status().withheld);
}
