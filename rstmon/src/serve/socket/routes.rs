//! The routes on the Unix socket: live events, snapshot, history, doctor, version.

use super::protocol::{
    AGE_PARAMETER, COMPLETE_SINCE_HEADER, COUNTS_PATH, DOCTOR_PATH, EVENTS_PATH, FILTER_PARAMETER,
    HAS_FORGOTTEN_HEADER, HISTORY_PARAMETER, HISTORY_PATH, SINCE_PARAMETER, SNAPSHOT_PATH, UNTIL_PARAMETER,
    VERSION_PATH,
};
use crate::{
    event::{EVENT_SCHEMA, filter::Filter, span::TimeSpan},
    serve::{
        http::{
            blocking::{BlockingWorkFailed, off_thread},
            respond::{JSON, NDJSON, common_headers, content, not_found, read_only, text},
            shutdown::Stopping,
            state::ConnectionState,
        },
        source::{Past, RememberedLines, Source, SourceError},
    },
    sink::{history::HistoryExtent, hub::Subscription},
};
use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, StatusCode},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

const PATHS: [&str; 6] = [EVENTS_PATH, SNAPSHOT_PATH, COUNTS_PATH, HISTORY_PATH, DOCTOR_PATH, VERSION_PATH];

/// Lines that are ready at the same time are sent together, up to about this much.
const BATCH_BYTES: usize = 64 * 1024;

/// The least time between two batches of events: sending thousands of lines a second one by one would wake up both ends
/// as often. The first event after a silence is sent at once.
const GATHER: Duration = Duration::from_millis(20);

/// Requests within this time of a snapshot get the same one, because taking it reads all of the kernel's maps.
const SNAPSHOT_LIFE: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct SocketState {
    source: Arc<dyn Source>,
    stopping: Stopping,
    /// The last snapshot as JSON, and when it was taken.
    snapshot: Arc<Mutex<Option<(Instant, Bytes)>>>,
}

/// The answer of `/v1/version`.
#[derive(Clone, Copy, Debug, Serialize)]
struct VersionDocument {
    name: &'static str,
    version: &'static str,
    schema: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountsQuery {
    /// All that is known if absent.
    since_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryQuery {
    since_seconds: Option<u64>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// A line in the filter grammar.
    #[serde(default)]
    filter: String,
}

impl HistoryQuery {
    /// All of time without parameters.
    fn span(&self, now: Timestamp) -> TimeSpan {
        let age = self.since_seconds.map(|seconds| {
            let age = SignedDuration::try_from(Duration::from_secs(seconds)).ok();
            age.and_then(|age| now.checked_sub(age).ok()).unwrap_or(Timestamp::MIN)
        });
        let TimeSpan { since, until } = TimeSpan::ALWAYS;
        TimeSpan { since: age.max(self.since).unwrap_or(since), until: self.until.unwrap_or(until) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// How many remembered events come first; all of them if absent.
    history: Option<usize>,
    /// The time of the first of them.
    since: Option<Timestamp>,
    /// A line in the filter grammar.
    #[serde(default)]
    filter: String,
}

/// The routes. Event streams end when `stopping` is signalled.
pub(crate) fn router(source: Arc<dyn Source>, stopping: Stopping) -> Router {
    let version = VersionDocument { name: "rstmon", version: env!("CARGO_PKG_VERSION"), schema: EVENT_SCHEMA };
    Router::new()
        .route(EVENTS_PATH, get(events))
        .route(SNAPSHOT_PATH, get(snapshot))
        .route(COUNTS_PATH, get(counts))
        .route(HISTORY_PATH, get(history))
        .route(DOCTOR_PATH, get(doctor))
        .route(VERSION_PATH, get(async move || Json(version)))
        .method_not_allowed_fallback(read_only)
        .fallback(async || not_found(PATHS))
        .layer(map_response(common_headers))
        .with_state(SocketState { source, stopping, snapshot: Arc::default() })
}

async fn events(
    State(SocketState { source, stopping, .. }): State<SocketState>,
    Extension(connection): Extension<Arc<ConnectionState>>,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Response, BlockingWorkFailed> {
    let bad_request = |error: &dyn std::fmt::Display| {
        let usage = format_args!(
            "{error}; ask {EVENTS_PATH}?{HISTORY_PARAMETER}=N&{FILTER_PARAMETER}=WORDS&{SINCE_PARAMETER}=TIME"
        );
        Ok(text(StatusCode::BAD_REQUEST, usage))
    };
    let EventsQuery { history, since, filter } = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return bad_request(&rejection),
    };
    let filter = match Filter::parse_line(&filter) {
        Ok(filter) => filter,
        Err(error) => return bad_request(&error),
    };
    let past = Past { last: history.unwrap_or(usize::MAX), since: since.unwrap_or(Timestamp::MIN) };
    // The header is sent only after the subscription exists: a client that has received it misses no later event.
    Ok(match off_thread(move || source.subscribe(past, filter)).await? {
        Ok((extent, lines)) => {
            with_extent(extent, content(NDJSON, stream_events(EventStream::new(lines, connection), stopping)))
        }
        Err(full) => text(StatusCode::SERVICE_UNAVAILABLE, full),
    })
}

/// A subscription and the connection that its lines are sent on.
struct EventStream {
    lines: Subscription,
    connection: Arc<ConnectionState>,
}

impl EventStream {
    fn new(lines: Subscription, connection: Arc<ConnectionState>) -> Self {
        connection.follow(true);
        Self { lines, connection }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.connection.follow(false);
        // The hub counts only the subscribers that it cuts off itself. The connection's write deadline runs from the
        // first line that had to wait, so it mostly passes before the hub's.
        if self.connection.is_cut_off() {
            self.lines.cut_off();
        }
    }
}

fn stream_events(events: EventStream, stopping: Stopping) -> Body {
    let begin = (events, stopping, tokio::time::Instant::now());
    Body::from_stream(stream::unfold(begin, async |(mut events, mut stopping, not_before)| {
        let next = async {
            tokio::time::sleep_until(not_before).await;
            events.lines.next().await
        };
        let first = tokio::select! {
            () = stopping.stopped() => None,
            line = next => line,
        };
        let batch = batch(first?, || events.lines.next_queued());
        let pause = if batch.len() < BATCH_BYTES { GATHER } else { Duration::ZERO };
        Some((Ok::<_, Infallible>(batch), (events, stopping, tokio::time::Instant::now() + pause)))
    }))
}

async fn snapshot(
    State(SocketState { source, snapshot, .. }): State<SocketState>,
) -> Result<Response, BlockingWorkFailed> {
    let mut last = snapshot.lock_owned().await;
    if let Some((taken, document)) = &*last
        && taken.elapsed() < SNAPSHOT_LIFE
    {
        return Ok(content(JSON, document.clone()));
    }
    // The lock moves into the work: while it runs, no other snapshot is taken, even if this request is dropped.
    let answer = off_thread(move || {
        let document = source.snapshot().and_then(|snapshot| Ok(Bytes::from(serde_json::to_vec(&snapshot)?)))?;
        *last = Some((Instant::now(), document.clone()));
        Ok::<_, SourceError>(document)
    });
    Ok(match answer.await? {
        Ok(document) => content(JSON, document),
        Err(error) => {
            tracing::error!(error, "cannot take a snapshot");
            text(StatusCode::INTERNAL_SERVER_ERROR, format_args!("cannot take a snapshot: {error}"))
        }
    })
}

async fn counts(
    State(SocketState { source, .. }): State<SocketState>,
    query: Result<Query<CountsQuery>, QueryRejection>,
) -> Result<Response, BlockingWorkFailed> {
    let since = match query {
        Ok(Query(CountsQuery { since_seconds })) => since_seconds.map_or(Duration::MAX, Duration::from_secs),
        Err(rejection) => {
            let usage = format_args!("{rejection}; ask {COUNTS_PATH}?{AGE_PARAMETER}=N");
            return Ok(text(StatusCode::BAD_REQUEST, usage));
        }
    };
    Ok(match off_thread(move || source.counts(since)).await? {
        Ok(counts) => Json(counts).into_response(),
        Err(error) => {
            tracing::error!(error, "cannot read the counts");
            text(StatusCode::INTERNAL_SERVER_ERROR, format_args!("cannot read the counts: {error}"))
        }
    })
}

async fn history(
    State(SocketState { source, .. }): State<SocketState>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response, BlockingWorkFailed> {
    let bad_request = |error: &dyn std::fmt::Display| {
        let usage = format_args!(
            "{error}; ask {HISTORY_PATH}?{AGE_PARAMETER}=N, or \
             {HISTORY_PATH}?{SINCE_PARAMETER}=TIME&{UNTIL_PARAMETER}=TIME&{FILTER_PARAMETER}=WORDS"
        );
        Ok(text(StatusCode::BAD_REQUEST, usage))
    };
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return bad_request(&rejection),
    };
    let filter = match Filter::parse_line(&query.filter) {
        Ok(filter) => filter,
        Err(error) => return bad_request(&error),
    };
    let span = query.span(Timestamp::now());
    let RememberedLines { extent, mut lines } = off_thread(move || source.history(span, filter)).await?;
    let batches = std::iter::from_fn(move || Some(Ok::<_, Infallible>(batch(lines.next()?, || lines.next()))));
    Ok(with_extent(extent, content(NDJSON, Body::from_stream(stream::iter(batches)))))
}

/// Adds the headers that say which events are remembered at all.
fn with_extent(extent: HistoryExtent, mut answer: Response) -> Response {
    let HistoryExtent { complete_since, has_forgotten } = extent;
    // A timestamp is ASCII.
    if let Ok(since) = HeaderValue::try_from(complete_since.to_string()) {
        answer.headers_mut().insert(COMPLETE_SINCE_HEADER, since);
    }
    let forgotten = HeaderValue::from_static(if has_forgotten { "true" } else { "false" });
    answer.headers_mut().insert(HAS_FORGOTTEN_HEADER, forgotten);
    answer
}

async fn doctor(State(SocketState { source, .. }): State<SocketState>) -> Result<Response, BlockingWorkFailed> {
    Ok(Json(off_thread(move || source.doctor()).await?).into_response())
}

/// `first`, and what `more` yields up to [`BATCH_BYTES`], one line each.
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
