//! The reader of the event path: one thread that sleeps until the ring has events, and sends them in batches to a
//! bounded channel. Neither the reader nor its consumer runs on the async runtime. When the channel is full the reader
//! waits, the ring fills, and the kernel half counts what it loses: a slow consumer neither takes memory nor blocks the
//! runtime.

use super::{
    error::ProbeError,
    sys,
    undecided::Undecided,
    wakeup::{Sleep, WakeupControl},
};
use aya::maps::{MapData, RingBuf};
use rstmon_common::{Nudge, ResetRecord};
use rustix::{
    event::{EventfdFlags, Timespec, epoll, eventfd},
    fd::OwnedFd,
};
use std::{
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use zerocopy::FromBytes;

/// Records in a batch, at most.
const BATCH_RECORDS: usize = 512;
/// Batches that may wait for the consumer.
const WAITING_BATCHES: usize = 16;
/// How long a drain may go on while events come as fast as they are taken, before [`WakeSignal`] is checked.
const DRAIN_TIME: Duration = Duration::from_millis(100);
/// The same for the last drain: the events that are in the ring then are sent, those that a flood adds are not.
const LAST_DRAIN_TIME: Duration = Duration::from_secs(2);
/// How long a brief sleep lasts, which is the most that an event may be late by while others keep coming.
const BRIEF_SLEEP: Duration = Duration::from_millis(20);
/// Which source woke [`Drain::wait`]: the ring, or [`WakeSignal`].
const RING_SOURCE: u64 = 0;
const SIGNAL_SOURCE: u64 = 1;

/// The reader. Dropping it ends its thread.
pub(crate) struct EventReader {
    signal: Arc<WakeSignal>,
    thread: Option<JoinHandle<()>>,
}

/// Wakes the reader for another reason than events.
struct WakeSignal {
    fd: OwnedFd,
    /// Set before the signal is raised for the last time.
    stopping: AtomicBool,
}

impl WakeSignal {
    fn raise(&self) {
        // Fails only when the counter is full, i.e. when the signal is raised already.
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    /// Clears the signal. Does not block after a poll that reported it.
    fn clear(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
    }
}

/// Wakes a reader, which sends an empty batch in reply: it shows the consumer that the reader's thread works.
#[derive(Clone)]
pub(crate) struct Waker(Arc<WakeSignal>);

impl Waker {
    /// Wakes the reader. A reader that has ended does not reply.
    pub(crate) fn wake(&self) {
        self.0.raise();
    }
}

impl EventReader {
    /// Starts the thread. `settle` is the program that settles the undecided resets of a CPU.
    pub(super) fn start(
        ring: RingBuf<MapData>,
        wakeup: WakeupControl,
        settle: OwnedFd,
    ) -> Result<(Self, mpsc::Receiver<Vec<ResetRecord>>), ProbeError> {
        let (sender, receiver) = mpsc::sync_channel(WAITING_BATCHES);
        let reader = |source: std::io::Error| ProbeError::Reader { source };
        let fd = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| reader(error.into()))?;
        let signal = Arc::new(WakeSignal { fd, stopping: AtomicBool::new(false) });
        let readers = Arc::clone(&signal);
        let sources = sources(&ring, &signal).map_err(|error| reader(error.into()))?;
        let thread = std::thread::Builder::new()
            .name("rstmon-events".into())
            .spawn(move || {
                Drain { ring, wakeup, sources, settle, sender, undecided: Undecided::default() }.run(&readers);
            })
            .map_err(reader)?;
        Ok((Self { signal, thread: Some(thread) }, receiver))
    }

    /// A handle that wakes the reader.
    #[must_use]
    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.signal))
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        self.signal.stopping.store(true, Ordering::Release);
        self.signal.raise();
        if let Some(thread) = self.thread.take() {
            // The thread ends by returning; a panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Why the reader woke up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// The ring has events, or a CPU is due to be settled.
    ByEvents,
    /// A [`Waker`] asks for an empty batch.
    ToReply,
    /// The reader is to end.
    ToStop,
}

/// An epoll descriptor of both sources that wake the reader. The ring is edge-triggered, so that only a wake-up by the
/// kernel half counts and not that the ring has events: it may fill while the reader sleeps briefly.
fn sources(ring: &RingBuf<MapData>, signal: &WakeSignal) -> rustix::io::Result<OwnedFd> {
    let sources = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &sources,
        ring.as_fd(),
        epoll::EventData::new_u64(RING_SOURCE),
        epoll::EventFlags::IN | epoll::EventFlags::ET,
    )?;
    epoll::add(&sources, &signal.fd, epoll::EventData::new_u64(SIGNAL_SOURCE), epoll::EventFlags::IN)?;
    Ok(sources)
}

struct Drain {
    ring: RingBuf<MapData>,
    wakeup: WakeupControl,
    sources: OwnedFd,
    settle: OwnedFd,
    sender: mpsc::SyncSender<Vec<ResetRecord>>,
    undecided: Undecided,
}

impl Drain {
    fn run(mut self, signal: &WakeSignal) {
        let mut busy = false;
        loop {
            let woken = self.wait(signal, busy);
            // Events that came before the stop are still sent.
            let time = if woken == Woken::ToStop { LAST_DRAIN_TIME } else { DRAIN_TIME };
            let Ok(records) = self.drain(time) else { return };
            if woken == Woken::ToStop {
                return;
            }
            busy = records > 0;
            if woken == Woken::ToReply && self.sender.send(Vec::new()).is_err() {
                return;
            }
        }
    }

    /// Sleeps until there is something to do; after a drain that found events (`busy`) for a moment only.
    fn wait(&mut self, signal: &WakeSignal, busy: bool) -> Woken {
        let for_events = match self.wakeup.prepare(busy) {
            Sleep::UntilWoken => None,
            Sleep::Briefly => Some(BRIEF_SLEEP),
            Sleep::No => Some(Duration::ZERO),
        };
        let to_settle = self.undecided.time_left(Instant::now());
        let timeout = for_events.into_iter().chain(to_settle).min();
        let timeout = timeout.map(|time| Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) });
        let mut events = Vec::with_capacity(2);
        // An interrupted sleep is a spurious wake-up: the drain finds nothing.
        let _ = epoll::wait(&self.sources, rustix::buffer::spare_capacity(&mut events), timeout.as_ref());
        let signalled = events.iter().any(|event| event.data.u64() == SIGNAL_SOURCE);
        let woken = match signalled {
            false => Woken::ByEvents,
            true if signal.stopping.load(Ordering::Acquire) => Woken::ToStop,
            true => Woken::ToReply,
        };
        if signalled {
            signal.clear();
        }
        let program = &self.settle;
        self.undecided.settle(Instant::now(), woken == Woken::ToStop, |cpu| sys::run_on_cpu(program.as_fd(), cpu).ok());
        woken
    }

    /// Sends all events that are in the ring, or as many as there is time for: the rest shorten the next
    /// [`Self::wait`]. Returns the number of records; an error when the consumer is gone.
    fn drain(&mut self, time: Duration) -> Result<usize, mpsc::SendError<Vec<ResetRecord>>> {
        let started = Instant::now();
        let mut records = 0;
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH_RECORDS
                && let Some(item) = self.ring.next()
            {
                if let Ok(record) = ResetRecord::read_from_bytes(&item) {
                    batch.push(record);
                } else if let Ok(Nudge { cpu, .. }) = Nudge::read_from_bytes(&item) {
                    self.undecided.nudged(cpu, Instant::now());
                }
            }
            if batch.is_empty() {
                return Ok(records);
            }
            records += batch.len();
            self.sender.send(batch)?;
            if started.elapsed() > time {
                return Ok(records);
            }
        }
    }
}
