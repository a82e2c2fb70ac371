//! Runs a [`Source`](super::Source)'s methods off the async threads.

use tokio::task::spawn_blocking;

/// The work panicked (the panic hook has reported it), or the runtime is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("internal error, see the daemon's log")]
pub(crate) struct WorkFailed;

/// The result of `work`, computed on a blocking thread.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkFailed> {
    spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request's work failed");
        WorkFailed
    })
}
