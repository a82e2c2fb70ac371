//! A directory that cannot be written: events are lost and counted, counts wait, and storing resumes by itself.

use super::{TestStore, seqs};
use crate::sink::store::{StoreDirectory, StoreState};
use std::{fs, sync::atomic::Ordering, time::Duration};

#[test]
fn the_second_daemon_on_a_directory_says_so_and_takes_over_when_the_first_ends() {
    let mut store = TestStore::new();
    let mut first = store.run();
    store.write(&mut first, 3);
    let other = TestStore { options: store.options.clone(), ..TestStore::new() };
    let mut second = other.run();
    let StoreState::Failing { reason } = other.shared.state() else { panic!("{:?}", other.shared.state()) };
    assert!(reason.contains("in use by another rstmon"), "{reason}");
    store.write(&mut first, 3);
    assert_eq!(seqs(&store.read().0), [1, 2, 3, 4, 5, 6], "the first is not disturbed");
    drop(first);
    let mut other = other;
    other.pass(Duration::from_secs(5));
    other.write(&mut second, 1);
    assert_eq!(other.shared.state(), StoreState::Working);
    assert_eq!(seqs(&store.read().0), [1, 2, 3, 4, 5, 6, 1]);
}

#[test]
fn a_removed_directory_loses_events_until_it_is_made_again() {
    let mut store = TestStore::new();
    let mut writer = store.run();
    store.write(&mut writer, 3);
    fs::remove_dir_all(store.directory()).expect("it is removed");
    // Something else is in its place.
    fs::write(store.directory(), "").expect("a file");
    store.count("java", 5);
    store.pass(Duration::from_mins(1));
    store.write(&mut writer, 4);
    assert!(store.shared.is_failing());
    assert_eq!(store.shared.lost.load(Ordering::Relaxed), 4);
    fs::remove_file(store.directory()).expect("it is removed");
    store.count("java", 9);
    store.pass(Duration::from_mins(1));
    store.write(&mut writer, 2);
    store.pass(Duration::from_mins(1));
    writer.tick(store.now);
    assert_eq!(store.shared.state(), StoreState::Working);
    let (events, losses, _) = store.read();
    assert_eq!(seqs(&events), [8, 9]);
    assert_eq!(losses.iter().map(|loss| (loss.lost, loss.why.as_str())).collect::<Vec<_>>(), [(4, "store")]);
    let counted: u64 = store.counted().iter().flat_map(|line| &line.counts).map(|row| row.count).sum();
    assert_eq!(counted, 9, "the counts of the time without a disk are not lost");
}

#[test]
fn removed_files_are_begun_again() {
    let mut store = TestStore::new();
    let mut writer = store.run();
    store.write(&mut writer, 3);
    for (name, _) in store.files() {
        fs::remove_file(store.directory().join(name)).expect("it is removed");
    }
    store.write(&mut writer, 1);
    store.pass(Duration::from_secs(2));
    store.write(&mut writer, 1);
    assert_eq!(seqs(&store.read().0), [5]);
    assert_eq!(store.read().1.len(), 1, "the loss is in its place");
}

#[test]
fn a_directory_without_a_writer_is_not_locked() {
    let store = TestStore::new();
    let writer = store.run();
    let directory = StoreDirectory::open(store.directory()).expect("the directory");
    assert!(directory.is_locked());
    drop(writer);
    assert!(!directory.is_locked());
}
