//! Why resets cannot be watched.

use crate::probe::ProbeError;
use std::io;

/// Why resets cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MonitorError {
    /// The probe cannot be attached or read.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A metric could not be registered or rendered.
    #[error("cannot set up the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The cgroup hierarchies cannot be found.
    #[error("cannot find the cgroup file systems: {0}")]
    Cgroups(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread of the event path cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl MonitorError {
    /// Whether this host's kernel or this process's privileges are the reason.
    #[must_use]
    pub(crate) fn is_host(&self) -> bool {
        matches!(self, Self::Probe(error) if error.is_host())
    }
}
