//! The client of the Unix socket, for rstmon's own commands.

mod error;
mod lines;
mod peer;

pub(crate) use error::ClientError;
pub(crate) use lines::Lines;

use super::protocol::{
    AGE_PARAMETER, COMPLETE_SINCE_HEADER, COUNTS_PATH, DOCTOR_PATH, EVENTS_PATH, FILTER_PARAMETER,
    HAS_FORGOTTEN_HEADER, HISTORY_PARAMETER, HISTORY_PATH, SINCE_PARAMETER, SNAPSHOT_PATH, UNTIL_PARAMETER,
    VERSION_PATH,
};
use crate::{
    event::{counted::SpanCounts, filter::Filter, snapshot::Snapshot, span::TimeSpan},
    model::text::safe,
    serve::source::Past,
    sink::history::HistoryExtent,
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{HOST, HeaderMap},
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use peer::{PATIENCE, PeerProcess};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use std::{io, path::PathBuf, time::Duration};
use tokio::{
    net::UnixStream,
    time::{sleep, timeout},
};

/// Between two attempts to connect to a socket whose queue is full.
const RETRY: Duration = Duration::from_millis(50);
/// Far more than the largest snapshot.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;
const MAX_REASON_BYTES: usize = 4 * 1024;

/// A client of the daemon behind one socket. Each call opens a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    path: PathBuf,
}

impl Client {
    /// Does not connect yet.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Those of the remembered events of `past`, oldest first, and of all events from now on that pass `filter`, one
    /// JSON object per line. Once this returns, none is missed. The stream ends when the daemon stops.
    pub(crate) async fn events(&self, past: Past, filter: &Filter) -> Result<Lines, ClientError> {
        let Past { last, since } = past;
        let (filter, since) = (encoded(filter), bound(SINCE_PARAMETER, since));
        let path = format!("{EVENTS_PATH}?{HISTORY_PARAMETER}={last}&{FILTER_PARAMETER}={filter}{since}");
        let Answer { body, extent, peer: _ } = self.get(&path).await?;
        Ok(Lines::live(body, extent))
    }

    /// The exact totals, and what rstmon cannot see.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, ClientError> {
        self.document(SNAPSHOT_PATH).await
    }

    /// The remembered events of a span that pass `filter`, oldest first, one JSON object per line.
    pub(crate) async fn history(&self, span: TimeSpan, filter: &Filter) -> Result<Lines, ClientError> {
        let TimeSpan { since, until } = span;
        let (since, until) = (bound(SINCE_PARAMETER, since), bound(UNTIL_PARAMETER, until));
        let path = format!("{HISTORY_PATH}?{FILTER_PARAMETER}={}{since}{until}", encoded(filter));
        self.finite(&path).await
    }

    /// The remembered events of the last `age` (whole seconds, rounded up), in the form that a daemon of version 0.1
    /// answers too.
    pub(crate) async fn last_history(&self, age: Duration) -> Result<Lines, ClientError> {
        self.finite(&aged(HISTORY_PATH, age)).await
    }

    async fn finite(&self, path: &str) -> Result<Lines, ClientError> {
        let Answer { body, extent, peer } = self.get(path).await?;
        Ok(Lines::finite(body, extent, peer))
    }

    /// What was counted in the last `age` (whole seconds, rounded up); `None` where the daemon is of version 0.1,
    /// which does not know.
    pub(crate) async fn counts(&self, age: Duration) -> Result<Option<SpanCounts>, ClientError> {
        match self.document(&aged(COUNTS_PATH, age)).await {
            Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            result => result.map(Some),
        }
    }

    /// What the kernel of the daemon's host can and cannot show.
    pub(crate) async fn doctor(&self) -> Result<serde_json::Value, ClientError> {
        self.document(DOCTOR_PATH).await
    }

    /// The daemon's name, version and event schema.
    pub(crate) async fn version(&self) -> Result<serde_json::Value, ClientError> {
        self.document(VERSION_PATH).await
    }

    async fn document<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        serde_json::from_slice(&self.bytes(path).await?).map_err(|source| ClientError::NotJson { source })
    }

    async fn bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        let Answer { body, peer, extent: _ } = self.get(path).await?;
        let body = timeout(PATIENCE, Limited::new(body, MAX_DOCUMENT_BYTES).collect()).await;
        let body = body.map_err(|_| peer.silent())?;
        Ok(body.map_err(|source| ClientError::Document { source })?.to_bytes())
    }

    async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        let mut peer = PeerProcess::behind(self.path.clone());
        let response = timeout(PATIENCE, self.send(path, &mut peer)).await;
        let (head, body) = response.map_err(|_| peer.silent())??.into_parts();
        if head.status == StatusCode::OK {
            return Ok(Answer { body, extent: history_extent(&head.headers), peer });
        }
        let text = timeout(PATIENCE, Limited::new(body, MAX_REASON_BYTES).collect()).await;
        let text = text.map_err(|_| peer.silent())?.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let reason = safe(&String::from_utf8_lossy(&text).trim().replace('\n', " "));
        Err(match head.status {
            StatusCode::SERVICE_UNAVAILABLE => ClientError::Busy { reason },
            status => ClientError::Refused { status, reason },
        })
    }

    async fn send(&self, path: &str, peer: &mut PeerProcess) -> Result<Response<Incoming>, ClientError> {
        let broken = |source| ClientError::Broken { source };
        let stream = self.connect().await?;
        peer.connected(&stream);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // The task ends when the answer's body was read or dropped, because the sender is dropped before. Its error is
        // also returned by the body.
        tokio::spawn(connection);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = path.parse().unwrap_or_default();
        request.headers_mut().insert(HOST, hyper::header::HeaderValue::from_static("localhost"));
        sender.send_request(request).await.map_err(broken)
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        loop {
            match UnixStream::connect(&self.path).await {
                // The queue of the listener is full (unix(7)).
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(RETRY).await,
                result => return result.map_err(|source| self.connect_error(source)),
            }
        }
    }

    fn connect_error(&self, source: io::Error) -> ClientError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoDaemon { path, source },
            io::ErrorKind::PermissionDenied => ClientError::Denied { path, source },
            _ => ClientError::Connect { path, source },
        }
    }
}

/// An answer whose header was read.
struct Answer {
    body: Incoming,
    /// Which events the daemon remembers, where it says so.
    extent: Option<HistoryExtent>,
    peer: PeerProcess,
}

fn aged(path: &str, age: Duration) -> String {
    let seconds = age.as_secs().saturating_add(u64::from(age.subsec_nanos() > 0));
    format!("{path}?{AGE_PARAMETER}={seconds}")
}

fn encoded(filter: &Filter) -> String {
    utf8_percent_encode(&filter.to_string(), NON_ALPHANUMERIC).to_string()
}

/// A parameter with a time; none for the ends of time, which older daemons have no parameter for.
fn bound(parameter: &str, time: Timestamp) -> String {
    if [Timestamp::MIN, Timestamp::MAX].contains(&time) {
        return String::new();
    }
    format!("&{parameter}={}", utf8_percent_encode(&time.to_string(), NON_ALPHANUMERIC))
}

/// `None` from a daemon that does not say which events it remembers.
fn history_extent(headers: &HeaderMap) -> Option<HistoryExtent> {
    let text = |name| headers.get(name)?.to_str().ok();
    Some(HistoryExtent {
        complete_since: text(COMPLETE_SINCE_HEADER)?.parse().ok()?,
        has_forgotten: text(HAS_FORGOTTEN_HEADER)? == "true",
    })
}
