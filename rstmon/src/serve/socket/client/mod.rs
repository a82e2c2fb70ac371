//! The client of the Unix socket, for rstmon's own commands.

mod error;
mod lines;
mod peer;

pub(crate) use error::ClientError;
pub(crate) use lines::Lines;

use super::protocol::{
    COUNTS_PATH, DOCTOR_PATH, EVENTS_PATH, FILTER_PARAMETER, HISTORY_PARAMETER, HISTORY_PATH, SINCE_PARAMETER,
    SNAPSHOT_PATH, VERSION_PATH,
};
use crate::{
    event::{counted::SpanCounts, filter::Filter, snapshot::Snapshot},
    model::text::safe,
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::HOST,
};
use hyper_util::rt::TokioIo;
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

    /// Those of the last `history` remembered events, oldest first, and of all events from now on that pass `filter`,
    /// one JSON object per line. Once this returns, none is missed. The stream ends when the daemon stops.
    pub(crate) async fn events(&self, history: usize, filter: &Filter) -> Result<Lines, ClientError> {
        let filter = filter.to_string();
        let filter = utf8_percent_encode(&filter, NON_ALPHANUMERIC);
        let path = format!("{EVENTS_PATH}?{HISTORY_PARAMETER}={history}&{FILTER_PARAMETER}={filter}");
        Ok(Lines::live(self.get(&path).await?.0))
    }

    /// The exact totals, and what rstmon cannot see.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, ClientError> {
        self.document(SNAPSHOT_PATH).await
    }

    /// The remembered events of the last `since` (whole seconds, rounded up), oldest first, one JSON object per line.
    pub(crate) async fn history(&self, since: Duration) -> Result<Lines, ClientError> {
        let (body, peer) = self.get(&span_path(HISTORY_PATH, since)).await?;
        Ok(Lines::finite(body, peer))
    }

    /// What was counted in the last `since` (whole seconds, rounded up); `None` where the daemon is of version 0.1,
    /// which does not know.
    pub(crate) async fn counts(&self, since: Duration) -> Result<Option<SpanCounts>, ClientError> {
        match self.document(&span_path(COUNTS_PATH, since)).await {
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
        let (body, peer) = self.get(path).await?;
        let body = timeout(PATIENCE, Limited::new(body, MAX_DOCUMENT_BYTES).collect()).await;
        let body = body.map_err(|_| peer.silent())?;
        Ok(body.map_err(|source| ClientError::Document { source })?.to_bytes())
    }

    async fn get(&self, path: &str) -> Result<(Incoming, PeerProcess), ClientError> {
        let mut peer = PeerProcess::behind(self.path.clone());
        let response = timeout(PATIENCE, self.send(path, &mut peer)).await;
        let (head, body) = response.map_err(|_| peer.silent())??.into_parts();
        if head.status == StatusCode::OK {
            return Ok((body, peer));
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

fn span_path(path: &str, since: Duration) -> String {
    let seconds = since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0));
    format!("{path}?{SINCE_PARAMETER}={seconds}")
}
