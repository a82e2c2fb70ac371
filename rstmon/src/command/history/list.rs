//! `rstmon history`: the days of a store, its gaps, its size.

use crate::{
    event::span::TimeSpan,
    model::text::safe,
    sink::store::{
        line::{CountRow, CountsLine, RunId},
        name::SegmentKind,
        read::{Gap, GapReason, Inventory, SegmentInfo},
    },
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// Version of the document's JSON form.
const SCHEMA: u32 = 1;
/// Causes in the text.
const MOST_CAUSES: usize = 5;

/// What a store has. Under one schema number, fields are only added.
#[derive(Debug, Serialize)]
pub(super) struct HistoryList {
    schema: u32,
    directory: PathBuf,
    /// Whether a daemon writes to it.
    is_written: bool,
    /// Id of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// Host of the newest segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// Bytes of all files.
    bytes: u64,
    gaps: Vec<Gap>,
    /// The exact number of resets that were counted in the span, by cause.
    counted: BTreeMap<String, u64>,
    segments: Vec<ListedSegment>,
    /// Files with the end of a segment that was no whole line.
    damaged: Vec<DamagedFile>,
    /// The exact number by day.
    #[serde(skip)]
    counted_by_day: BTreeMap<Date, u64>,
}

#[derive(Debug, Serialize)]
struct ListedSegment {
    file: String,
    kind: SegmentKind,
    number: u64,
    bytes: u64,
    plain_bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Events, or resets that were counted.
    resets: u64,
    /// Events that lines of the segment report as missing.
    lost: u64,
    #[serde(flatten)]
    run: Option<RunId>,
    /// When the daemon stopped in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<Timestamp>,
    causes: Option<BTreeMap<String, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct DamagedFile {
    file: String,
    bytes: u64,
}

/// The sums of a day.
#[derive(Default)]
struct DaySums {
    counted: u64,
    events: u64,
    lost: u64,
    bytes: u64,
}

impl HistoryList {
    pub(super) fn new(
        directory: &Path,
        is_written: bool,
        inventory: &Inventory,
        counts: impl Iterator<Item = CountsLine>,
        span: TimeSpan,
    ) -> Self {
        let (mut counted, mut counted_by_day) = (BTreeMap::new(), BTreeMap::new());
        let zone = TimeZone::system();
        for line in counts {
            let day: &mut u64 = counted_by_day.entry(line.time.to_zoned(zone.clone()).date()).or_default();
            for CountRow { kind, count } in line.counts {
                *day = day.saturating_add(count);
                let sum: &mut u64 = counted.entry(kind.cause).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        let overlaps = |segment: &&SegmentInfo| segment.summary.span().overlaps(span);
        let segments: Vec<ListedSegment> = inventory.segments.iter().filter(overlaps).map(listed).collect();
        let header =
            inventory.of(SegmentKind::Events).filter_map(|segment| segment.summary.header.as_ref()).next_back();
        let damaged: Vec<DamagedFile> =
            inventory.damaged.iter().map(|(file, bytes)| DamagedFile { file: file.clone(), bytes: *bytes }).collect();
        Self {
            schema: SCHEMA,
            directory: directory.to_owned(),
            is_written,
            store: header.map(|header| header.store.clone()),
            host: header.map(|header| header.host.clone()),
            bytes: segments.iter().map(|segment| segment.bytes).chain(damaged.iter().map(|file| file.bytes)).sum(),
            gaps: inventory.gaps(span),
            counted,
            segments,
            damaged,
            counted_by_day,
        }
    }

    /// For people. Names from files are shown without control characters.
    pub(super) fn text(&self) -> String {
        let zone = TimeZone::system();
        let of_host = self.host.as_ref().map(|host| format!(" of {}", safe(host))).unwrap_or_default();
        let written = if self.is_written { "a daemon writes to it" } else { "no daemon writes to it" };
        let mut text =
            format!("{}{of_host}: {}, {written}\n", safe(&self.directory.display().to_string()), size(self.bytes));
        if self.segments.is_empty() {
            text.push_str("\nNothing is stored.\n");
        } else {
            self.add_days(&mut text, &zone);
            self.add_causes(&mut text);
        }
        if !self.gaps.is_empty() {
            text.push_str("\nGaps\n");
        }
        for gap in &self.gaps {
            // Writing to a String does not fail.
            let _ = writeln!(text, "  {}", gap_text(gap, &zone));
        }
        for segment in &self.segments {
            if let Some(problem) = &segment.problem {
                let _ = writeln!(text, "\n{}: {}; try: rstmon history check", segment.file, safe(problem));
            }
        }
        for DamagedFile { file, bytes } in &self.damaged {
            let _ = writeln!(text, "\n{}: {bytes} bytes of a segment's end that were no whole line", safe(file));
        }
        text
    }

    /// A row for each day; events belong to the day on which their segment begins.
    fn add_days(&self, text: &mut String, zone: &TimeZone) {
        let mut days: BTreeMap<Option<Date>, DaySums> = BTreeMap::new();
        for segment in &self.segments {
            let day = days.entry(segment.first.map(|first| first.to_zoned(zone.clone()).date())).or_default();
            day.bytes += segment.bytes;
            day.lost += segment.lost;
            if segment.kind == SegmentKind::Events {
                day.events += segment.resets;
            }
        }
        for (&day, &counted) in &self.counted_by_day {
            days.entry(Some(day)).or_default().counted = counted;
        }
        let _ = writeln!(text, "\n{:<12}{:>14}{:>14}{:>14}{:>12}", "DAY", "COUNTED", "EXPLAINED", "NOT STORED", "SIZE");
        for (day, DaySums { counted, events, lost, bytes }) in days {
            let day = day.map_or_else(|| "unknown".to_owned(), |day| day.to_string());
            let _ = writeln!(text, "{day:<12}{counted:>14}{events:>14}{lost:>14}{:>12}", size(bytes));
        }
    }

    /// The most frequent causes of all resets that were counted.
    fn add_causes(&self, text: &mut String) {
        let mut causes: Vec<(&String, &u64)> = self.counted.iter().collect();
        causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        if !causes.is_empty() {
            text.push_str("\nCounted most\n");
        }
        for (cause, count) in causes.into_iter().take(MOST_CAUSES) {
            let _ = writeln!(text, "{count:>14}  {}", safe(cause));
        }
    }
}

fn listed(segment: &SegmentInfo) -> ListedSegment {
    let SegmentInfo { name, bytes, summary, problem } = segment;
    ListedSegment {
        file: name.to_string(),
        kind: name.kind,
        number: name.number,
        bytes: *bytes,
        plain_bytes: summary.plain_bytes,
        first: summary.first,
        last: summary.last,
        resets: summary.events,
        lost: summary.lost,
        run: summary.run().cloned(),
        stopped: summary.stopped,
        causes: summary.causes.clone(),
        problem: problem.clone(),
    }
}

fn gap_text(gap: &Gap, zone: &TimeZone) -> String {
    let time = |time: Timestamp| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let until = time(gap.until);
    let Some(since) = gap.since.map(time) else { return format!("before {until} nothing is kept") };
    match gap.reason {
        GapReason::Stopped => format!("{since} to {until}: the daemon was not running"),
        GapReason::Killed => format!("{since} to {until}: the daemon was killed, and not running until then"),
        GapReason::NotKept => format!("{since} to {until}: not kept"),
    }
}

fn size(bytes: u64) -> String {
    let (shift, unit) = match bytes {
        0x4000_0000.. => (30, "GiB"),
        0x0010_0000.. => (20, "MiB"),
        _ => (10, "KiB"),
    };
    #[expect(clippy::cast_precision_loss, reason = "rounded for people")]
    let number = bytes as f64 / f64::from(1_u32 << shift);
    format!("{number:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::{HistoryList, Path, size};
    use crate::{event::span::TimeSpan, sink::store::read::Inventory};

    #[test]
    fn an_empty_store_says_so() {
        let list =
            HistoryList::new(Path::new("/d"), false, &Inventory::default(), std::iter::empty(), TimeSpan::ALWAYS);
        assert_eq!(list.text(), "/d: 0.0 KiB, no daemon writes to it\n\nNothing is stored.\n");
    }

    #[test]
    fn sizes_are_rounded_for_people() {
        assert_eq!([512, 3 << 19, 5 << 30].map(size), ["0.5 KiB", "1.5 MiB", "5.0 GiB"]);
    }
}
