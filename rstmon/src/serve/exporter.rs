//! The routes on TCP: metrics, health and the landing page.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::respond::{common_headers, content, not_found, read_only, text};
use super::telemetry_path::{HEALTHY_PATH, READY_PATH, TelemetryPath};
use super::work::off_thread;
use super::{Source, landing};

/// Prometheus' text exposition format.
const METRICS_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const LANDING_PATH: &str = "/";

#[derive(Clone)]
struct Exporter {
    source: Arc<dyn Source>,
    path: Arc<TelemetryPath>,
    /// One collection at a time: a scrape folds the kernel's maps, and twice the scrapers are not worth twice the CPU.
    collecting: Arc<Semaphore>,
    patience: Duration,
}

/// The routes. `patience` bounds one collection, the wait for the one before it included.
pub(super) fn router(source: Arc<dyn Source>, path: TelemetryPath, patience: Duration) -> Router {
    let collecting = Arc::new(Semaphore::new(1));
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
        .with_state(Exporter { source, path, collecting, patience })
}

async fn metrics(State(Exporter { source, collecting, patience, .. }): State<Exporter>) -> Response {
    let collection = async {
        let permit = collecting.acquire_owned().await;
        // The permit goes along: a scraper that gives up does not let the next collection start beside this one.
        off_thread(move || {
            let result = source.metrics();
            drop(permit);
            result
        })
        .await
    };
    match timeout(patience, collection).await {
        Ok(Ok(Ok(metrics))) => content(METRICS_TYPE, metrics),
        Ok(Ok(Err(error))) => {
            tracing::error!(error, "cannot collect the metrics");
            text(StatusCode::INTERNAL_SERVER_ERROR, format_args!("cannot collect the metrics: {error}"))
        }
        Ok(Err(failed)) => text(StatusCode::INTERNAL_SERVER_ERROR, failed),
        Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "collecting the metrics takes too long"),
    }
}

async fn ready(State(Exporter { source, .. }): State<Exporter>) -> Response {
    match off_thread(move || source.ready()).await {
        Ok(Ok(())) => text(StatusCode::OK, "rstmon is ready."),
        Ok(Err(reason)) => text(StatusCode::SERVICE_UNAVAILABLE, format_args!("rstmon is not ready: {reason}")),
        Err(failed) => text(StatusCode::INTERNAL_SERVER_ERROR, failed),
    }
}
