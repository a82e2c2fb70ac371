//! One connection from its first byte to its end.

use super::{
    admission::AdmissionControl,
    deadline::DeadlineStream,
    limits::ConnectionLimits,
    respond::{common_headers, text},
    shutdown::Stopping,
    state::ConnectionState,
};
use axum::{
    Router,
    http::{
        HeaderMap, HeaderValue, StatusCode, Version,
        header::{CONNECTION, HOST},
        uri::Authority,
    },
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
        state.work();
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
    if let Some(complaint) = host_complaint(request.version(), request.headers()) {
        let mut response = common_headers(text(StatusCode::BAD_REQUEST, complaint)).await;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
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

/// What is wrong with a request's `Host`, which has to be there exactly once from HTTP/1.1 on (RFC 9112, section 3.2):
/// with two, a proxy and this server could each act on another one.
fn host_complaint(version: Version, headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => (version >= Version::HTTP_11).then_some("HTTP/1.1 needs the header Host"),
        (Some(_), Some(_)) => Some("more than one header Host"),
        (Some(host), None) => {
            let is_host =
                host.is_empty() || Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'));
            (!is_host).then_some("the header Host is no host")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_host() {
        let complaint = |version, hosts: &[&'static str]| {
            let headers: HeaderMap = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host))).collect();
            host_complaint(version, &headers).is_some()
        };
        for good in [&["localhost"][..], &["[::1]:80"], &["127.0.0.1:10474"], &[""]] {
            assert!(!complaint(Version::HTTP_11, good), "{good:?}");
        }
        assert!(!complaint(Version::HTTP_10, &[]));
        for bad in [&[][..], &["a", "a"], &["a", "b"], &["a b"], &["user@a"], &["a/b"]] {
            assert!(complaint(Version::HTTP_11, bad), "{bad:?}");
        }
        assert!(complaint(Version::HTTP_10, &["a", "b"]));
    }
}
