//! Scans: the lines of a span, segment after segment.

use super::{
    super::{
        StoreDirectory, StoreError,
        line::{CountsLine, LossLine},
        lines::{SegmentLine, SegmentLines, summary_of},
        name::{SegmentForm, SegmentKind, SegmentName},
    },
    check::SegmentProblem,
    preselection::Preselection,
    segments,
};
use crate::event::{line::quick_time, span::TimeSpan};
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    io::{BufReader, ErrorKind},
};

/// A place between two lines of the events. It stays valid when its segment is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Number of the segment.
    pub(crate) segment: u64,
    /// Offset in the uncompressed segment.
    pub(crate) offset: u64,
}

/// What a scan of the events finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScanItem<'a> {
    /// The line of an event in the span, without its line end, not parsed. It has a field `seq` besides those of an
    /// event.
    Event(&'a [u8]),
    /// Events that are missing.
    Lost(LossLine),
}

/// Begins every line of a loss: `LossLine` as it is written.
const LOST: &[u8] = b"\"lost\":";

/// The lines of one kind of segment, one after the other.
struct LineScan<'a> {
    directory: &'a StoreDirectory,
    kind: SegmentKind,
    /// Segments that are still to be read.
    segments: VecDeque<SegmentName>,
    current: Option<(SegmentName, SegmentLines)>,
    damage: Vec<SegmentProblem>,
}

impl<'a> LineScan<'a> {
    fn new(directory: &'a StoreDirectory, kind: SegmentKind, span: TimeSpan) -> Result<Self, StoreError> {
        let overlaps = |name: &SegmentName| match name.form {
            SegmentForm::Plain => true,
            SegmentForm::Closed { span: lines, .. } => lines.overlaps(span),
        };
        let segments = segments(directory, kind)?.into_iter().filter(overlaps).collect();
        Ok(Self { directory, kind, segments, current: None, damage: Vec::new() })
    }

    /// Opens the next segment; false if there is none.
    fn open_next(&mut self, is_wanted: impl Fn(&mut BufReader<std::fs::File>) -> bool) -> bool {
        while let Some(name) = self.segments.pop_front() {
            match self.open(name) {
                Ok((name, mut file)) => {
                    if !name.is_plain() {
                        if !is_wanted(&mut file) {
                            continue;
                        }
                        if let Err(error) = std::io::Seek::rewind(&mut file) {
                            self.damage.push(SegmentProblem { segment: name.to_string(), problem: error.to_string() });
                            continue;
                        }
                    }
                    self.current = Some((name, SegmentLines::of(&name, Box::new(file))));
                    return true;
                }
                Err(error) => {
                    self.damage.push(SegmentProblem { segment: name.to_string(), problem: error.to_string() });
                }
            }
        }
        false
    }

    /// Opens a segment under the name that it has now.
    fn open(&self, name: SegmentName) -> Result<(SegmentName, BufReader<std::fs::File>), StoreError> {
        match self.directory.open_file(&name.to_string()) {
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            result => return Ok((name, BufReader::new(result?))),
        }
        // The daemon has closed the segment since the directory was listed, or has removed it.
        let now = segments(self.directory, self.kind)?;
        let name = now.into_iter().find(|now| now.number == name.number).unwrap_or(name);
        Ok((name, BufReader::new(self.directory.open_file(&name.to_string())?)))
    }

    /// Notes what was wrong with the segment that ends.
    fn end_segment(&mut self) {
        let Some((name, lines)) = self.current.take() else { return };
        if let Some(damage) = lines.problem() {
            self.damage.push(SegmentProblem { segment: name.to_string(), problem: damage.to_owned() });
        }
    }
}

/// The events of a span.
pub(crate) struct Scan<'a> {
    lines: LineScan<'a>,
    span: TimeSpan,
    preselection: Preselection,
    cursor: Cursor,
    /// Where the scan begins.
    from: Cursor,
    lost: Finder<'static>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        directory: &'a StoreDirectory,
        span: TimeSpan,
        preselection: Preselection,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            lines: LineScan::new(directory, SegmentKind::Events, span)?,
            span,
            preselection,
            cursor: Cursor::default(),
            from: Cursor::default(),
            lost: Finder::new(LOST),
        })
    }

    #[allow(dead_code, reason = "for readers that go on where they were")]
    /// Begins at a cursor: what is before it is not returned.
    #[must_use]
    pub(crate) fn from(mut self, cursor: Cursor) -> Self {
        self.lines.segments.retain(|name| name.number >= cursor.segment);
        (self.from, self.cursor) = (cursor, cursor);
        self
    }

    #[allow(dead_code, reason = "as for `from`")]
    /// The place after the line that was returned last.
    #[must_use]
    pub(crate) fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// What could not be read so far.
    #[must_use]
    pub(crate) fn damage(&self) -> &[SegmentProblem] {
        &self.lines.damage
    }

    /// The next event or loss of the span; `None` at the end of what is written.
    pub(crate) fn next(&mut self) -> Option<ScanItem<'_>> {
        loop {
            if self.lines.current.is_none() {
                let preselection = &self.preselection;
                let is_wanted = |file: &mut BufReader<std::fs::File>| {
                    preselection.is_empty() || summary_of(file).is_none_or(|summary| preselection.may_be_in(&summary))
                };
                if !self.lines.open_next(is_wanted) {
                    return None;
                }
            }
            // Two steps, because a line cannot be lent out of a loop that goes on otherwise.
            match self.step() {
                ScanStep::End => self.lines.end_segment(),
                ScanStep::Skip => {}
                ScanStep::Lost(loss) => return Some(ScanItem::Lost(loss)),
                ScanStep::Event => {
                    return self.lines.current.as_ref().map(|(_, lines)| ScanItem::Event(lines.last_line()));
                }
            }
        }
    }

    fn step(&mut self) -> ScanStep {
        let Some((name, lines)) = &mut self.lines.current else { return ScanStep::End };
        let Some(SegmentLine { offset, text }) = lines.next_line() else { return ScanStep::End };
        if name.number == self.from.segment && offset < self.from.offset {
            return ScanStep::Skip;
        }
        self.cursor = Cursor { segment: name.number, offset: offset + text.len() as u64 + 1 };
        let head = &text[..text.len().min(128)];
        if self.lost.find(head).is_some()
            && let Ok(loss) = serde_json::from_slice::<LossLine>(text)
        {
            return if self.span.contains(loss.time) { ScanStep::Lost(loss) } else { ScanStep::Skip };
        }
        let is_in_span = quick_time(text).is_some_and(|time| self.span.contains(time));
        if is_in_span && self.preselection.may_match(text) { ScanStep::Event } else { ScanStep::Skip }
    }
}

enum ScanStep {
    Event,
    Lost(LossLine),
    Skip,
    End,
}

/// The exact counts of a span.
pub(crate) struct CountScan<'a> {
    lines: LineScan<'a>,
    span: TimeSpan,
}

impl<'a> CountScan<'a> {
    pub(super) fn new(directory: &'a StoreDirectory, span: TimeSpan) -> Result<Self, StoreError> {
        Ok(Self { lines: LineScan::new(directory, SegmentKind::Counts, span)?, span })
    }
}

impl Iterator for CountScan<'_> {
    type Item = CountsLine;

    fn next(&mut self) -> Option<CountsLine> {
        loop {
            let Some((_, lines)) = &mut self.lines.current else {
                if self.lines.open_next(|_| true) {
                    continue;
                }
                return None;
            };
            match lines.next_line() {
                None => self.lines.end_segment(),
                Some(line) => {
                    if let Ok(counts) = serde_json::from_slice::<CountsLine>(line.text)
                        && self.span.contains(counts.time)
                    {
                        return Some(counts);
                    }
                }
            }
        }
    }
}
