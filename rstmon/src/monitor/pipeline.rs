//! The event path behind the ring buffer: one thread that decodes, attributes, explains and joins events, and hands
//! them to the sinks.

use super::{Monitor, MonitorError, liveness::LivenessCheck};
use crate::{
    event::{
        Event,
        join::{self, Joiner},
    },
    host::boot_clock,
    model::Clock,
    probe::{EventReader, EventSource},
    sink::Sinks,
};
use rstmon_common::ResetRecord;
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Instant, SystemTime},
};
use tokio::sync::watch;

/// The threads of the event path. Dropping it hands the events that are in the ring to the sinks and ends the threads.
pub(crate) struct EventPath {
    reader: Option<EventReader>,
    thread: Option<JoinHandle<()>>,
    liveness: LivenessCheck,
}

impl EventPath {
    /// Starts both threads: the reader of the ring, and `rstmon-explain`, which feeds `sinks`.
    pub(super) fn start(monitor: Arc<Monitor>, events: EventSource, sinks: Arc<Sinks>) -> Result<Self, MonitorError> {
        let (reader, batches) = events.start()?;
        let answers = Arc::new(watch::Sender::new(()));
        let liveness = LivenessCheck::new(reader.waker(), Arc::clone(&answers));
        let thread = std::thread::Builder::new()
            .name("rstmon-explain".into())
            .spawn(move || explain_all(&monitor, &batches, &answers, &sinks))
            .map_err(MonitorError::Thread)?;
        Ok(Self { reader: Some(reader), thread: Some(thread), liveness })
    }

    /// A check that both threads still work.
    #[must_use]
    pub(crate) fn liveness(&self) -> LivenessCheck {
        self.liveness.clone()
    }
}

impl Drop for EventPath {
    fn drop(&mut self) {
        // Dropping the reader closes the channel, which ends the thread that receives from it.
        drop(self.reader.take());
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked, which the panic hook has reported.
            let _ = thread.join();
        }
    }
}

fn explain_all(monitor: &Monitor, batches: &Receiver<Vec<ResetRecord>>, answers: &watch::Sender<()>, sinks: &Sinks) {
    let mut joiner = Joiner::default();
    let mut sink = |mut event: Event| {
        monitor.add_finding(&mut event);
        sinks.take(&Arc::new(event));
    };
    loop {
        let received = if joiner.is_waiting() {
            batches.recv_timeout(join::WAIT)
        } else {
            batches.recv().map_err(RecvTimeoutError::from)
        };
        // An empty batch is the reader's answer to a liveness check, which this thread passes on.
        let (batch, is_check) = match received {
            Ok(batch) => {
                let is_check = batch.is_empty();
                (batch, is_check)
            }
            Err(RecvTimeoutError::Timeout) => (Vec::new(), false),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        // Read anew for each batch, to follow steps of the wall clock.
        let clock = Clock::new(SystemTime::now(), boot_clock::since_boot());
        let now = Instant::now();
        for record in &batch {
            joiner.push(monitor.explain(record, clock, now), now, &mut sink);
        }
        joiner.expire(now, &mut sink);
        if is_check {
            answers.send_replace(());
        }
    }
    joiner.expire(Instant::now() + join::WAIT, &mut sink);
}
