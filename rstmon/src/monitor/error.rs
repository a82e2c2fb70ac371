//! Errors of the monitor.

use crate::probe::ProbeError;
use std::io;

#[derive(Debug, thiserror::Error)]
pub(crate) enum MonitorError {
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// A metric could not be registered or rendered.
    #[error("cannot set up the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("cannot find the cgroup file systems: {0}")]
    Cgroups(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl MonitorError {
    /// Whether the cause is this host's kernel or the privileges of this process.
    #[must_use]
    pub(crate) fn is_host(&self) -> bool {
        matches!(self, Self::Probe(error) if error.is_host())
    }
}
