//! The client of the Unix socket, for rstmon's own commands.

mod error;
mod lines;

pub(crate) use error::ClientError;
pub(crate) use lines::Lines;

use super::protocol::{
    COMPLETE_SINCE_HEADER, DOCTOR_PATH, EVENTS_PATH, FILTER_PARAMETER, HAS_FORGOTTEN_HEADER, HISTORY_PARAMETER,
    HISTORY_PATH, SINCE_PARAMETER, SNAPSHOT_PATH, UNTIL_PARAMETER, VERSION_PATH,
};
use crate::{
    event::{filter::Filter, snapshot::Snapshot, span::TimeSpan},
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
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use std::{io, path::PathBuf, time::Duration};
use tokio::{net::UnixStream, time::timeout};

/// From the connect to the header of the answer. The daemon itself gives up earlier (`ConnectionLimits::answer`, 30 s).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
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
        self.lines(&format!("{EVENTS_PATH}?{HISTORY_PARAMETER}={last}&{FILTER_PARAMETER}={filter}{since}")).await
    }

    /// The exact totals, and what rstmon cannot see.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, ClientError> {
        self.document(SNAPSHOT_PATH).await
    }

    /// The remembered events of a span that pass `filter`, oldest first, one JSON object per line.
    pub(crate) async fn history(&self, span: TimeSpan, filter: &Filter) -> Result<Lines, ClientError> {
        let TimeSpan { since, until } = span;
        let (since, until) = (bound(SINCE_PARAMETER, since), bound(UNTIL_PARAMETER, until));
        self.lines(&format!("{HISTORY_PATH}?{FILTER_PARAMETER}={}{since}{until}", encoded(filter))).await
    }

    async fn lines(&self, path: &str) -> Result<Lines, ClientError> {
        let (headers, body) = self.answer(path).await?;
        Ok(Lines::new(body, history_extent(&headers)))
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
        let body = Limited::new(self.get(path).await?, MAX_DOCUMENT_BYTES).collect().await;
        Ok(body.map_err(|source| ClientError::Document { source })?.to_bytes())
    }

    async fn get(&self, path: &str) -> Result<Incoming, ClientError> {
        Ok(self.answer(path).await?.1)
    }

    async fn answer(&self, path: &str) -> Result<(HeaderMap, Incoming), ClientError> {
        let silent = |_| ClientError::Silent { path: self.path.clone() };
        let response = timeout(ANSWER_TIMEOUT, self.send(path)).await.map_err(silent)??;
        let (head, body) = response.into_parts();
        if head.status == StatusCode::OK {
            return Ok((head.headers, body));
        }
        let text = timeout(ANSWER_TIMEOUT, Limited::new(body, MAX_REASON_BYTES).collect()).await.map_err(silent)?;
        let text = text.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let reason = String::from_utf8_lossy(&text).trim().replace('\n', " ");
        Err(match head.status {
            StatusCode::SERVICE_UNAVAILABLE => ClientError::Busy { reason },
            status => ClientError::Refused { status, reason },
        })
    }

    async fn send(&self, path: &str) -> Result<Response<Incoming>, ClientError> {
        let broken = |source| ClientError::Broken { source };
        let stream = UnixStream::connect(&self.path).await.map_err(|source| self.connect_error(source))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // The task ends when the answer's body was read or dropped, because the sender is dropped before. Its error is
        // also returned by the body.
        tokio::spawn(connection);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = path.parse().unwrap_or_default();
        request.headers_mut().insert(HOST, hyper::header::HeaderValue::from_static("localhost"));
        sender.send_request(request).await.map_err(broken)
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
