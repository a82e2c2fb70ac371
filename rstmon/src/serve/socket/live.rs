//! The routes on the Unix socket: live events, snapshot, history, doctor, version.

use crate::{
    event::{EVENT_SCHEMA, filter::Filter},
    serve::{
        http::{
            crowd::Turn,
            respond::{JSON, NDJSON, common_headers, content, not_found, read_only, text},
            shutdown::Stopping,
            work::{WorkFailed, off_thread},
        },
        source::Source,
    },
    sink::hub::Subscription,
};
use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

pub(crate) const EVENTS_PATH: &str = "/v1/events";
pub(crate) const HISTORY_PATH: &str = "/v1/history";
pub(crate) const SNAPSHOT_PATH: &str = "/v1/snapshot";
pub(crate) const DOCTOR_PATH: &str = "/v1/doctor";
pub(crate) const VERSION_PATH: &str = "/v1/version";
const PATHS: [&str; 5] = [EVENTS_PATH, SNAPSHOT_PATH, HISTORY_PATH, DOCTOR_PATH, VERSION_PATH];
pub(crate) const SINCE_PARAMETER: &str = "since_seconds";
pub(crate) const HISTORY_PARAMETER: &str = "history";
pub(crate) const FILTER_PARAMETER: &str = "filter";

/// Lines that are there together are sent together, up to about this much.
const BATCH_BYTES: usize = 64 * 1024;

/// Events that come one after the other are sent together, this long after those before: thousands a second would else
/// cost both ends thousands of wake-ups. The first after a silence is sent at once.
const GATHER: Duration = Duration::from_millis(20);

/// A snapshot folds the kernel's maps: whoever asks within this time of another gets the same one.
const SNAPSHOT_LIFE: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Live {
    source: Arc<dyn Source>,
    stopping: Stopping,
    snapshot: Arc<Mutex<Option<(Instant, Bytes)>>>,
}

/// What the daemon calls itself.
#[derive(Clone, Copy, Debug, Serialize)]
struct About {
    name: &'static str,
    version: &'static str,
    schema: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Without it, everything that is remembered.
    since_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Follow {
    /// Remembered events to begin with; without it, all of them.
    history: Option<usize>,
    /// A line in the filter grammar.
    #[serde(default)]
    filter: String,
}

/// The routes. Streams end when `stopping` says so.
pub(crate) fn router(source: Arc<dyn Source>, stopping: Stopping) -> Router {
    let about = About { name: "rstmon", version: env!("CARGO_PKG_VERSION"), schema: EVENT_SCHEMA };
    Router::new()
        .route(EVENTS_PATH, get(events))
        .route(SNAPSHOT_PATH, get(snapshot))
        .route(HISTORY_PATH, get(history))
        .route(DOCTOR_PATH, get(doctor))
        .route(VERSION_PATH, get(async move || Json(about)))
        .method_not_allowed_fallback(read_only)
        .fallback(async || not_found(PATHS))
        .layer(map_response(common_headers))
        .with_state(Live { source, stopping, snapshot: Arc::default() })
}

impl IntoResponse for WorkFailed {
    fn into_response(self) -> Response {
        text(StatusCode::INTERNAL_SERVER_ERROR, self)
    }
}

async fn events(
    State(Live { source, stopping, .. }): State<Live>,
    Extension(turn): Extension<Arc<Turn>>,
    follow_what: Result<Query<Follow>, QueryRejection>,
) -> Result<Response, WorkFailed> {
    let wrong = |error: &dyn std::fmt::Display| {
        let usage = format_args!("{error}; ask {EVENTS_PATH}?{HISTORY_PARAMETER}=N&{FILTER_PARAMETER}=WORDS");
        Ok(text(StatusCode::BAD_REQUEST, usage))
    };
    let Follow { history, filter } = match follow_what {
        Ok(Query(follow)) => follow,
        Err(rejection) => return wrong(&rejection),
    };
    let filter = match Filter::parse_line(&filter) {
        Ok(filter) => filter,
        Err(error) => return wrong(&error),
    };
    // The answer's header goes out only after the subscription stands: who has it misses nothing from then on.
    Ok(match off_thread(move || source.subscribe(history.unwrap_or(usize::MAX), filter)).await? {
        Ok(lines) => content(NDJSON, follow(Reader { lines, turn }, stopping)),
        Err(full) => text(StatusCode::SERVICE_UNAVAILABLE, full),
    })
}

/// A subscription and the connection it goes out on.
struct Reader {
    lines: Subscription,
    turn: Arc<Turn>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The connection's deadline runs from the first line that had to wait, so it mostly comes before the hub's.
        if self.turn.is_cut_off() {
            self.lines.cut_off();
        }
    }
}

fn follow(reader: Reader, stopping: Stopping) -> Body {
    let begin = (reader, stopping, tokio::time::Instant::now());
    Body::from_stream(stream::unfold(begin, async |(mut reader, mut stopping, not_before)| {
        let next = async {
            tokio::time::sleep_until(not_before).await;
            reader.lines.next().await
        };
        let first = tokio::select! {
            () = stopping.stopped() => None,
            line = next => line,
        };
        let batch = batch(first?, || reader.lines.next_queued());
        let pause = if batch.len() < BATCH_BYTES { GATHER } else { Duration::ZERO };
        Some((Ok::<_, Infallible>(batch), (reader, stopping, tokio::time::Instant::now() + pause)))
    }))
}

async fn snapshot(State(Live { source, snapshot, .. }): State<Live>) -> Result<Response, WorkFailed> {
    let mut last = snapshot.lock_owned().await;
    if let Some((taken, document)) = &*last
        && taken.elapsed() < SNAPSHOT_LIFE
    {
        return Ok(content(JSON, document.clone()));
    }
    // The lock goes along: who gives up waiting does not let the next collection start beside this one.
    let answer = off_thread(move || {
        let document = source.snapshot().and_then(|snapshot| Ok(Bytes::from(serde_json::to_vec(&snapshot)?)))?;
        *last = Some((Instant::now(), document.clone()));
        Ok::<_, crate::serve::SourceError>(document)
    });
    Ok(match answer.await? {
        Ok(document) => content(JSON, document),
        Err(error) => {
            tracing::error!(error, "cannot take a snapshot");
            text(StatusCode::INTERNAL_SERVER_ERROR, format_args!("cannot take a snapshot: {error}"))
        }
    })
}

async fn history(
    State(Live { source, .. }): State<Live>,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, WorkFailed> {
    let since = match since {
        Ok(Query(Since { since_seconds })) => since_seconds.map_or(Duration::MAX, Duration::from_secs),
        Err(rejection) => {
            let usage = format_args!("{rejection}; ask {HISTORY_PATH}?{SINCE_PARAMETER}=N");
            return Ok(text(StatusCode::BAD_REQUEST, usage));
        }
    };
    let mut lines = off_thread(move || source.history(since)).await?;
    let batches = std::iter::from_fn(move || Some(Ok::<_, Infallible>(batch(lines.next()?, || lines.next()))));
    Ok(content(NDJSON, Body::from_stream(stream::iter(batches))))
}

async fn doctor(State(Live { source, .. }): State<Live>) -> Result<Response, WorkFailed> {
    Ok(Json(off_thread(move || source.doctor()).await?).into_response())
}

/// `first` and what `more` has ready, one line each.
fn batch(first: Arc<str>, mut more: impl FnMut() -> Option<Arc<str>>) -> Bytes {
    let mut bytes = Vec::with_capacity(first.len() + 1);
    let mut next = Some(first);
    while let Some(line) = next {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        next = if bytes.len() < BATCH_BYTES { more() } else { None };
    }
    bytes.into()
}
