//! Events and counts on disk, for as long as the limits allow: what happened last night is there in the morning.
//!
//! A store is a directory of segments ([`name`]) of lines ([`line`]): events with a number, and marks. One segment
//! belongs to one run of the daemon. The segment that is written is plain NDJSON; a closed one is gzip ([`compress`])
//! with a [`summary`] in its first header. Exact counts have segments of their own, so that a storm of events does not
//! remove them.
//!
//! Contract: [`Store::take`] never waits. A thread of the store's own writes, at most a second late. It makes room
//! before it writes; what it cannot write it counts as lost, and it tries again. A reader ([`read`]) sees only whole
//! lines, and is never locked out.

mod active;
pub(crate) mod compress;
mod counts;
mod directory;
mod error;
mod files;
pub(crate) mod line;
pub(crate) mod lines;
pub(crate) mod name;
pub(crate) mod options;
pub(crate) mod read;
mod remotes;
mod retention;
mod share;
mod status;
mod summary;
#[cfg(test)]
mod tests;
mod writer;

use super::Sink;
use crate::{event::Event, sync::lock};
pub(crate) use counts::CountReading;
pub(crate) use directory::StoreDirectory;
pub(crate) use error::StoreError;
use files::{Moment, RunFacts};
use jiff::Timestamp;
use line::RunId;
use options::StoreOptions;
use share::{ResetKind, Shares};
use status::SharedStatus;
pub(crate) use status::{StoreState, StoreStatus};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};
pub(crate) use writer::CountSource;
use writer::StoreWriter;

/// Events that may wait for the disk.
const QUEUE: usize = 4096;
/// Longest time that the end of the daemon waits for the disk.
const STOP: Duration = Duration::from_secs(5);

enum StoreMessage {
    Event(Arc<Event>),
    /// Write everything, and answer.
    Stop(SyncSender<()>),
}

/// The sink that keeps events and counts on disk.
pub(crate) struct Store {
    queue: SyncSender<StoreMessage>,
    /// For the thread, until [`start`](Self::start).
    receiver: Mutex<Option<Receiver<StoreMessage>>>,
    shares: Mutex<Shares>,
    shared: Arc<SharedStatus>,
    directory: PathBuf,
    max_bytes: u64,
    created: Instant,
}

impl Store {
    /// A store that takes events at once, and writes them once it is started.
    #[must_use]
    pub(crate) fn new(options: &StoreOptions) -> Arc<Self> {
        let (queue, receiver) = sync_channel(QUEUE);
        Arc::new(Self {
            queue,
            receiver: Mutex::new(Some(receiver)),
            shares: Mutex::new(Shares::new(options.max_bytes)),
            shared: Arc::new(SharedStatus::new()),
            directory: options.directory.clone(),
            max_bytes: options.max_bytes,
            created: Instant::now(),
        })
    }

    /// Starts the thread that writes into `directory`. The start of the run is the one that the counts begin at.
    pub(crate) fn start(
        &self,
        directory: StoreDirectory,
        options: StoreOptions,
        started: Timestamp,
        counts: CountSource,
    ) {
        let Some(receiver) = lock(&self.receiver).take() else { return };
        let host = rustix::system::uname();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let run = RunFacts {
            id: RunId { boot: boot.trim().to_owned(), start: started },
            host: host.nodename().to_string_lossy().into_owned(),
            kernel: host.release().to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let shared = Arc::clone(&self.shared);
        let writer = StoreWriter::new(directory, options, run, counts, Arc::clone(&shared), Moment::now());
        let thread = thread::Builder::new().name("rstmon-store".into());
        if let Err(error) = thread.spawn(move || work(writer, &receiver, &shared)) {
            self.shared.change(StoreState::Failing { reason: format!("cannot start its thread: {error}") });
        }
    }

    /// The store cannot be started at all.
    pub(crate) fn fail(&self, error: &StoreError) {
        // Without a receiver, each event is counted as lost.
        drop(lock(&self.receiver).take());
        self.shared.change(StoreState::Failing { reason: error.to_string() });
    }

    /// Writes everything, with a last reading of the counts, and ends the thread. A disk that hangs delays it by
    /// [`STOP`] at most.
    pub(crate) fn finish(&self) {
        let (answer, answered) = sync_channel(1);
        let deadline = Instant::now() + STOP;
        let mut message = StoreMessage::Stop(answer);
        // A full queue has room again as soon as the thread has written a batch.
        loop {
            match self.queue.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(again)) if Instant::now() < deadline => {
                    message = again;
                    thread::sleep(Duration::from_millis(10));
                }
                Err(_) => return,
            }
        }
        if answered.recv_timeout(deadline.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the store does not finish in time: its last events may be missing");
        }
    }

    #[must_use]
    pub(crate) fn status(&self) -> StoreStatus {
        let SharedStatus { events_bytes, counts_bytes, stored, lost, withheld, .. } = &*self.shared;
        StoreStatus {
            directory: self.directory.clone(),
            state: self.shared.state(),
            events_bytes: events_bytes.load(Ordering::Relaxed),
            max_bytes: self.max_bytes,
            counts_bytes: counts_bytes.load(Ordering::Relaxed),
            stored: stored.load(Ordering::Relaxed),
            lost: lost.load(Ordering::Relaxed),
            withheld: withheld.load(Ordering::Relaxed),
        }
    }

    /// Whether an event is within the share of its kind.
    fn admits(&self, event: &Event) -> bool {
        let process = event.process();
        let kind = ResetKind {
            direction: event.direction,
            cause: event.cause.id(),
            process,
            port: process.and(event.service_port),
        };
        let now_ms = u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX);
        lock(&self.shares).admits(kind, now_ms)
    }
}

impl Sink for Store {
    fn name(&self) -> &'static str {
        line::why::STORE
    }

    fn take(&self, event: &Arc<Event>) {
        if !self.admits(event) {
            self.shared.withheld.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(StoreMessage::Event(Arc::clone(event))).is_err() {
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events that could not be written. Those beyond the share of their kind do not count: the limits exclude them.
    fn lost(&self) -> Option<u64> {
        Some(self.shared.lost.load(Ordering::Relaxed))
    }
}

impl Moment {
    fn now() -> Self {
        Self { instant: Instant::now(), time: Timestamp::now() }
    }
}

/// The thread of a store.
fn work(mut writer: StoreWriter, queue: &Receiver<StoreMessage>, shared: &SharedStatus) {
    writer.start(Moment::now());
    loop {
        let timeout = writer.due().saturating_duration_since(Instant::now());
        match queue.recv_timeout(timeout) {
            Ok(StoreMessage::Event(event)) => {
                shared.queued.fetch_sub(1, Ordering::Relaxed);
                writer.take(&event, Instant::now());
            }
            Ok(StoreMessage::Stop(answer)) => {
                writer.stop(Moment::now());
                let _ = answer.try_send(());
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return writer.stop(Moment::now()),
        }
        writer.tick(Moment::now());
    }
}
