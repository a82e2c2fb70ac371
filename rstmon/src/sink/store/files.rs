//! The segments of a store that is open for writing: which are there, which are being written, and how room is made.

use super::{
    active::ActiveFile,
    compress,
    counts::COARSE_SECONDS,
    directory::{DirectoryLock, StoreDirectory},
    error::StoreError,
    line::{self, FORMAT, Mark, MarkLine, RunId, SegmentHeader},
    name::{SegmentForm, SegmentKind, SegmentName},
    options::StoreOptions,
    retention::{self, KeptSegment, RoomNeeded},
};
use flate2::Compression;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// Size at which a segment is closed; smaller for a small store.
const SEGMENT_BYTES: u64 = 8 << 20;
/// A store has at least this many segments when it is full, so that removing the oldest removes little.
const LEAST_SEGMENTS: u64 = 8;
/// Time after which a segment with lines is closed.
const EVENTS_SPAN: Duration = Duration::from_hours(1);
const COUNTS_SPAN: Duration = Duration::from_hours(6);
/// Age at which minutes become ten minutes.
const FINE_SPAN: SignedDuration = SignedDuration::from_hours(24);
/// Files with damaged ends that are kept, the newest.
const KEPT_DAMAGED: usize = 16;

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) time: Timestamp,
}

/// What every header of a run repeats.
#[derive(Clone, Debug)]
pub(super) struct RunFacts {
    pub(super) id: RunId,
    pub(super) host: String,
    pub(super) kernel: String,
    pub(super) version: String,
}

/// The locked directory and its segments.
#[derive(Debug)]
pub(super) struct StoreFiles {
    lock: DirectoryLock,
    /// Both kinds, each in the order in which it was written.
    segments: Vec<KeptSegment>,
    events: Option<ActiveFile>,
    counts: Option<ActiveFile>,
    next_events: u64,
    next_counts: u64,
    /// Bytes that were freed because the file system is short of space, and not written since.
    credit: u64,
    /// Whether names were added since the directory was last synced.
    has_new_names: bool,
    /// Whether the first segment of this run has been begun.
    has_started: bool,
}

impl StoreFiles {
    /// Locks the directory and tidies it up. Segments of earlier runs that are still plain are closed later.
    pub(super) fn open(directory: &StoreDirectory) -> Result<Self, StoreError> {
        let lock = directory.lock()?;
        let listing = directory.list()?;
        let superseded = listing.superseded.iter().map(ToString::to_string);
        let surplus = listing.damaged.len().saturating_sub(KEPT_DAMAGED);
        let damaged = listing.damaged.into_iter().take(surplus).map(|(name, _)| name);
        for name in superseded.chain(listing.temporary).chain(damaged) {
            directory.remove(&name)?;
        }
        let next = |kind| {
            let numbers = listing.segments.iter().filter(|kept| kept.name.kind == kind).map(|kept| kept.name.number);
            numbers.max().map_or(1, |last| last.saturating_add(1))
        };
        Ok(Self {
            lock,
            next_events: next(SegmentKind::Events),
            next_counts: next(SegmentKind::Counts),
            segments: listing.segments,
            events: None,
            counts: None,
            credit: 0,
            has_new_names: false,
            has_started: false,
        })
    }

    /// Bytes on disk of one kind.
    pub(super) fn bytes(&self, kind: SegmentKind) -> u64 {
        self.segments.iter().filter(|kept| kept.name.kind == kind).map(KeptSegment::on_disk).sum()
    }

    fn active(&mut self, kind: SegmentKind) -> &mut Option<ActiveFile> {
        match kind {
            SegmentKind::Events => &mut self.events,
            SegmentKind::Counts => &mut self.counts,
        }
    }

    fn is_open(&self, name: &SegmentName) -> bool {
        [&self.events, &self.counts].into_iter().flatten().any(|active| active.segment.name == *name)
    }

    /// Appends whole lines to the segment of this kind, which is begun if there is none, after making room for them.
    pub(super) fn append(
        &mut self,
        directory: &StoreDirectory,
        options: &StoreOptions,
        run: &RunFacts,
        kind: SegmentKind,
        lines: &[u8],
        now: Moment,
    ) -> Result<(), StoreError> {
        // Room for a header as well.
        self.make_room(directory, options, kind, lines.len() as u64 + 1024, now)?;
        if self.active(kind).is_none() {
            self.begin(directory, run, kind, now)?;
        }
        let Some(active) = self.active(kind) else { return Ok(()) };
        let result = active.append(directory, lines);
        let segment = active.segment;
        if active.is_torn {
            *self.active(kind) = None;
        }
        self.note(KeptSegment { name: segment.name, bytes: segment.bytes });
        result
    }

    /// Sets the size of a segment.
    fn note(&mut self, segment: KeptSegment) {
        match self.segments.iter_mut().find(|kept| kept.name == segment.name) {
            Some(kept) => *kept = segment,
            None => self.segments.push(segment),
        }
    }

    fn begin(
        &mut self,
        directory: &StoreDirectory,
        run: &RunFacts,
        kind: SegmentKind,
        now: Moment,
    ) -> Result<(), StoreError> {
        let next = match kind {
            SegmentKind::Events => &mut self.next_events,
            SegmentKind::Counts => &mut self.next_counts,
        };
        let number = *next;
        let header = SegmentHeader {
            format: FORMAT,
            kind,
            store: self.lock.store.clone(),
            number,
            run: run.id.clone(),
            opened: now.time,
            host: run.host.clone(),
            kernel: run.kernel.clone(),
            version: run.version.clone(),
        };
        let mut lines = Vec::new();
        line::push(&mut lines, &MarkLine::from(Mark::Segment(header)));
        let starts = kind == SegmentKind::Events && !self.has_started;
        if starts {
            line::push(&mut lines, &MarkLine::from(Mark::Start(run.id.start)));
        }
        let active = ActiveFile::create(directory, SegmentName::plain(kind, number), &lines, now.instant)?;
        *next += 1;
        self.has_started |= starts;
        self.has_new_names = true;
        self.note(KeptSegment { name: active.segment.name, bytes: active.segment.bytes });
        *self.active(kind) = Some(active);
        Ok(())
    }

    /// Removes what is too old, and the oldest of what is too much, before `incoming` bytes are written.
    pub(super) fn make_room(
        &mut self,
        directory: &StoreDirectory,
        options: &StoreOptions,
        kind: SegmentKind,
        incoming: u64,
        now: Moment,
    ) -> Result<(), StoreError> {
        // Where others fill the file system, the store does not grow, and does not give up its past either: what comes
        // in replaces the oldest.
        let space = directory.space();
        let short =
            space.filter(|space| space.available < options.min_free.bytes(space.total).saturating_add(incoming));
        let to_free = if short.is_some() { incoming.saturating_sub(self.credit) } else { 0 };
        let age = SignedDuration::try_from(options.max_age).unwrap_or(SignedDuration::MAX);
        let needed = RoomNeeded {
            kind,
            incoming,
            max_bytes: match kind {
                SegmentKind::Events => options.max_bytes,
                SegmentKind::Counts => options.counts_max_bytes,
            },
            to_free,
            oldest: now.time.checked_sub(age).unwrap_or(Timestamp::MIN),
        };
        let mut freed = 0;
        for name in retention::excess(&self.segments, &needed, |name| self.is_open(name)) {
            directory.remove(&name.to_string())?;
            freed += self.segments.iter().find(|kept| kept.name == name).map_or(0, KeptSegment::on_disk);
            self.segments.retain(|kept| kept.name != name);
            tracing::debug!(segment = %name, "removed to make room");
        }
        if let Some(space) = short {
            self.credit = self.credit.saturating_add(freed);
            if self.credit < incoming {
                return Err(StoreError::NoRoom { path: directory.path().to_owned(), available: space.available });
            }
            self.credit -= incoming;
        } else {
            self.credit = 0;
        }
        Ok(())
    }

    /// Ends the segments that are being written, so that they can make room.
    pub(super) fn end(&mut self) {
        (self.events, self.counts) = (None, None);
    }

    /// Ends the segments that are large or old enough.
    pub(super) fn roll(&mut self, options: &StoreOptions, now: Instant) {
        for (kind, max_bytes, span) in [
            (SegmentKind::Events, options.max_bytes, EVENTS_SPAN),
            (SegmentKind::Counts, options.counts_max_bytes, COUNTS_SPAN),
        ] {
            let limit = SEGMENT_BYTES.min(max_bytes / LEAST_SEGMENTS);
            let is_over = |active: &ActiveFile| {
                let segment = &active.segment;
                segment.has_content && (segment.bytes >= limit || now.duration_since(segment.opened) >= span)
            };
            if self.active(kind).as_ref().is_some_and(is_over) {
                // It becomes one of the plain segments that `close_plain` closes.
                *self.active(kind) = None;
            }
        }
    }

    /// Compresses a plain segment that is no longer written. Returns whether there may be more of them.
    pub(super) fn close_plain(
        &mut self,
        directory: &StoreDirectory,
        options: &StoreOptions,
        level: Compression,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let plain = self.segments.iter().find(|kept| kept.name.is_plain() && !self.is_open(&kept.name)).copied();
        let Some(KeptSegment { name, bytes }) = plain else { return Ok(false) };
        // Both forms exist for a moment. Lines compress to less than a quarter.
        self.make_room(directory, options, name.kind, bytes / 4, now)?;
        if self.segments.iter().all(|kept| kept.name != name) {
            return Ok(true);
        }
        let closed = compress::close(directory, name, level)?;
        let freed = bytes.saturating_sub(closed.map_or(0, |closed| closed.bytes));
        self.credit = self.credit.saturating_add(freed);
        self.replace(name, closed);
        Ok(true)
    }

    /// Adds up the minutes of a segment of counts that is old enough. Returns whether there may be more of them.
    pub(super) fn coarsen(&mut self, directory: &StoreDirectory, now: Moment) -> Result<bool, StoreError> {
        let before = now.time.checked_sub(FINE_SPAN).unwrap_or(Timestamp::MIN);
        let is_due = |name: &SegmentName| {
            let SegmentForm::Closed { span, is_coarse: false } = name.form else { return false };
            name.kind == SegmentKind::Counts
                && span.until < before
                // Shorter segments have nothing to add up.
                && span.until.as_second() - span.since.as_second() > COARSE_SECONDS
        };
        let Some(fine) = self.segments.iter().map(|kept| kept.name).find(is_due) else { return Ok(false) };
        let coarse = compress::coarsen(directory, fine)?;
        self.replace(fine, Some(coarse));
        Ok(true)
    }

    fn replace(&mut self, old: SegmentName, new: Option<KeptSegment>) {
        match (self.segments.iter().position(|kept| kept.name == old), new) {
            (Some(at), Some(new)) => self.segments[at] = new,
            (Some(at), None) => {
                self.segments.remove(at);
            }
            (None, _) => {}
        }
    }

    /// Makes everything that was written survive a power loss.
    pub(super) fn sync(&mut self, directory: &StoreDirectory) -> Result<(), StoreError> {
        for active in [&mut self.events, &mut self.counts].into_iter().flatten() {
            active.sync(directory)?;
        }
        if self.has_new_names {
            directory.sync()?;
            self.has_new_names = false;
        }
        Ok(())
    }
}
