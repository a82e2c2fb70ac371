//! The feeds of the view: a daemon, a probe in this process, or a recording. Each feed is a thread that sends updates.

mod alone;
mod daemon;
mod recorded;
mod replay;

use super::wake::ViewWaker;
use crate::{
    command::Failure,
    config::Config,
    event::{Event, snapshot::Snapshot, span::TimeSpan},
    query::{Origin, RecordingNames, recordings::Recordings},
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    },
    time::Duration,
};

/// Updates that may wait for the view. If there are more, the feed waits; the daemon counts the events that its feed
/// misses then.
const QUEUE: usize = 4096;
/// Snapshots that may wait for the view. More would be useless, because each replaces those before it.
const WAITING_SNAPSHOTS: usize = 2;
/// How often the counts are read. New rows appear within this time.
const POLL: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) enum Update {
    /// The origin answers, for the first time or again.
    Up,
    /// The origin does not answer any more, for this reason.
    Down(String),
    Snapshot(Box<Snapshot>),
    Event(Arc<Event>),
    /// Number of events that are missing because the view was too slow.
    Lost(u64),
    /// A message for the user.
    Note(String),
    /// The recording has ended.
    Ended,
}

/// The view has closed its end of the channel.
#[derive(Clone, Copy, Debug)]
struct ViewClosed;

#[derive(Clone)]
struct FeedSender {
    updates: SyncSender<Update>,
    snapshots: Arc<AtomicUsize>,
    waker: Arc<ViewWaker>,
}

impl FeedSender {
    /// Sends an update. Waits while the queue is full.
    fn send(&self, update: Update) -> Result<(), ViewClosed> {
        if matches!(update, Update::Snapshot(_)) {
            self.snapshots.fetch_add(1, Ordering::Relaxed);
        }
        self.updates.send(update).map_err(|_| ViewClosed)?;
        self.waker.wake();
        Ok(())
    }

    /// Sends a snapshot, unless [`WAITING_SNAPSHOTS`] wait already.
    fn send_counts(&self, snapshot: Snapshot) -> Result<(), ViewClosed> {
        if self.snapshots.load(Ordering::Relaxed) < WAITING_SNAPSHOTS {
            return self.send(Update::Snapshot(Box::new(snapshot)));
        }
        Ok(())
    }
}

/// A running feed. Its thread ends after this value is dropped.
pub(crate) struct Feed {
    pub(crate) origin: Origin,
    updates: Receiver<Update>,
    /// The number of waiting snapshots.
    snapshots: Arc<AtomicUsize>,
    waker: Arc<ViewWaker>,
}

impl Feed {
    /// Follows the daemon. Fails if none runs at the start; afterwards the feed follows it across restarts.
    pub(crate) fn daemon(config: &Config) -> Result<Self, Failure> {
        let path = config.socket.path.clone();
        Self::start(Origin::Daemon(path.clone()), daemon::connect(&path)?)
    }

    /// Runs the probe in this process.
    pub(crate) fn alone(config: &Config) -> Result<Self, Failure> {
        Self::start(Origin::Local, alone::attach(config)?)
    }

    /// Replays a span of recordings, `speed` times as fast as they were made; 0 = all at once.
    pub(crate) fn replay(paths: Vec<PathBuf>, span: TimeSpan, speed: f64) -> Result<Self, Failure> {
        let recordings = Recordings::open(&paths, span)?;
        Self::start(Origin::Recording(RecordingNames(paths)), replay::read(recordings, speed)?)
    }

    fn start(
        origin: Origin,
        run: impl FnOnce(FeedSender) -> Result<(), ViewClosed> + Send + 'static,
    ) -> Result<Self, Failure> {
        let (sender, updates) = sync_channel(QUEUE);
        let snapshots = Arc::<AtomicUsize>::default();
        let waker = Arc::new(ViewWaker::new().map_err(Failure::io("cannot make an eventfd"))?);
        let at_end = WakeOnDrop(Arc::clone(&waker));
        let feed_sender = FeedSender { updates: sender, snapshots: Arc::clone(&snapshots), waker: Arc::clone(&waker) };
        std::thread::Builder::new()
            .name("rstmon-feed".into())
            .spawn(move || {
                let _at_end = at_end;
                // A feed ends by itself or because the view has closed; both are fine.
                let (Ok(()) | Err(ViewClosed)) = run(feed_sender);
            })
            .map_err(Failure::io("cannot start a thread"))?;
        Ok(Self { origin, updates, snapshots, waker })
    }

    /// Woken by each update, and when the feed has ended.
    pub(crate) fn waker(&self) -> &ViewWaker {
        &self.waker
    }

    /// The next waiting update, if any.
    pub(crate) fn take(&self) -> Result<Update, TryRecvError> {
        self.updates.try_recv().inspect(|update| self.taken(update))
    }

    /// Waits for the next update.
    pub(crate) fn wait(&self, timeout: Duration) -> Result<Update, RecvTimeoutError> {
        self.updates.recv_timeout(timeout).inspect(|update| self.taken(update))
    }

    fn taken(&self, update: &Update) {
        if matches!(update, Update::Snapshot(_)) {
            self.snapshots.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Wakes the view when the thread of a feed has ended, also by a panic.
struct WakeOnDrop(Arc<ViewWaker>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}
