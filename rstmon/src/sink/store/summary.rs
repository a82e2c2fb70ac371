//! What a segment holds, without reading it: the span of its lines, its run, and its events by cause, process and port.
//!
//! A closed segment carries its summary in the extra field of its first gzip header (RFC 1952, subfield `RS`), so that
//! decompressing the file gives exactly the lines, and the offsets in them are those of the plain file.

use super::line::{CountsLine, LossLine, Mark, MarkLine, RunId, SegmentHeader};
use crate::event::span::TimeSpan;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// Id of the subfield.
const SUBFIELD: [u8; 2] = *b"RS";
/// Limit of a summary; the extra field of a gzip header has at most 65,535 bytes.
const MAX_BYTES: usize = 60_000;

/// The number of events, or of resets in segments of counts, by a field's value.
type Tally = BTreeMap<String, u64>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    /// First and last time of any line; absent in a segment without a readable line.
    pub(crate) first: Option<Timestamp>,
    pub(crate) last: Option<Timestamp>,
    /// Events, or resets in segments of counts.
    pub(crate) events: u64,
    /// Events that lines of the segment report as missing.
    pub(crate) lost: u64,
    /// Bytes of the lines, uncompressed.
    pub(crate) plain_bytes: u64,
    /// Lines that are none of the store's.
    pub(crate) unreadable: u64,
    pub(crate) header: Option<SegmentHeader>,
    /// When the run stopped in order, in its last segment.
    pub(crate) stopped: Option<Timestamp>,
    /// Absent where there are too many values. Events without the value are not in it.
    pub(crate) causes: Option<Tally>,
    pub(crate) processes: Option<Tally>,
    pub(crate) ports: Option<Tally>,
}

/// The fields of an event that the summary counts.
#[derive(Deserialize)]
struct SummarisedEvent<'a> {
    time: Timestamp,
    #[serde(borrow)]
    cause: Cow<'a, str>,
    service_port: Option<u16>,
    #[serde(borrow)]
    owner: Option<SummarisedOwner<'a>>,
    /// Distinguishes an event from other lines.
    #[serde(rename = "direction")]
    _direction: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
struct SummarisedOwner<'a> {
    #[serde(borrow)]
    process: Option<Cow<'a, str>>,
}

impl Summary {
    /// A summary of no lines.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self { causes: Some(Tally::new()), processes: Some(Tally::new()), ports: Some(Tally::new()), ..Self::default() }
    }

    /// Adds a line, given without its line end.
    pub(crate) fn add(&mut self, line: &[u8]) {
        self.plain_bytes += line.len() as u64 + 1;
        if let Ok(SummarisedEvent { time, cause, service_port, owner, _direction: _ }) = serde_json::from_slice(line) {
            self.saw(time);
            self.events += 1;
            let process = owner.and_then(|owner| owner.process);
            self.count(1, &cause, process.as_deref().unwrap_or(""), service_port);
        } else if let Ok(LossLine { time, lost, .. }) = serde_json::from_slice(line) {
            self.saw(time);
            self.lost = self.lost.saturating_add(lost);
        } else if let Ok(CountsLine { time, counts, .. }) = serde_json::from_slice(line) {
            self.saw(time);
            for row in counts {
                self.events = self.events.saturating_add(row.count);
                self.count(row.count, &row.kind.cause, &row.kind.process, row.kind.port);
            }
        } else if let Ok(MarkLine { mark, .. }) = serde_json::from_slice(line) {
            match mark {
                Mark::Segment(header) => {
                    self.saw(header.opened);
                    self.header = Some(header);
                }
                Mark::Start(time) => self.saw(time),
                Mark::Stop(time) => {
                    self.saw(time);
                    self.stopped = Some(time);
                }
            }
        } else {
            self.unreadable += 1;
        }
    }

    fn saw(&mut self, time: Timestamp) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }

    fn count(&mut self, count: u64, cause: &str, process: &str, port: Option<u16>) {
        let add = |tally: &mut Option<Tally>, value: String| {
            if let Some(tally) = tally
                && !value.is_empty()
            {
                let sum = tally.entry(value).or_default();
                *sum = sum.saturating_add(count);
            }
        };
        add(&mut self.causes, cause.to_owned());
        add(&mut self.processes, process.to_owned());
        add(&mut self.ports, port.map(|port| port.to_string()).unwrap_or_default());
    }

    #[must_use]
    pub(crate) fn run(&self) -> Option<&RunId> {
        self.header.as_ref().map(|header| &header.run)
    }

    /// First and last time; all of time where there is none.
    #[must_use]
    pub(crate) fn span(&self) -> TimeSpan {
        match (self.first, self.last) {
            (Some(since), Some(until)) => TimeSpan { since, until },
            _ => TimeSpan::ALWAYS,
        }
    }

    /// The extra field of a gzip header with this summary. The longest tallies are left out if it would be too long.
    pub(super) fn to_extra(&self) -> Vec<u8> {
        let mut summary = self.clone();
        loop {
            let json = serde_json::to_vec(&summary).unwrap_or_default();
            if let (true, Ok(length)) = (json.len() <= MAX_BYTES, u16::try_from(json.len())) {
                let mut extra = SUBFIELD.to_vec();
                extra.extend_from_slice(&length.to_le_bytes());
                extra.extend_from_slice(&json);
                return extra;
            }
            let mut tallies = [&mut summary.causes, &mut summary.processes, &mut summary.ports];
            tallies.sort_by_key(|tally| tally.as_ref().map_or(0, Tally::len));
            match tallies.last_mut().and_then(|tally| tally.take()) {
                Some(_) => {}
                None => return Vec::new(),
            }
        }
    }

    /// The summary in the extra field of a gzip header.
    pub(super) fn from_extra(mut extra: &[u8]) -> Option<Self> {
        while let [a, b, low, high, rest @ ..] = extra {
            let length = usize::from(u16::from_le_bytes([*low, *high]));
            let data = rest.get(..length)?;
            if [*a, *b] == SUBFIELD {
                return serde_json::from_slice(data).ok();
            }
            extra = &rest[length..];
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;
    use crate::{
        event::testing::event,
        sink::store::line::{LossLine, push},
    };

    #[test]
    fn lines_are_counted_and_survive_the_extra_field() {
        let mut summary = Summary::new();
        let mut line = serde_json::to_vec(&event()).expect("JSON");
        summary.add(&line);
        line.clear();
        push(&mut line, &LossLine::new(event().time, 4, "store"));
        summary.add(line.trim_ascii_end());
        summary.add(b"{\"schema\":1,\"new\":true}");
        assert_eq!((summary.events, summary.lost, summary.unreadable), (1, 4, 1));
        assert_eq!(summary.first, Some(event().time));
        let ports: Vec<_> = summary.ports.iter().flatten().collect();
        assert_eq!(ports, [(&"8080".to_owned(), &1)]);
        assert_eq!(Summary::from_extra(&summary.to_extra()), Some(summary));
    }

    #[test]
    fn too_many_values_are_left_out() {
        let mut summary = Summary::new();
        for port in 1..=u16::MAX {
            summary.count(1, "refused", "", Some(port));
        }
        let kept = Summary::from_extra(&summary.to_extra()).expect("a summary");
        assert_eq!((kept.ports, kept.causes), (None, summary.causes));
    }

    #[test]
    fn a_foreign_extra_field_is_no_summary() {
        for extra in [&b""[..], b"RS", b"RS\xff\xff{}", b"AP\x02\x00xx", b"RS\x02\x00{x"] {
            assert_eq!(Summary::from_extra(extra), None, "{extra:?}");
        }
        let mut both = b"AP\x02\x00xx".to_vec();
        both.extend_from_slice(&Summary::new().to_extra());
        assert_eq!(Summary::from_extra(&both), Some(Summary::new()));
    }
}
