//! The routes on TCP: metrics, health and the landing page.
//!
//! Contract: a scrape is answered in the representation that the client prefers (`negotiate`) with a state from after
//! its request, and at most one collection runs at a time (`collect`). Live events are not served here.

pub(crate) mod collect;
mod landing;
mod negotiate;
mod telemetry_path;

pub(crate) use telemetry_path::{TelemetryPath, TelemetryPathError};

use super::{
    http::{
        blocking::off_thread,
        respond::{common_headers, content, not_found, read_only, text},
    },
    source::Source,
};
use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_ENCODING, VARY},
    },
    middleware::map_response,
    response::Response,
    routing::get,
};
use collect::{Representation, SharedCollector};
use std::{sync::Arc, time::Duration};
use telemetry_path::{HEALTHY_PATH, READY_PATH};
use tokio::time::timeout;

const GZIP: HeaderValue = HeaderValue::from_static("gzip");
/// The request headers that the representation depends on.
const VARIED: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding");
const LANDING_PATH: &str = "/";

#[derive(Clone)]
struct ExporterState {
    source: Arc<dyn Source>,
    path: Arc<TelemetryPath>,
    collector: SharedCollector,
    scrape_timeout: Duration,
}

/// The routes. `scrape_timeout` bounds one scrape, including its wait for a collection that is running already.
pub(crate) fn router(source: Arc<dyn Source>, path: TelemetryPath, scrape_timeout: Duration) -> Router {
    let collector = SharedCollector::new(Arc::clone(&source));
    let path = Arc::new(path);
    let mut router = Router::new()
        .route(path.as_str(), get(metrics))
        .route(HEALTHY_PATH, get(async || text(StatusCode::OK, "rstmon is healthy.")))
        .route(READY_PATH, get(ready));
    if path.as_str() != LANDING_PATH {
        router = router
            .route(LANDING_PATH, get(async |State(this): State<ExporterState>| landing::page(this.path.as_str())));
    }
    router
        .method_not_allowed_fallback(read_only)
        .fallback(async |State(this): State<ExporterState>| {
            not_found([LANDING_PATH, this.path.as_str(), HEALTHY_PATH, READY_PATH])
        })
        .layer(map_response(common_headers))
        .with_state(ExporterState { source, path, collector, scrape_timeout })
}

async fn metrics(
    State(ExporterState { collector, scrape_timeout, .. }): State<ExporterState>,
    headers: HeaderMap,
) -> Response {
    let representation = Representation { format: negotiate::format(&headers), gzip: negotiate::gzip(&headers) };
    let mut response = match timeout(scrape_timeout, collector.scrape(representation)).await {
        Ok(Ok(metrics)) => {
            let mut response = content(HeaderValue::from_static(representation.format.content_type()), metrics);
            if representation.gzip {
                response.headers_mut().insert(CONTENT_ENCODING, GZIP);
            }
            response
        }
        Ok(Err(failed)) => text(StatusCode::INTERNAL_SERVER_ERROR, failed),
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "collecting the metrics takes too long"),
    };
    response.headers_mut().insert(VARY, VARIED);
    response
}

async fn ready(State(ExporterState { source, .. }): State<ExporterState>) -> Response {
    match off_thread(move || source.ready()).await {
        Ok(Ok(())) => text(StatusCode::OK, "rstmon is ready."),
        Ok(Err(reason)) => text(StatusCode::SERVICE_UNAVAILABLE, format_args!("rstmon is not ready: {reason}")),
        Err(failed) => text(StatusCode::INTERNAL_SERVER_ERROR, failed),
    }
}
