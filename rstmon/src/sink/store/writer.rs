//! The work of the store's thread: events into batches of lines, counts once a minute, and everything that may wait for
//! the disk.

use super::{
    counts::{self, CountGrowth, CountReading},
    directory::StoreDirectory,
    error::StoreError,
    files::{Moment, RunFacts, StoreFiles},
    line::{self, CountsLine, LossLine, Mark, MarkLine, why},
    name::SegmentKind,
    options::StoreOptions,
    remotes,
    status::{SharedStatus, StoreState},
};
use crate::event::{EVENT_SCHEMA, Event};
use flate2::Compression;
use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Longest time that an event waits for others before it is written.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// Size at which a batch is written at once.
const BATCH_BYTES: usize = 256 * 1024;
/// Time between two attempts to write after one failed.
const RETRY: Duration = Duration::from_secs(1);
/// Events in the queue from which on the store is behind, and compresses less.
const BEHIND: u64 = 1024;

/// Reads the exact counts; `None` if that fails. It may wait for locks of the monitor, never the other way round.
pub(crate) type CountSource = Box<dyn FnMut() -> Option<CountReading> + Send>;

pub(super) struct StoreWriter {
    directory: StoreDirectory,
    options: StoreOptions,
    run: RunFacts,
    counts: CountSource,
    shared: Arc<SharedStatus>,
    files: Option<StoreFiles>,
    /// Lines to write.
    batch: Vec<u8>,
    batch_events: u64,
    batch_since: Option<Instant>,
    /// Number of the last event of this run.
    seq: u64,
    growth: CountGrowth,
    /// The end of the last span of counts that is on disk, or in which nothing was counted.
    counted: Instant,
    /// Losses that lines of the store report, by the reason.
    reported: BTreeMap<&'static str, u64>,
    minute_due: Instant,
    sync_due: Option<Instant>,
    retry_at: Option<Instant>,
}

impl StoreWriter {
    pub(super) fn new(
        directory: StoreDirectory,
        options: StoreOptions,
        run: RunFacts,
        counts: CountSource,
        shared: Arc<SharedStatus>,
        now: Moment,
    ) -> Self {
        Self {
            directory,
            options,
            run,
            counts,
            shared,
            files: None,
            batch: Vec::new(),
            batch_events: 0,
            batch_since: None,
            seq: 0,
            growth: CountGrowth::default(),
            counted: now.instant,
            reported: BTreeMap::new(),
            minute_due: next_minute(now),
            sync_due: None,
            retry_at: None,
        }
    }

    /// Opens the store and begins its first segment, which says when the run started.
    pub(super) fn start(&mut self, now: Moment) {
        self.write(SegmentKind::Events, &[], now);
        self.close_segments(now);
    }

    /// Adds an event to the batch.
    pub(super) fn take(&mut self, event: &Event, now: Instant) {
        self.seq += 1;
        let event = remotes::stored(event, self.options.remotes);
        if line::push_event(&mut self.batch, &*event, self.seq) {
            self.batch_events += 1;
            self.batch_since.get_or_insert(now);
        }
    }

    /// When [`tick`](Self::tick) has something to do if no event comes.
    pub(super) fn due(&self) -> Instant {
        let batch = self.batch_since.map(|since| since + BATCH_TIME);
        [batch, self.sync_due].into_iter().flatten().fold(self.minute_due, Instant::min)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Moment) {
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now.instant);
        if self.batch.len() >= BATCH_BYTES || is_due(self.batch_since.map(|since| since + BATCH_TIME)) {
            self.write_batch(now);
        }
        if self.minute_due <= now.instant {
            self.minute_due = next_minute(now);
            self.write_counts(now);
            self.keep_limits(now);
            self.close_segments(now);
        }
        if is_due(self.sync_due) {
            self.sync(now);
        }
    }

    fn write_batch(&mut self, now: Moment) {
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let new_losses = self.new_losses(why::STORE, lost);
        if let Some(new) = new_losses {
            line::push(&mut self.batch, &LossLine::new(now.time, new, why::STORE));
        }
        self.batch_since = None;
        let events = mem::take(&mut self.batch_events);
        if self.batch.is_empty() {
            return;
        }
        let mut lines = mem::take(&mut self.batch);
        if self.write(SegmentKind::Events, &lines, now) {
            self.shared.stored.fetch_add(events, Ordering::Relaxed);
            if new_losses.is_some() {
                self.reported.insert(why::STORE, lost);
            }
        } else {
            self.shared.lost.fetch_add(events, Ordering::Relaxed);
        }
        lines.clear();
        self.batch = lines;
        if let Some(files) = &mut self.files {
            files.roll(&self.options, now.instant);
        }
        self.close_segments(now);
    }

    /// Losses of one kind that no line reports yet, given all so far.
    fn new_losses(&self, why: &'static str, all: u64) -> Option<u64> {
        Some(all.saturating_sub(self.reported.get(why).copied().unwrap_or(0))).filter(|new| *new > 0)
    }

    /// Writes what was counted since the last time, and what was lost in the kernel or withheld.
    fn write_counts(&mut self, now: Moment) {
        let Some(reading) = (self.counts)() else { return };
        let withheld = (why::SHARE, self.shared.withheld.load(Ordering::Relaxed));
        let mut reported = Vec::new();
        for &(why, all) in reading.lost.iter().chain([&withheld]) {
            if let Some(new) = self.new_losses(why, all) {
                line::push(&mut self.batch, &LossLine::new(now.time, new, why));
                reported.push((why, all));
            }
        }
        self.write_batch(now);
        if !self.shared.is_failing() {
            self.reported.extend(reported);
        }
        let sums = counts::by_kind(&reading.sums);
        let rows = self.growth.since_stored(&sums);
        if !rows.is_empty() {
            let seconds = now.instant.duration_since(self.counted).as_secs().max(1);
            let mut lines = Vec::new();
            let counts = CountsLine { schema: EVENT_SCHEMA, time: now.time, seconds, counts: rows };
            line::push_counts(&mut lines, counts);
            if !self.write(SegmentKind::Counts, &lines, now) {
                // The next line has this minute, too.
                return;
            }
            self.growth.store(sums);
        }
        self.counted = now.instant;
    }

    /// Writes whole lines, and reports whether they are written. Does nothing for a moment after a failure.
    fn write(&mut self, kind: SegmentKind, lines: &[u8], now: Moment) -> bool {
        if self.retry_at.is_some_and(|retry| now.instant < retry) {
            return false;
        }
        match self.try_write(kind, lines, now) {
            Ok(()) => {
                self.retry_at = None;
                self.shared.change(StoreState::Working);
                self.sync_due.get_or_insert(now.instant + self.options.sync_interval);
                self.publish();
                true
            }
            Err(error) => {
                self.fail(&error, now);
                false
            }
        }
    }

    fn try_write(&mut self, kind: SegmentKind, lines: &[u8], now: Moment) -> Result<(), StoreError> {
        if self.directory.is_removed() {
            // Within the sandbox, a new directory of the same name is out of reach; without, it is found here.
            self.files = None;
            self.directory = StoreDirectory::open_or_make(&self.options.directory)
                .map_err(|_| StoreError::Removed { path: self.options.directory.clone() })?;
        }
        let files = match &mut self.files {
            Some(files) => files,
            none => none.insert(StoreFiles::open(&self.directory)?),
        };
        files.append(&self.directory, &self.options, &self.run, kind, lines, now)
    }

    fn fail(&mut self, error: &StoreError, now: Moment) {
        self.retry_at = Some(now.instant + RETRY);
        if let (StoreError::NoRoom { .. }, Some(files)) = (error, &mut self.files) {
            files.end();
        }
        self.shared.change(StoreState::Failing { reason: error.to_string() });
    }

    /// Ends segments that are old enough, and removes what is too old, also where nothing is written.
    fn keep_limits(&mut self, now: Moment) {
        let Some(files) = &mut self.files else { return };
        files.roll(&self.options, now.instant);
        if let Err(error) = files.make_room(&self.directory, &self.options, SegmentKind::Events, 0, now) {
            tracing::debug!(%error, "what is too old is not removed");
        }
    }

    /// Closes plain segments and adds up old counts. A failure leaves them as they are, for the next time.
    fn close_segments(&mut self, now: Moment) {
        let is_behind = self.shared.queued.load(Ordering::Relaxed) > BEHIND;
        let level = if is_behind { Compression::fast() } else { Compression::default() };
        let Some(files) = &mut self.files else { return };
        let result = loop {
            match files.close_plain(&self.directory, &self.options, level, now) {
                Ok(true) => {}
                Ok(false) => break files.coarsen(&self.directory, now).map(drop),
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a segment is not closed");
        }
        self.publish();
    }

    fn sync(&mut self, now: Moment) {
        self.sync_due = None;
        if let Some(files) = &mut self.files
            && let Err(error) = files.sync(&self.directory)
        {
            self.fail(&error, now);
        }
    }

    fn publish(&self) {
        let Some(files) = &self.files else { return };
        self.shared.events_bytes.store(files.bytes(SegmentKind::Events), Ordering::Relaxed);
        self.shared.counts_bytes.store(files.bytes(SegmentKind::Counts), Ordering::Relaxed);
    }

    /// Writes all that is left, and the line that says that the run stopped in order.
    pub(super) fn stop(&mut self, now: Moment) {
        self.retry_at = None;
        self.write_counts(now);
        self.write_batch(now);
        let mut lines = Vec::new();
        line::push(&mut lines, &MarkLine::from(Mark::Stop(now.time)));
        self.write(SegmentKind::Events, &lines, now);
        self.sync(now);
    }
}

/// The next full minute of the wall clock, on the monotonic one.
fn next_minute(now: Moment) -> Instant {
    let into = now.time.as_second().rem_euclid(60).unsigned_abs();
    now.instant + Duration::from_secs(60 - into)
}
