//! The event path's reader: one thread that sleeps in poll(2) until the kernel has something, and hands batches to
//! a bounded channel. Neither it nor its consumer runs on the async runtime. When the channel is full it waits, the ring
//! fills, and the kernel half counts what it loses: a slow consumer costs neither memory nor the runtime.

use super::{error::ProbeError, sys};
use aya::maps::{MapData, RingBuf};
use rstmon_common::{Nudge, ResetRecord};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
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
/// How long after a nudge the undecided reset of that CPU is settled; a little over `PENDING_SETTLE_NS`.
const SETTLE_AFTER: Duration = Duration::from_millis(12);
/// CPUs that may wait to be settled at once; further ones are settled by the reset that follows there.
const WAITING_CPUS: usize = 1024;

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
        settle: OwnedFd,
    ) -> Result<(Self, mpsc::Receiver<Vec<ResetRecord>>), ProbeError> {
        let (sender, receiver) = mpsc::sync_channel(WAITING_BATCHES);
        let reader = |source: std::io::Error| ProbeError::Reader { source };
        let fd = eventfd(0, EventfdFlags::CLOEXEC).map_err(|error| reader(error.into()))?;
        let bell = Arc::new(Bell { fd, stopping: AtomicBool::new(false) });
        let heard = Arc::clone(&bell);
        let thread = std::thread::Builder::new()
            .name("rstmon-events".into())
            .spawn(move || Drain { ring, settle, sender, waiting: Vec::new() }.run(&heard))
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

struct Drain {
    ring: RingBuf<MapData>,
    settle: OwnedFd,
    sender: mpsc::SyncSender<Vec<ResetRecord>>,
    /// CPUs with an undecided reset.
    waiting: Vec<u32>,
}

impl Drain {
    fn run(mut self, bell: &Bell) {
        loop {
            let woken = self.wait(bell);
            // What came in before the stop is still handed over.
            let time = if woken == Woken::ToStop { LAST_DRAIN_TIME } else { DRAIN_TIME };
            if !self.drain(time) || woken == Woken::ToStop {
                return;
            }
            if woken == Woken::ToAnswer && self.sender.send(Vec::new()).is_err() {
                return;
            }
        }
    }

    /// Sleeps until there is something to do.
    fn wait(&mut self, bell: &Bell) -> Woken {
        let timeout =
            (!self.waiting.is_empty()).then(|| Timespec { tv_sec: 0, tv_nsec: i64::from(SETTLE_AFTER.subsec_nanos()) });
        let (rung, timed_out) = {
            let mut fds =
                [PollFd::from_borrowed_fd(self.ring.as_fd(), PollFlags::IN), PollFd::new(&bell.fd, PollFlags::IN)];
            // An interrupted poll is a spurious wake-up: the drain below finds nothing.
            let ready = poll(&mut fds, timeout.as_ref()).unwrap_or(1);
            (!fds[1].revents().is_empty(), ready == 0)
        };
        let woken = match rung {
            false => Woken::ByEvents,
            true if bell.stopping.load(Ordering::Acquire) => Woken::ToStop,
            true => Woken::ToAnswer,
        };
        if rung {
            bell.silence();
        }
        if timed_out || woken == Woken::ToStop {
            self.settle();
        }
        woken
    }

    /// Decides what has waited; a CPU whose reset is too young waits on.
    fn settle(&mut self) {
        let program = &self.settle;
        self.waiting.retain(|&cpu| match sys::run_on_cpu(program.as_fd(), cpu) {
            Ok(still_waiting) => still_waiting > 0,
            // The CPU went offline: its next reset, if any, decides.
            Err(_) => false,
        });
    }

    /// Hands over everything that is in the ring, or as much as there is time for: the ring still wakes the next
    /// [`Self::wait`] then. `false` when nobody wants it any more.
    fn drain(&mut self, time: Duration) -> bool {
        let started = Instant::now();
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH_RECORDS
                && let Some(item) = self.ring.next()
            {
                if let Ok(record) = ResetRecord::read_from_bytes(&item) {
                    batch.push(record);
                } else if let Ok(nudge) = Nudge::read_from_bytes(&item)
                    && self.waiting.len() < WAITING_CPUS
                    && !self.waiting.contains(&nudge.cpu)
                {
                    self.waiting.push(nudge.cpu);
                }
            }
            if batch.is_empty() {
                return true;
            }
            if self.sender.send(batch).is_err() {
                return false;
            }
            if started.elapsed() > time {
                return true;
            }
        }
    }
}
