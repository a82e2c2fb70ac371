//! One connection from its first byte to its end.

use super::{
    crowd::{Crowd, Turn},
    guard::Guard,
    limits::Limits,
    respond::text,
    shutdown::Stopping,
};
use axum::{
    Router,
    http::{HeaderValue, StatusCode, header::CONNECTION},
    response::Response,
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::sync::Arc;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

/// One in this many connections is never left to a client that is idle.
const RESERVED_SHARE: usize = 4;

/// hyper panics when told less.
const MIN_HEADER_BYTES: usize = 8192;

/// What all connections of a listener share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) limits: Arc<Limits>,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) stopping: Stopping,
}

impl Shared {
    pub(crate) fn new(router: Router, limits: Limits, stopping: Stopping) -> Self {
        let crowd = Crowd::new(limits.connections, limits.crowd_patience);
        Self { router, limits: Arc::new(limits), crowd, stopping }
    }
}

/// Serves requests until the client leaves, a deadline passes or the server stops.
pub(crate) async fn serve<S>(stream: S, mut shared: Shared, turn: Arc<Turn>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let guard = Guard::new(stream, &shared.limits, Arc::clone(&turn));
    let mut stopping = shared.stopping.clone();
    let limits = Arc::clone(&shared.limits);
    let router = TowerToHyperService::new(std::mem::take(&mut shared.router));
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        turn.server();
        request.extensions_mut().insert(Arc::clone(&turn));
        let (router, shared) = (router.clone(), shared.clone());
        async move { Ok::<_, std::convert::Infallible>(answer(&router, &shared, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The guard's deadlines tell an idle connection from a slow header; this one does not.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes.max(MIN_HEADER_BYTES))
        .max_headers(limits.header_lines)
        .serve_connection(TokioIo::new(guard), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopping.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended early");
    }
}

async fn answer(router: &TowerToHyperService<Router>, shared: &Shared, request: hyper::Request<Incoming>) -> Response {
    let mut response = match timeout(shared.limits.answer, router.call(request.map(axum::body::Body::new))).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the answer takes too long"),
    };
    if shared.crowd.is_dense(RESERVED_SHARE) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
