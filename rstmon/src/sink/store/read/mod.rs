//! Reads a store: of the daemon on this host while it writes, or of another host in a copy of its directory.
//!
//! ```text
//! let store = StoreReader::open(directory)?;
//! let inventory = store.inventory()?;              // segments with their summaries, damaged files
//! let gaps = inventory.gaps(span);                 // when no daemon ran, and since when anything is kept
//! let mut scan = store.scan(span, Preselection::default())?;
//! while let Some(found) = scan.next() { .. }       // raw lines of events, losses; oldest segment first
//! let problems = scan.damage();                    // what could not be read
//! let cursor = scan.cursor();                      // where to go on: scan.from(cursor)
//! let counts = store.counts(span)?;                // exact counts, line by line
//! ```
//!
//! A scan reads one segment at a time, in the order in which they were written, and holds one block of it in memory. It
//! skips segments by the span in their name and by their summary, and lines by their bytes before it parses anything.
//! Events are in the order in which they were written, which is that of their times but for moments, and for steps of
//! the clock.

mod check;
mod gaps;
mod inventory;
mod preselection;
mod scan;

use super::{
    StoreDirectory, StoreError,
    name::{SegmentKind, SegmentName},
};
use crate::event::span::TimeSpan;
pub(crate) use check::CheckReport;
pub(crate) use gaps::{Gap, GapReason};
pub(crate) use inventory::{Inventory, SegmentInfo};
pub(crate) use preselection::Preselection;
pub(crate) use scan::{CountScan, Scan, ScanItem};
use std::path::Path;

/// An open store, for reading.
#[derive(Debug)]
pub(crate) struct StoreReader {
    directory: StoreDirectory,
}

impl StoreReader {
    pub(crate) fn open(directory: &Path) -> Result<Self, StoreError> {
        Ok(Self { directory: StoreDirectory::open(directory)? })
    }

    #[must_use]
    pub(crate) fn directory(&self) -> &StoreDirectory {
        &self.directory
    }

    /// Everything that there is, with summaries; the segment that is being written is read for that.
    pub(crate) fn inventory(&self) -> Result<Inventory, StoreError> {
        Inventory::read(&self.directory)
    }

    /// The events and losses of a span whose lines may match `preselection`: a superset of those that match.
    pub(crate) fn scan(&self, span: TimeSpan, preselection: Preselection) -> Result<Scan<'_>, StoreError> {
        Scan::new(&self.directory, span, preselection)
    }

    /// The exact counts of a span, oldest first. A line belongs to a span if its end does.
    pub(crate) fn counts(&self, span: TimeSpan) -> Result<CountScan<'_>, StoreError> {
        CountScan::new(&self.directory, span)
    }

    /// Reads every line of every segment, and reports what is not as it was written.
    pub(crate) fn check(&self) -> Result<CheckReport, StoreError> {
        CheckReport::new(&self.directory)
    }
}

/// The segments of one kind.
fn segments(directory: &StoreDirectory, kind: SegmentKind) -> Result<Vec<SegmentName>, StoreError> {
    Ok(directory.list()?.segments.into_iter().map(|kept| kept.name).filter(|name| name.kind == kind).collect())
}
