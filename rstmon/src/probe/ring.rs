//! The event path's reader: one thread that sleeps until the kernel has something, and hands batches to
//! a bounded channel. Neither it nor its consumer runs on the async runtime. When the channel is full it waits, the ring
//! fills, and the kernel half counts what it loses: a slow consumer costs neither memory nor the runtime.

use super::{
    doorbell::{Doorbell, Sleep},
    error::ProbeError,
    sys,
    undecided::Undecided,
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

/// Records handed over at once, at most: bounds a drain.
const BATCH_RECORDS: usize = 512;
/// Batches that may wait for the consumer.
const WAITING_BATCHES: usize = 16;
/// How long a drain may go on while events come as fast as they are taken, before the bell is looked at.
const DRAIN_TIME: Duration = Duration::from_millis(100);
/// The same for the last one: what is in the ring then is handed over, what a flood adds is not.
const LAST_DRAIN_TIME: Duration = Duration::from_secs(2);
/// How long a light sleep lasts: what an event may be late by, while others keep coming.
const LIGHT_SLEEP: Duration = Duration::from_millis(20);
/// What woke [`Drain::wait`]: anything but the bell is the ring.
const BELL: u64 = 1;

/// The reader; ends with its thread when dropped.
pub struct EventReader {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

/// What wakes the reader besides events.
struct Bell {
    /// An eventfd.
    fd: OwnedFd,
    /// Set before the bell is rung for the last time.
    stopping: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        // Fails only when the counter is full, i.e. when the bell rings already.
        let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
    }

    /// Silences it. Does not block after a poll that said that it rings.
    fn silence(&self) {
        let _ = rustix::io::read(&self.fd, &mut [0; 8]);
    }
}

/// Wakes a reader, which answers with an empty batch: whoever gets it knows that the thread lives.
#[derive(Clone)]
pub struct Waker(Arc<Bell>);

impl Waker {
    /// Wakes the reader. A reader that is gone does not answer.
    pub fn wake(&self) {
        self.0.ring();
    }
}

impl EventReader {
    /// Starts the thread. `settle` is the program that decides what waits on a CPU.
    pub(super) fn start(
        ring: RingBuf<MapData>,
        doorbell: Doorbell,
        settle: OwnedFd,
    ) -> Result<(Self, mpsc::Receiver<Vec<ResetRecord>>), ProbeError> {
        let (sender, receiver) = mpsc::sync_channel(WAITING_BATCHES);
        let reader = |source: std::io::Error| ProbeError::Reader { source };
        let fd = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| reader(error.into()))?;
        let bell = Arc::new(Bell { fd, stopping: AtomicBool::new(false) });
        let heard = Arc::clone(&bell);
        let sources = sources(&ring, &bell).map_err(|error| reader(error.into()))?;
        let thread = std::thread::Builder::new()
            .name("rstmon-events".into())
            .spawn(move || {
                Drain { ring, doorbell, sources, settle, sender, undecided: Undecided::default() }.run(&heard);
            })
            .map_err(reader)?;
        Ok((Self { bell, thread: Some(thread) }, receiver))
    }

    /// What wakes it.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.bell))
    }
}

impl Drop for EventReader {
    fn drop(&mut self) {
        self.bell.stopping.store(true, Ordering::Release);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            // It only ends by returning; a panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Why the reader woke up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// There is something in the ring, or something to settle.
    ByEvents,
    /// Somebody asks whether it lives.
    ToAnswer,
    /// It is to end.
    ToStop,
}

/// What wakes the reader, in one descriptor. Of the ring only a wake-up counts (edge-triggered), not what is in it: it
/// may fill while the reader sleeps lightly.
fn sources(ring: &RingBuf<MapData>, bell: &Bell) -> rustix::io::Result<OwnedFd> {
    let sources = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&sources, ring.as_fd(), epoll::EventData::new_u64(0), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
    epoll::add(&sources, &bell.fd, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
    Ok(sources)
}

struct Drain {
    ring: RingBuf<MapData>,
    doorbell: Doorbell,
    sources: OwnedFd,
    settle: OwnedFd,
    sender: mpsc::SyncSender<Vec<ResetRecord>>,
    undecided: Undecided,
}

impl Drain {
    fn run(mut self, bell: &Bell) {
        let mut busy = false;
        loop {
            let woken = self.wait(bell, busy);
            // What came in before the stop is still handed over.
            let time = if woken == Woken::ToStop { LAST_DRAIN_TIME } else { DRAIN_TIME };
            let Ok(records) = self.drain(time) else { return };
            if woken == Woken::ToStop {
                return;
            }
            busy = records > 0;
            if woken == Woken::ToAnswer && self.sender.send(Vec::new()).is_err() {
                return;
            }
        }
    }

    /// Sleeps until there is something to do; after a drain that found something (`busy`) for a moment only.
    fn wait(&mut self, bell: &Bell, busy: bool) -> Woken {
        let for_events = match self.doorbell.prepare(busy) {
            Sleep::Sound => None,
            Sleep::Light => Some(LIGHT_SLEEP),
            Sleep::None => Some(Duration::ZERO),
        };
        let to_settle = self.undecided.time_left(Instant::now());
        let timeout = for_events.into_iter().chain(to_settle).min();
        let timeout = timeout.map(|time| Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) });
        let mut events = Vec::with_capacity(2);
        // An interrupted sleep is a spurious wake-up: the drain finds nothing.
        let _ = epoll::wait(&self.sources, rustix::buffer::spare_capacity(&mut events), timeout.as_ref());
        let rung = events.iter().any(|event| event.data.u64() == BELL);
        let woken = match rung {
            false => Woken::ByEvents,
            true if bell.stopping.load(Ordering::Acquire) => Woken::ToStop,
            true => Woken::ToAnswer,
        };
        if rung {
            bell.silence();
        }
        let program = &self.settle;
        self.undecided.settle(Instant::now(), woken == Woken::ToStop, |cpu| sys::run_on_cpu(program.as_fd(), cpu).ok());
        woken
    }

    /// Hands over everything that is in the ring, or as much as there is time for: the rest shortens the next
    /// [`Self::wait`]. Says how many records there were; an error when nobody wants them any more.
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
