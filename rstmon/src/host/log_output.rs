//! The daemon's log on standard error, written by a thread of its own.
//!
//! Contract: [`LogLines`] never waits. Standard error may be a pipe or a terminal whose reader has stopped, and
//! write(2) to it then waits for as long as the reader likes. Only the thread `rstmon-log` waits there. Lines that find
//! no room in the queue are dropped and counted.

use crate::sync::lock;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, write},
};
use std::{
    collections::VecDeque,
    io,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// More than a start writes at level `trace`.
const MAX_QUEUED_BYTES: usize = 256 << 10;

/// At most one line more than this is taken from the queue for a write.
const BATCH_BYTES: usize = 16 << 10;

/// How long the end of the process waits for a reader.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The queue of the process.
static LOG: LogQueue = LogQueue::new();

/// Lines of the log that were dropped since the start.
#[must_use]
pub(crate) fn dropped_lines() -> u64 {
    LOG.dropped.load(Ordering::Relaxed)
}

/// Puts each write, which is a whole line, into the queue. Never fails, never waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogLines;

impl io::Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LOG.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the queue out for as long as the process logs. On drop it gives the reader a second to take the rest.
#[must_use = "the log ends with it"]
pub(crate) struct LogOutput(&'static LogQueue);

impl LogOutput {
    /// Starts the thread that writes. `prepare` runs in it first, and has run when this returns: a thread keeps the
    /// privileges that it was started with.
    pub(crate) fn start(prepare: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        LOG.start_writer(prepare)?;
        Ok(Self(&LOG))
    }
}

impl Drop for LogOutput {
    fn drop(&mut self) {
        self.0.wait_until_written(END_TIMEOUT);
    }
}

struct LogQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
    dropped: AtomicU64,
}

struct QueueState {
    lines: VecDeque<Box<[u8]>>,
    /// Of the lines in the queue and of those that are being written.
    bytes: usize,
}

impl LogQueue {
    const fn new() -> Self {
        let state = QueueState { lines: VecDeque::new(), bytes: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new(), dropped: AtomicU64::new(0) }
    }

    fn push(&self, line: &[u8]) {
        let mut state = lock(&self.state);
        if state.bytes + line.len() > MAX_QUEUED_BYTES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.into());
        drop(state);
        self.changed.notify_all();
    }

    fn start_writer(&'static self, prepare: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let (done, is_prepared) = mpsc::channel();
        let write = move || {
            prepare();
            // The error means that the caller is gone.
            let _ = done.send(());
            self.write_all(write_to_stderr);
        };
        thread::Builder::new().name("rstmon-log".into()).spawn(write)?;
        // The error means that `prepare` panicked.
        is_prepared.recv().map_err(io::Error::other)
    }

    /// Writes lines as they come, never ends.
    fn write_all(&self, mut write: impl FnMut(&[u8]) -> Result<(), Errno>) {
        let mut reported = 0;
        loop {
            let (batch, lines) = self.next_batch();
            if write(&batch).is_err() {
                // Standard error is closed, or its disk is full.
                self.dropped.fetch_add(lines, Ordering::Relaxed);
            }
            let is_empty = self.written(batch.len());
            let dropped = self.dropped.load(Ordering::Relaxed);
            if is_empty && dropped > reported {
                tracing::warn!(lines = dropped - reported, "lines of the log were dropped: its reader was too slow");
                reported = dropped;
            }
        }
    }

    /// Waits for lines; returns some of them and their number.
    fn next_batch(&self) -> (Vec<u8>, u64) {
        let mut state = lock(&self.state);
        while state.lines.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut batch, mut lines) = (Vec::new(), 0);
        while batch.len() < BATCH_BYTES
            && let Some(line) = state.lines.pop_front()
        {
            batch.extend_from_slice(&line);
            lines += 1;
        }
        (batch, lines)
    }

    /// Makes room for as many bytes; returns whether the queue is empty.
    fn written(&self, bytes: usize) -> bool {
        let mut state = lock(&self.state);
        state.bytes -= bytes;
        let is_empty = state.bytes == 0;
        if is_empty {
            // After a burst, the queue does not keep its memory.
            state.lines = VecDeque::new();
        }
        drop(state);
        self.changed.notify_all();
        is_empty
    }

    fn wait_until_written(&self, timeout: Duration) {
        let state = lock(&self.state);
        // Whether in time or not, the process ends.
        drop(self.changed.wait_timeout_while(state, timeout, |state| state.bytes > 0));
    }
}

/// Waits for the reader of standard error.
fn write_to_stderr(mut bytes: &[u8]) -> Result<(), Errno> {
    // Not through the lock of `std::io::Stderr`, so that a panic message does not wait for this thread.
    let stderr = io::stderr();
    while !bytes.is_empty() {
        match write(&stderr, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Another process made the pipe non-blocking.
            Err(Errno::AGAIN) => drop(poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None)),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{LogQueue, MAX_QUEUED_BYTES};
    use rustix::io::Errno;
    use std::{
        sync::{Arc, atomic::Ordering, mpsc},
        thread,
        time::Duration,
    };

    /// More than any of these steps needs on a machine under load.
    const DEADLINE: Duration = Duration::from_secs(10);

    fn dropped(queue: &LogQueue) -> u64 {
        queue.dropped.load(Ordering::Relaxed)
    }

    #[test]
    fn a_reader_that_has_stopped_delays_no_line_and_bounds_the_memory() {
        let queue = Arc::new(LogQueue::new());
        let (took, has_taken) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let writer = Arc::clone(&queue);
        thread::spawn(move || {
            writer.write_all(|batch| {
                took.send(batch.len()).expect("the test runs");
                may_go_on.recv().map_err(|_| Errno::PIPE)
            });
        });
        let line = [b'x'; 1000];
        queue.push(&line);
        assert_eq!(has_taken.recv_timeout(DEADLINE).expect("a write"), line.len());
        // The writer waits now, as for a full pipe.
        let pushed = 5000;
        for _ in 0..pushed {
            queue.push(&line);
        }
        let kept = MAX_QUEUED_BYTES / line.len();
        // The line that is being written takes room, too.
        assert_eq!(dropped(&queue), pushed - (kept as u64 - 1));
        assert!(super::lock(&queue.state).bytes <= MAX_QUEUED_BYTES);
        queue.wait_until_written(Duration::from_millis(1));

        // The reader goes on: what was kept comes, then the queue is empty.
        let mut taken = 1;
        while taken < kept {
            go_on.send(()).expect("the writer runs");
            taken += has_taken.recv_timeout(DEADLINE).expect("a write") / line.len();
        }
        go_on.send(()).expect("the writer runs");
        queue.wait_until_written(DEADLINE);
        assert_eq!(super::lock(&queue.state).bytes, 0);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let queue = Arc::new(LogQueue::new());
        let writer = Arc::clone(&queue);
        for _ in 0..3 {
            queue.push(b"line\n");
        }
        thread::spawn(move || writer.write_all(|_| Err(Errno::PIPE)));
        queue.wait_until_written(DEADLINE);
        assert_eq!(dropped(&queue), 3);
    }
}
