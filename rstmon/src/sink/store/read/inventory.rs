//! What a store has: its segments with their summaries.

use super::{
    super::{
        StoreDirectory, StoreError,
        lines::{SegmentLines, summary_of},
        name::{SegmentForm, SegmentKind, SegmentName},
        retention::KeptSegment,
        summary::Summary,
    },
    gaps::{self, Gap},
};
use crate::event::span::TimeSpan;
use std::io::BufReader;

/// A segment and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SegmentInfo {
    pub(crate) name: SegmentName,
    /// Size of the file.
    pub(crate) bytes: u64,
    pub(crate) summary: Summary,
    /// Why the summary is not complete, if it is not.
    pub(crate) problem: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inventory {
    /// Both kinds, each in the order in which it was written.
    pub(crate) segments: Vec<SegmentInfo>,
    /// Files with bytes that are no lines, with their sizes.
    pub(crate) damaged: Vec<(String, u64)>,
}

impl Inventory {
    pub(super) fn read(directory: &StoreDirectory) -> Result<Self, StoreError> {
        let listing = directory.list()?;
        let segments = listing.segments.into_iter().map(|KeptSegment { name, bytes }| {
            let (summary, problem) = summary(directory, &name);
            SegmentInfo { name, bytes, summary, problem }
        });
        Ok(Self { segments: segments.collect(), damaged: listing.damaged })
    }

    pub(crate) fn of(&self, kind: SegmentKind) -> impl DoubleEndedIterator<Item = &SegmentInfo> {
        self.segments.iter().filter(move |segment| segment.name.kind == kind)
    }

    /// The times in a span of which nothing is kept: before the first segment, and where no daemon ran.
    #[must_use]
    pub(crate) fn gaps(&self, span: TimeSpan) -> Vec<Gap> {
        gaps::within(&gaps::all(self.segments.iter().map(|segment| &segment.summary)), span)
    }
}

/// The summary of a segment. A segment that cannot be read, or has none, has an empty one with the span of its name.
fn summary(directory: &StoreDirectory, name: &SegmentName) -> (Summary, Option<String>) {
    let file = match directory.open_file(&name.to_string()) {
        Ok(file) => BufReader::new(file),
        Err(error) => return (Summary::default(), Some(error.to_string())),
    };
    match name.form {
        SegmentForm::Plain => (SegmentLines::plain(Box::new(file)).summarise(), None),
        SegmentForm::Closed { span, .. } => {
            if let Some(summary) = summary_of(file) {
                return (summary, None);
            }
            let summary = Summary { first: Some(span.since), last: Some(span.until), ..Summary::default() };
            (summary, Some("has no summary".to_owned()))
        }
    }
}
