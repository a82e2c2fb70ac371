//! Files that were cut or changed: never a panic, never an event that was not written, every whole line before the cut.

use super::TestStore;
use crate::sink::store::{compress::MemberWriter, lines::SegmentLines, summary::Summary};
use flate2::Compression;
use serde_json::json;
use std::{fs, io::Cursor, path::PathBuf, time::Duration};

/// How much of a file's end is cut, byte by byte.
const CUT: usize = 4096;

/// A store of one run with events that do not compress to nothing, and its file of events. Returns it plain, or closed.
fn filled(closed: bool) -> (TestStore, PathBuf) {
    let mut store = TestStore::new();
    let mut writer = store.run();
    for n in 0..if closed { 300 } else { 40_u32 } {
        let noise = n.wrapping_mul(2_654_435_761);
        let sentence = format!("{noise:x} {:x} {:x}", noise.rotate_left(7), noise.wrapping_mul(noise));
        let event = store.event(json!({"sentence": sentence, "evidence": {"unread_bytes": noise}}));
        writer.take(&event, store.now.instant);
    }
    store.pass(Duration::from_secs(1));
    writer.tick(store.now);
    drop(writer);
    if closed {
        drop(store.run());
    }
    let (name, bytes) = store.files().remove(0);
    assert_eq!(name.contains(".gz"), closed, "{name}");
    assert!(bytes > CUT as u64 + 100, "{bytes}");
    let path = store.directory().join(name);
    (store, path)
}

/// The lines that can be read of the bytes of a segment, and whether damage is reported.
fn lines_of(bytes: &[u8], is_closed: bool) -> (Vec<Vec<u8>>, bool) {
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    let mut lines = if is_closed { SegmentLines::gzip(reader) } else { SegmentLines::plain(reader) };
    let mut found = Vec::new();
    while let Some(line) = lines.next_line() {
        found.push(line.text.to_vec());
    }
    (found, lines.damage().is_some())
}

#[test]
fn an_active_segment_that_is_cut_anywhere_has_every_whole_line() {
    let (store, path) = filled(false);
    let whole = fs::read(&path).expect("the file");
    let (all, _) = lines_of(&whole, false);
    for cut in whole.len() - CUT..whole.len() {
        let lines = memchr::memchr_iter(b'\n', &whole[..cut]).count();
        assert_eq!(lines_of(&whole[..cut], false).0, all[..lines], "cut at {cut}");
    }
    // The reader of the whole store as well, at a byte within a line: the rest is not taken for damage.
    fs::write(&path, &whole[..whole.len() - 7]).expect("the file");
    let (events, _, is_damaged) = store.read();
    assert_eq!((events.len(), is_damaged), (39, false));
}

#[test]
fn a_start_repairs_a_segment_that_is_cut_anywhere_and_goes_on() {
    let (store, path) = filled(false);
    let whole = fs::read(&path).expect("the file");
    let all = store.read().0;
    // Every byte around the end of a line, and some of the last two lines and of the header.
    let last = all[all.len() - 1].len() + 2;
    let around = whole.len() - last - 8..whole.len() - last + 8;
    for cut in around.chain((whole.len() - 2 * last..whole.len()).step_by(29)).chain((0..400).step_by(31)) {
        let mut next = TestStore::new();
        fs::create_dir(next.directory()).expect("the directory");
        fs::write(next.directory().join(path.file_name().expect("a name")), &whole[..cut]).expect("the file");
        let mut writer = next.run();
        next.write(&mut writer, 1);
        let lines = memchr::memchr_iter(b'\n', &whole[..cut]).count();
        let (events, _, is_damaged) = next.read();
        assert_eq!(events.len(), lines.saturating_sub(2) + 1, "cut at {cut}");
        assert_eq!(events[..events.len() - 1], all[..events.len() - 1], "cut at {cut}");
        assert!(!is_damaged, "cut at {cut}");
        let tail = whole[..cut].iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
        let kept = next.files().iter().find(|(name, _)| name.starts_with("damaged-")).map(|(_, bytes)| *bytes);
        assert_eq!(kept, (tail > 0).then_some(tail), "cut at {cut}: what is no line is kept");
    }
}

/// A closed segment of 600 short lines that do not compress, in three members and that of the first line.
fn packed() -> Vec<u8> {
    let mut summary = Summary::new();
    let lines: Vec<String> = (0..600_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    for line in &lines {
        summary.add(line.as_bytes());
    }
    let mut writer = MemberWriter::new(Vec::new(), Compression::default(), summary.to_extra());
    for line in &lines {
        writer.push(line.as_bytes()).expect("memory");
    }
    writer.finish().expect("memory")
}

#[test]
fn a_closed_segment_that_is_cut_anywhere_has_the_lines_before_the_cut() {
    let whole = packed();
    let (all, is_damaged) = lines_of(&whole, true);
    assert_eq!((all.len(), is_damaged), (600, false));
    let mut before = 0;
    for cut in whole.len() - CUT..whole.len() {
        let (lines, is_damaged) = lines_of(&whole[..cut], true);
        assert_eq!(lines, all[..lines.len()], "cut at {cut}");
        assert!(lines.len() >= before, "cut at {cut}: fewer lines than of a shorter file");
        assert!(is_damaged, "cut at {cut}");
        before = lines.len();
    }
    assert_eq!(before, 600, "without the end of the last checksum, all lines are there");
}

#[test]
fn a_store_with_a_segment_that_is_cut_has_the_events_before_the_cut_and_says_so() {
    let (store, path) = filled(true);
    let whole = fs::read(&path).expect("the file");
    fs::write(&path, &whole[..whole.len() - 7]).expect("the file");
    let (events, _, is_damaged) = store.read();
    assert_eq!((events.len(), is_damaged), (300, true));
}

#[test]
fn a_closed_segment_with_a_changed_byte_has_no_line_that_was_not_written() {
    let whole = packed();
    let (all, _) = lines_of(&whole, true);
    for (at, flip) in (0..whole.len()).step_by(7).zip([0x01, 0x80, 0x10].into_iter().cycle()) {
        let mut changed = whole.clone();
        changed[at] ^= flip;
        let (lines, _) = lines_of(&changed, true);
        assert!(lines.iter().all(|line| all.contains(line)), "byte {at} changed by {flip:#x}");
    }
}

#[test]
fn a_check_names_what_is_wrong() {
    let (store, path) = filled(true);
    let whole = fs::read(&path).expect("the file");
    fs::write(&path, &whole[..whole.len() - 100]).expect("the file");
    fs::write(
        store.directory().join("events-0000000009.ndjson"),
        "{\"schema\":1,\"stop\":\"2026-11-28T03:00:00Z\"}\nx\n",
    )
    .expect("a file");
    let problems = store.reader().check().expect("a check").problems;
    let texts: Vec<String> =
        problems.iter().map(|problem| format!("{} {}", &problem.segment[..17], problem.problem)).collect();
    assert_eq!(
        texts,
        [
            "events-0000000001 ends within a member",
            "events-0000000009 at byte 43: expected value at line 1 column 1",
            "events-0000000009 has no header",
        ]
    );
}
