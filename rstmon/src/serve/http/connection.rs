//! One connection from its first byte to its end.

use super::{
    admission::AdmissionControl, deadline::DeadlineStream, limits::ConnectionLimits, respond::text, shutdown::Stopping,
    state::ConnectionState,
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

/// While fewer than one in this many slots are free, connections are closed after their answer instead of kept alive.
const RESERVED_SHARE: usize = 4;

/// hyper panics on a smaller buffer.
const MIN_HEADER_BYTES: usize = 8192;

/// What all connections of a listener share.
#[derive(Clone)]
pub(crate) struct ConnectionContext {
    pub(crate) router: Router,
    pub(crate) limits: Arc<ConnectionLimits>,
    pub(crate) admission: Arc<AdmissionControl>,
    pub(crate) stopping: Stopping,
}

impl ConnectionContext {
    pub(crate) fn new(router: Router, limits: ConnectionLimits, stopping: Stopping) -> Self {
        let admission = AdmissionControl::new(limits.connections, limits.evict_after);
        Self { router, limits: Arc::new(limits), admission, stopping }
    }
}

/// Serves requests until the client closes, a deadline passes or the server stops.
pub(crate) async fn serve<S>(stream: S, mut context: ConnectionContext, state: Arc<ConnectionState>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = DeadlineStream::new(stream, &context.limits, Arc::clone(&state));
    let mut stopping = context.stopping.clone();
    let limits = Arc::clone(&context.limits);
    let router = TowerToHyperService::new(std::mem::take(&mut context.router));
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        state.wait_for_server();
        request.extensions_mut().insert(Arc::clone(&state));
        let (router, context) = (router.clone(), context.clone());
        async move { Ok::<_, std::convert::Infallible>(answer(&router, &context, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper's own timeout does not distinguish an idle connection from a slow header; DeadlineStream does.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes.max(MIN_HEADER_BYTES))
        .max_headers(limits.header_lines)
        .serve_connection(TokioIo::new(stream), service);
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

async fn answer(
    router: &TowerToHyperService<Router>,
    context: &ConnectionContext,
    request: hyper::Request<Incoming>,
) -> Response {
    let mut response = match timeout(context.limits.answer, router.call(request.map(axum::body::Body::new))).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "the answer takes too long"),
    };
    if context.admission.is_nearly_full(RESERVED_SHARE) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
