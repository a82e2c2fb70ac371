//! Where the view's numbers come from: a daemon, this process, or a recording. Each is a thread that tells.

mod alone;
mod daemon;
mod recorded;
mod replay;

use crate::{
    command::{Failure, config::Config, recording::Recording},
    serve::{event::Event, filter::Filter, snapshot::Snapshot},
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

/// Updates that may wait for the view. A daemon's feed waits when there are more, and the daemon counts what it misses.
const QUEUE: usize = 4096;
/// How often the counts are asked for: rows appear within this time.
const POLL: Duration = Duration::from_millis(500);

/// Who tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The daemon behind this socket.
    Daemon(PathBuf),
    /// This process.
    Alone,
    /// This recording.
    Replay(PathBuf),
}

/// What is told.
#[derive(Debug)]
pub(crate) enum Update {
    /// There is somebody who tells (again).
    Up,
    /// There is nobody any more; why.
    Down(String),
    /// The counts.
    Snapshot(Box<Snapshot>),
    /// A reset.
    Event(Arc<Event>),
    /// Events that this reader was too slow for.
    Lost(u64),
    /// Something to say in passing.
    Note(String),
    /// There will be nothing more.
    Ended,
}

/// The view is gone: nobody listens.
#[derive(Clone, Copy, Debug)]
struct Unheard;

/// The end of a feed that tells.
#[derive(Clone)]
struct Teller(SyncSender<Update>);

impl Teller {
    /// Waits for room.
    fn tell(&self, update: Update) -> Result<(), Unheard> {
        self.0.send(update).map_err(|_| Unheard)
    }
}

/// A running feed. It ends by itself once this is dropped.
pub(crate) struct Feed {
    /// Who tells.
    pub(crate) origin: Origin,
    /// What is told.
    pub(crate) updates: Receiver<Update>,
}

impl Feed {
    /// Follows the daemon. Fails if there is none now: later it may come and go.
    pub(crate) fn daemon(config: &Config) -> Result<Self, Failure> {
        let path = config.socket.path.clone();
        Self::start(Origin::Daemon(path.clone()), daemon::connect(&path)?)
    }

    /// Loads the probe into this process.
    pub(crate) fn alone(config: &Config) -> Result<Self, Failure> {
        Self::start(Origin::Alone, alone::attach(config)?)
    }

    /// Reads a recording, `speed` times as fast as it was made; 0 = all at once.
    pub(crate) fn replay(path: PathBuf, speed: f64, filter: Filter) -> Result<Self, Failure> {
        let recording = Recording::open(&path)?;
        Self::start(Origin::Replay(path), replay::read(recording, speed, filter)?)
    }

    fn start(
        origin: Origin,
        run: impl FnOnce(Teller) -> Result<(), Unheard> + Send + 'static,
    ) -> Result<Self, Failure> {
        let (sender, updates) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("rstmon-feed".into())
            .spawn(move || {
                // That nobody listens any more is how a feed ends.
                let (Ok(()) | Err(Unheard)) = run(Teller(sender));
            })
            .map_err(Failure::io("cannot start a thread"))?;
        Ok(Self { origin, updates })
    }
}
