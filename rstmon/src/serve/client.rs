//! The other end of the Unix socket, for `top`, `tail` and `why`.

use super::{
    filter::Filter,
    lines::Lines,
    live::{
        DOCTOR_PATH, EVENTS_PATH, FILTER_PARAMETER, HISTORY_PARAMETER, HISTORY_PATH, SINCE_PARAMETER, SNAPSHOT_PATH,
        VERSION_PATH,
    },
    snapshot::Snapshot,
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::HOST,
};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    io,
    path::{Path, PathBuf},
    string::FromUtf8Error,
    time::Duration,
};
use tokio::{net::UnixStream, time::timeout};

/// From the connect to the header of the answer. The daemon itself gives up earlier (`Limits::answer`).
const PATIENCE: Duration = Duration::from_secs(35);
/// Far more than a snapshot of as many series as anybody keeps.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;
const MAX_REASON_BYTES: usize = 4 * 1024;

/// Why the daemon could not be asked. Each message is one line; the first ones end with what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket, or nobody behind it.
    #[error("no rstmon daemon answers on {}; start it with `systemctl start rstmon` or `rstmon run`", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// From connect(2).
        source: io::Error,
    },
    /// The socket's mode keeps this user out.
    #[error("not allowed to connect to {}; run as root or join the group that owns the socket", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
        /// From connect(2).
        source: io::Error,
    },
    /// Any other failure to connect.
    #[error("cannot connect to {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// From connect(2).
        source: io::Error,
    },
    /// The daemon refused for now, for example because too many subscribers are there.
    #[error("the daemon is busy: {reason}")]
    Busy {
        /// In the daemon's words.
        reason: String,
    },
    /// The daemon refused; most likely its version differs from this program's.
    #[error("the daemon answers {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// In the daemon's words.
        reason: String,
    },
    /// No answer in time.
    #[error("the daemon behind {} does not answer", path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// The connection broke, or what came was no HTTP.
    #[error("lost the connection to the daemon: {source}")]
    Broken {
        /// Where it broke.
        source: hyper::Error,
    },
    /// A document did not come whole or is larger than any.
    #[error("cannot read the daemon's answer: {source}")]
    Document {
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A line longer than any event.
    #[error("the daemon sent a line of more than {max} bytes")]
    LineTooLong {
        /// The bound.
        max: usize,
    },
    /// A line that is not UTF-8.
    #[error("the daemon sent a line that is no text: {source}")]
    NotText {
        /// Where.
        source: FromUtf8Error,
    },
    /// A document that is not JSON.
    #[error("the daemon sent a document that is not JSON: {source}")]
    NotJson {
        /// Where.
        source: serde_json::Error,
    },
}

impl ClientError {
    /// Whether the daemon is not to be talked to now, in contrast to one that answers wrongly.
    #[must_use]
    pub fn is_no_connection(&self) -> bool {
        matches!(self, Self::NoDaemon { .. } | Self::Connect { .. } | Self::Broken { .. } | Self::Document { .. })
    }

    /// Whether there is simply no daemon, so that a command may do without.
    #[must_use]
    pub fn is_no_daemon(&self) -> bool {
        matches!(self, Self::NoDaemon { .. })
    }
}

/// Asks the daemon behind one socket. Each call is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// A client of the daemon behind `path`; nothing is connected yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The socket's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last `history` remembered events, oldest first, and then those from now on, one JSON object a line, as far as
    /// they pass `filter`. Once this returns, none is missed. Ends when the daemon stops.
    pub async fn events(&self, history: usize, filter: &Filter) -> Result<Lines, ClientError> {
        let filter = filter.to_string();
        let filter = utf8_percent_encode(&filter, NON_ALPHANUMERIC);
        let path = format!("{EVENTS_PATH}?{HISTORY_PARAMETER}={history}&{FILTER_PARAMETER}={filter}");
        Ok(Lines::new(self.get(&path).await?))
    }

    /// The exact totals and what is hidden.
    pub async fn snapshot(&self) -> Result<Snapshot, ClientError> {
        serde_json::from_slice(&self.bytes(SNAPSHOT_PATH).await?).map_err(|source| ClientError::NotJson { source })
    }

    /// The remembered events of the last `since` (whole seconds, rounded up), oldest first, one JSON object a line.
    pub async fn history(&self, since: Duration) -> Result<Lines, ClientError> {
        let seconds = since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0));
        Ok(Lines::new(self.get(&format!("{HISTORY_PATH}?{SINCE_PARAMETER}={seconds}")).await?))
    }

    /// What the daemon's host can and cannot show.
    pub async fn doctor(&self) -> Result<serde_json::Value, ClientError> {
        self.document(DOCTOR_PATH).await
    }

    /// The daemon's name, version and event schema.
    pub async fn version(&self) -> Result<serde_json::Value, ClientError> {
        self.document(VERSION_PATH).await
    }

    async fn document(&self, path: &str) -> Result<serde_json::Value, ClientError> {
        serde_json::from_slice(&self.bytes(path).await?).map_err(|source| ClientError::NotJson { source })
    }

    async fn bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        let body = Limited::new(self.get(path).await?, MAX_DOCUMENT_BYTES).collect().await;
        Ok(body.map_err(|source| ClientError::Document { source })?.to_bytes())
    }

    async fn get(&self, path: &str) -> Result<Incoming, ClientError> {
        let silent = |_| ClientError::Silent { path: self.path.clone() };
        let response = timeout(PATIENCE, self.send(path)).await.map_err(silent)??;
        let (head, body) = response.into_parts();
        if head.status == StatusCode::OK {
            return Ok(body);
        }
        let text = timeout(PATIENCE, Limited::new(body, MAX_REASON_BYTES).collect()).await.map_err(silent)?;
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
        // Ends when the answer's body is read or dropped, since the sender is gone by then. Its error comes out of
        // the body as well.
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
