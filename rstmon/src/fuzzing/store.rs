//! Segments of a store, plain and compressed, which may come from another host or from a disk that lies.
//!
//! Holds: what comes out are whole lines, the same ones twice; lines survive being packed, and of a packed segment that
//! is cut, a beginning of them comes out; every problem is one line of text.

use super::{harmless::assert_harmless, replay::check_event};
use crate::{
    event::line::StreamLine,
    sink::store::{
        compress::MemberWriter,
        lines::SegmentLines,
        name::{SegmentKind, SegmentName},
        read::CheckReport,
    },
};
use flate2::Compression;
use std::io::Cursor;

pub(crate) fn run(bytes: &[u8]) {
    for is_closed in [false, true] {
        let (lines, damage) = lines(bytes, is_closed);
        assert_eq!(lines, self::lines(bytes, is_closed).0, "read twice");
        if let Some(damage) = damage {
            assert_harmless("the damage", &damage);
        }
        for line in &lines {
            assert!(!line.contains(&b'\n'), "two lines in one");
            if let Ok(StreamLine::Event(event)) = StreamLine::parse(line) {
                check_event(&event);
            }
        }
        check(bytes, is_closed);
        if !is_closed {
            pack(&lines);
        }
    }
}

fn lines(bytes: &[u8], is_closed: bool) -> (Vec<Vec<u8>>, Option<String>) {
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    let mut lines = if is_closed { SegmentLines::gzip(reader) } else { SegmentLines::plain(reader) };
    let (mut found, mut offset) = (Vec::new(), 0);
    while let Some(line) = lines.next_line() {
        assert_eq!(line.offset, offset, "offsets follow each other");
        offset += line.text.len() as u64 + 1;
        found.push(line.text.to_vec());
    }
    (found, lines.damage().map(str::to_owned))
}

/// Packs lines, and reads them back, whole and cut.
fn pack(written: &[Vec<u8>]) {
    let mut writer = MemberWriter::new(Vec::new(), Compression::fast(), Vec::new());
    for line in written {
        writer.push(line).expect("memory takes everything");
    }
    let packed = writer.finish().expect("memory takes everything");
    let (found, damage) = lines(&packed, true);
    assert_eq!((&found[..], damage), (written, None), "packed and read back");
    for cut in [packed.len() / 3, packed.len() / 2, packed.len() - 1] {
        let (found, _) = lines(&packed[..cut], true);
        assert!(written.starts_with(&found), "cut at {cut}");
    }
}

/// Checks a segment as `rstmon history check` does.
fn check(bytes: &[u8], is_closed: bool) {
    let name = "events-0000000001-20261128T021000Z-20261128T031001Z.ndjson.gz";
    let closed = SegmentName::parse(name).expect("a name");
    let name = if is_closed { closed } else { SegmentName::plain(SegmentKind::Events, 1) };
    let mut report = CheckReport::default();
    report.check(name, Box::new(Cursor::new(bytes.to_vec())));
    for problem in &report.problems {
        assert_harmless("a problem", &problem.problem);
    }
}
