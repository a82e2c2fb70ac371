//! Runs blocking work of a request, such as the methods of `Source`, off the async threads.

use super::respond::text;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::task::spawn_blocking;

/// The work panicked (the panic hook has reported it), or the runtime is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("internal error, see the daemon's log")]
pub(crate) struct BlockingWorkFailed;

impl IntoResponse for BlockingWorkFailed {
    fn into_response(self) -> Response {
        text(StatusCode::INTERNAL_SERVER_ERROR, self)
    }
}

/// The result of `work`, computed on a blocking thread.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingWorkFailed> {
    spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request's work failed");
        BlockingWorkFailed
    })
}
