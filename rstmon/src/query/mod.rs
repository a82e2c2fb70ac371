//! The sources of a command's events: the daemon, a probe in this process, or recordings; and the span of time that
//! it looks at.

mod asked;
pub(crate) mod covered;
pub(crate) mod duration;
pub(crate) mod follow;
pub(crate) mod local;
mod origin;
pub(crate) mod recordings;
pub(crate) mod time;

pub(crate) use asked::{AskedError, asked, zone};
pub(crate) use duration::DurationError;
pub(crate) use origin::{Origin, RecordingNames};
use std::io;
use tokio::runtime::{Builder, Runtime};

/// A runtime of one thread, for a command that talks to the daemon or waits.
pub(crate) fn runtime() -> Result<Runtime, RuntimeError> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

#[derive(Debug, thiserror::Error)]
#[error("cannot start the runtime: {0}")]
pub(crate) struct RuntimeError(#[from] io::Error);
