//! Watching without a daemon: the probe runs in the process of a command in the foreground.

use super::{EventPath, Monitor, MonitorError, MonitorOptions};
use crate::{probe::EventSource, sink::Sinks};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{MissedTickBehavior, interval};

/// How often the counts are read when nothing else reads them. In a count map that stays full, all keys would share one
/// rate limit.
pub(crate) const READ_INTERVAL: Duration = Duration::from_secs(10);

/// An attached probe, before any thread is started, so that privileges can still be given up.
pub(crate) struct AttachedProbe {
    monitor: Arc<Monitor>,
    events: EventSource,
}

impl AttachedProbe {
    pub(crate) fn new(options: &MonitorOptions) -> Result<Self, MonitorError> {
        let (monitor, events) = Monitor::attach(options)?;
        Ok(Self { monitor: Arc::new(monitor), events })
    }

    /// Starts the event path into `sinks`.
    pub(crate) fn watch(self, sinks: Arc<Sinks>) -> Result<StandaloneMonitor, MonitorError> {
        let Self { monitor, events } = self;
        let path = monitor.watch(events, Arc::clone(&sinks))?;
        Ok(StandaloneMonitor { monitor, sinks, path, read: Instant::now(), reported_losses: 0 })
    }
}

/// A running probe in this process.
pub(crate) struct StandaloneMonitor {
    monitor: Arc<Monitor>,
    sinks: Arc<Sinks>,
    path: EventPath,
    /// When the counts were last read.
    read: Instant,
    /// Losses that [`new_losses`](Self::new_losses) has returned.
    reported_losses: u64,
}

impl StandaloneMonitor {
    #[must_use]
    pub(crate) fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }

    /// Events that the sinks have lost since the last call.
    pub(crate) fn new_losses(&mut self) -> u64 {
        let lost: u64 = self.sinks.losses().values().sum();
        lost - std::mem::replace(&mut self.reported_losses, lost)
    }

    /// Reads the counts, unless they were read less than [`READ_INTERVAL`] ago.
    pub(crate) fn read_counts_when_due(&mut self) -> Result<(), MonitorError> {
        if self.read.elapsed() >= READ_INTERVAL {
            self.monitor.read_counts()?;
            self.monitor.look_at_oom_kills();
            self.read = Instant::now();
        }
        Ok(())
    }

    /// Watches until `end`, and returns the exact number of resets since the start.
    pub(crate) async fn until(&self, end: impl Future<Output = ()>) -> Result<u64, MonitorError> {
        let mut tick = interval(READ_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return self.monitor.read_counts(),
                _ = tick.tick() => {
                    self.monitor.read_counts()?;
                    self.monitor.look_at_oom_kills();
                }
            }
        }
    }

    /// Ends the threads. When this function returns, the sinks have every event of the ring.
    #[must_use]
    pub(crate) fn finish(self) -> Arc<Monitor> {
        drop(self.path);
        self.monitor
    }
}
