//! The routes on TCP: metrics, health and the landing page.

mod landing;
pub(crate) mod negotiate;
pub(crate) mod scrape;
pub(crate) mod telemetry_path;

pub(crate) use telemetry_path::{TelemetryPath, TelemetryPathError};

use super::{
    Source,
    http::{
        respond::{common_headers, content, not_found, read_only, text},
        work::off_thread,
    },
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
use scrape::{Form, Scraper};
use std::{sync::Arc, time::Duration};
use telemetry_path::{HEALTHY_PATH, READY_PATH};
use tokio::time::timeout;

const GZIP: HeaderValue = HeaderValue::from_static("gzip");
/// What of a request the metrics' form depends on.
const VARIED: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding");
const LANDING_PATH: &str = "/";

#[derive(Clone)]
struct Exporter {
    source: Arc<dyn Source>,
    path: Arc<TelemetryPath>,
    scraper: Scraper,
    patience: Duration,
}

/// The routes. `patience` bounds one scrape, the wait for a collection before it included.
pub(crate) fn router(source: Arc<dyn Source>, path: TelemetryPath, patience: Duration) -> Router {
    let scraper = Scraper::new(Arc::clone(&source));
    let path = Arc::new(path);
    let mut router = Router::new()
        .route(path.as_str(), get(metrics))
        .route(HEALTHY_PATH, get(async || text(StatusCode::OK, "rstmon is healthy.")))
        .route(READY_PATH, get(ready));
    if path.as_str() != LANDING_PATH {
        router =
            router.route(LANDING_PATH, get(async |State(this): State<Exporter>| landing::page(this.path.as_str())));
    }
    router
        .method_not_allowed_fallback(read_only)
        .fallback(async |State(this): State<Exporter>| {
            not_found([LANDING_PATH, this.path.as_str(), HEALTHY_PATH, READY_PATH])
        })
        .layer(map_response(common_headers))
        .with_state(Exporter { source, path, scraper, patience })
}

async fn metrics(State(Exporter { scraper, patience, .. }): State<Exporter>, headers: HeaderMap) -> Response {
    let form = Form { format: negotiate::format(&headers), gzip: negotiate::gzip(&headers) };
    let mut response = match timeout(patience, scraper.scrape(form)).await {
        Ok(Ok(metrics)) => {
            let mut response = content(HeaderValue::from_static(form.format.content_type()), metrics);
            if form.gzip {
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

async fn ready(State(Exporter { source, .. }): State<Exporter>) -> Response {
    match off_thread(move || source.ready()).await {
        Ok(Ok(())) => text(StatusCode::OK, "rstmon is ready."),
        Ok(Err(reason)) => text(StatusCode::SERVICE_UNAVAILABLE, format_args!("rstmon is not ready: {reason}")),
        Err(failed) => text(StatusCode::INTERNAL_SERVER_ERROR, failed),
    }
}
