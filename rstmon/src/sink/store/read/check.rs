//! Verifies a store: every line of every segment is read and understood.

use super::super::{
    StoreDirectory, StoreError,
    line::{CountsLine, LossLine, MarkLine},
    lines::SegmentLines,
    name::SegmentName,
    summary::Summary,
};
use crate::{event::line::StreamLine, model::text::safe};
use serde::Serialize;
use std::io::BufReader;

/// Problems of one segment that are reported one by one.
const MOST_LINES: u64 = 3;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SegmentProblem {
    /// Name of the file.
    pub(crate) segment: String,
    pub(crate) problem: String,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct CheckReport {
    pub(crate) segments: u64,
    /// Lines that were read and understood.
    pub(crate) lines: u64,
    pub(crate) events: u64,
    pub(crate) problems: Vec<SegmentProblem>,
}

impl CheckReport {
    pub(super) fn new(directory: &StoreDirectory) -> Result<Self, StoreError> {
        let mut report = Self::default();
        let listing = directory.list()?;
        for kept in &listing.segments {
            report.segments += 1;
            let text = kept.name.to_string();
            match directory.open_file(&text) {
                Ok(file) => report.check(kept.name, Box::new(BufReader::new(file))),
                Err(error) => report.problems.push(SegmentProblem { segment: text, problem: error.to_string() }),
            }
        }
        for (segment, bytes) in listing.damaged {
            let problem = format!("{bytes} bytes of a segment's end that were no whole line");
            report.problems.push(SegmentProblem { segment, problem });
        }
        Ok(report)
    }

    /// Checks one segment.
    pub(crate) fn check(&mut self, name: SegmentName, reader: Box<dyn std::io::BufRead + Send>) {
        let segment = name.to_string();
        let mut lines = SegmentLines::of(&name, reader);
        let (mut summary, mut wrong, mut last_seq) = (Summary::new(), 0, 0);
        while let Some(line) = lines.next_line() {
            summary.add(line.text);
            match understand(line.text, &mut last_seq) {
                Ok(()) => self.lines += 1,
                Err(problem) => {
                    wrong += 1;
                    if wrong <= MOST_LINES {
                        // An error may quote what is in the file.
                        let problem = safe(&format!("at byte {}: {problem}", line.offset));
                        self.problems.push(SegmentProblem { segment: segment.clone(), problem });
                    }
                }
            }
        }
        self.events += summary.events;
        let more = wrong.saturating_sub(MOST_LINES);
        let further = (more > 0).then(|| format!("{more} further lines are none of the store's"));
        let header = match summary.header {
            None => Some("has no header".to_owned()),
            Some(header) if (header.kind, header.number) != (name.kind, name.number) => {
                Some(format!("has the header of {}-{:010}", header.kind.as_str(), header.number))
            }
            Some(_) => None,
        };
        let damage = lines.problem().map(str::to_owned);
        for problem in [further, header, damage].into_iter().flatten() {
            self.problems.push(SegmentProblem { segment: segment.clone(), problem });
        }
    }
}

/// Checks that a line is one of the store's, and that events are numbered in ascending order.
fn understand(line: &[u8], last_seq: &mut u64) -> Result<(), String> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        seq: u64,
    }
    match StreamLine::parse(line) {
        Ok(StreamLine::Event(_)) => {
            let Numbered { seq } = serde_json::from_slice(line).map_err(|error| format!("an event: {error}"))?;
            if seq <= *last_seq {
                return Err(format!("event {seq} comes after event {last_seq}"));
            }
            *last_seq = seq;
            Ok(())
        }
        Ok(StreamLine::Lost(_)) => {
            serde_json::from_slice::<LossLine>(line).map(drop).map_err(|error| error.to_string())
        }
        Err(error) => {
            let is_known =
                serde_json::from_slice::<MarkLine>(line).is_ok() || serde_json::from_slice::<CountsLine>(line).is_ok();
            if is_known { Ok(()) } else { Err(error.to_string()) }
        }
    }
}
