//! The lines of a segment besides events: its header, the start and the stop of a run, losses, counts.

use super::name::SegmentKind;
use crate::event::EVENT_SCHEMA;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Rows of a line of counts: some 400 KiB, less than the longest line that a reader takes.
const MOST_ROWS: usize = 2000;

/// Version of the segments' form. Under one number, lines and fields are only added.
pub(crate) const FORMAT: u32 = 1;

/// One life of the daemon. Together with the store's id and a line's `seq` it names an event for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunId {
    /// The kernel's boot id.
    pub(crate) boot: String,
    /// When the daemon started.
    pub(crate) start: Timestamp,
}

/// The first line of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentHeader {
    pub(crate) format: u32,
    pub(crate) kind: SegmentKind,
    /// Id of the store.
    pub(crate) store: String,
    pub(crate) number: u64,
    #[serde(flatten)]
    pub(crate) run: RunId,
    /// When the segment was begun.
    pub(crate) opened: Timestamp,
    pub(crate) host: String,
    /// Release of the kernel, as `uname -r` prints it.
    pub(crate) kernel: String,
    /// Version of rstmon.
    pub(crate) version: String,
}

/// A header, the start of a run, or its orderly stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mark {
    Segment(SegmentHeader),
    Start(Timestamp),
    Stop(Timestamp),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MarkLine {
    pub(crate) schema: u32,
    #[serde(flatten)]
    pub(crate) mark: Mark,
}

/// Events that are missing at this place, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LossLine {
    pub(crate) schema: u32,
    pub(crate) time: Timestamp,
    pub(crate) lost: u64,
    pub(crate) why: String,
}

/// The exact growth of the counts in a span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CountsLine {
    pub(crate) schema: u32,
    /// The end of the span.
    pub(crate) time: Timestamp,
    /// The length of the span.
    pub(crate) seconds: u64,
    pub(crate) counts: Vec<CountRow>,
}

/// The resets of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CountRow {
    #[serde(flatten)]
    pub(crate) kind: CountKind,
    pub(crate) count: u64,
}

/// What distinguishes the counts. A value that is not known is absent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct CountKind {
    pub(crate) direction: String,
    pub(crate) cause: String,
    pub(crate) severity: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) process: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
}

/// The reasons for a [`LossLine`].
pub(crate) mod why {
    /// The disk, the queue or the lock.
    pub(crate) const STORE: &str = "store";
    /// The kind's share of a minute's events was used up: counted, not stored.
    pub(crate) const SHARE: &str = "share";
}

impl From<Mark> for MarkLine {
    fn from(mark: Mark) -> Self {
        Self { schema: EVENT_SCHEMA, mark }
    }
}

impl LossLine {
    #[must_use]
    pub(crate) fn new(time: Timestamp, lost: u64, why: &str) -> Self {
        Self { schema: EVENT_SCHEMA, time, lost, why: why.to_owned() }
    }
}

/// Appends a line with its line end. A value of these types always serialises.
pub(super) fn push(buffer: &mut Vec<u8>, line: &impl Serialize) {
    if serde_json::to_writer(&mut *buffer, line).is_ok() {
        buffer.push(b'\n');
    }
}

/// Appends the lines of a span of counts: one, but for a very great number of kinds. Of several, the first has the
/// length of the span, so that lengths can be added up.
pub(super) fn push_counts(buffer: &mut Vec<u8>, counts: CountsLine) {
    let CountsLine { schema, time, mut seconds, counts } = counts;
    for rows in counts.chunks(MOST_ROWS) {
        push(buffer, &CountsLine { schema, time, seconds, counts: rows.to_vec() });
        seconds = 0;
    }
}

/// Appends an event's line with its number in the run.
pub(super) fn push_event(buffer: &mut Vec<u8>, event: &impl Serialize, seq: u64) -> bool {
    let before = buffer.len();
    if let Err(error) = serde_json::to_writer(&mut *buffer, event) {
        tracing::error!(%error, "an event cannot be written as JSON");
        buffer.truncate(before);
        return false;
    }
    // An event is an object with fields: its last byte closes it.
    buffer.pop();
    buffer.extend_from_slice(b",\"seq\":");
    buffer.extend_from_slice(seq.to_string().as_bytes());
    buffer.extend_from_slice(b"}\n");
    true
}

#[cfg(test)]
mod tests {
    use super::{CountKind, CountRow, CountsLine, Mark, MarkLine, push, push_counts, push_event};
    use crate::event::{Event, testing::event};
    use serde_json::Value;

    #[test]
    fn an_event_keeps_its_fields_and_gets_its_number() {
        let mut buffer = Vec::new();
        assert!(push_event(&mut buffer, &event(), 17));
        let text = buffer.strip_suffix(b"\n").expect("a line");
        assert_eq!(serde_json::from_slice::<Event>(text).expect("an event"), event());
        assert_eq!(serde_json::from_slice::<Value>(text).expect("JSON")["seq"], 17);
    }

    #[test]
    fn very_many_counts_are_several_lines_of_one_span() {
        let row = |port| CountRow {
            kind: CountKind {
                direction: "sent".to_owned(),
                cause: "refused".to_owned(),
                severity: "notice".to_owned(),
                process: String::new(),
                unit: String::new(),
                port: Some(port),
            },
            count: 1,
        };
        let time = "2026-11-28T03:12:00Z".parse().expect("a time");
        let counts = CountsLine { schema: 1, time, seconds: 60, counts: (0..4500).map(row).collect() };
        let mut buffer = Vec::new();
        push_counts(&mut buffer, counts);
        let lines: Vec<CountsLine> = buffer
            .trim_ascii_end()
            .split(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).expect("a line"))
            .collect();
        let sizes: Vec<(u64, usize)> = lines.iter().map(|line| (line.seconds, line.counts.len())).collect();
        assert_eq!(sizes, [(60, 2000), (0, 2000), (0, 500)]);
    }

    #[test]
    fn a_mark_is_one_object() {
        let mut buffer = Vec::new();
        let stop = MarkLine::from(Mark::Stop("2026-11-28T03:12:00Z".parse().expect("a time")));
        push(&mut buffer, &stop);
        assert_eq!(String::from_utf8_lossy(&buffer), "{\"schema\":1,\"stop\":\"2026-11-28T03:12:00Z\"}\n");
        assert_eq!(serde_json::from_slice::<MarkLine>(&buffer).expect("a mark"), stop);
    }
}
