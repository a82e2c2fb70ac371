//! The server as its clients see it: real sockets, a fake source.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod exporter;
mod hostile_clients;
mod scrape;
mod secure;
mod socket_file;
mod socket_routes;

use super::{http::shutdown::Stopper, *};
use crate::{
    event::{Event, counted::SpanCounts, filter::Filter, snapshot::Snapshot, span::TimeSpan, testing::event_with},
    metrics::Format,
    sink::{
        Hub, Sink as _,
        history::HistoryExtent,
        hub::{Subscription, TooManySubscribers},
    },
};
use jiff::Timestamp;
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};

/// Far more than any step of a test takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A source that can be slow, broken or not ready, and counts its collections and how many run at the same time.
#[derive(Default)]
struct FakeSource {
    hub: Hub,
    history: Vec<&'static str>,
    remembered: Vec<Arc<Event>>,
    snapshots: AtomicUsize,
    asked: Mutex<Option<(TimeSpan, Filter)>>,
    asked_since: Mutex<Option<Duration>>,
    not_ready: Option<&'static str>,
    failing: Mutex<Option<Failing>>,
    /// While locked, a collection does not return.
    hold: Mutex<()>,
    collecting: AtomicUsize,
    most_at_once: AtomicUsize,
    /// The number of collections that have begun.
    collected: AtomicUsize,
    started: Notify,
}

/// The fake source's metrics in format 0.0.4.
const TEXT: &str = "rstmon_build_info 1\n";

/// Which events the fake source remembers.
const EXTENT: HistoryExtent = HistoryExtent { complete_since: Timestamp::UNIX_EPOCH, has_forgotten: true };

#[derive(Clone, Copy)]
enum Failing {
    Error,
    Panic,
}

impl Source for FakeSource {
    fn metrics(&self, format: Format) -> Result<String, SourceError> {
        let now = self.collecting.fetch_add(1, Ordering::SeqCst) + 1;
        self.collected.fetch_add(1, Ordering::SeqCst);
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        self.started.notify_one();
        drop(self.hold.lock());
        self.collecting.fetch_sub(1, Ordering::SeqCst);
        // Copied out: a panic must not poison the lock.
        let failing = *self.failing.lock().unwrap();
        match failing {
            None => Ok(match format {
                Format::Text => TEXT.to_owned(),
                Format::OpenMetrics => format!("{TEXT}# EOF\n"),
            }),
            Some(Failing::Error) => Err("the map is gone".into()),
            Some(Failing::Panic) => panic!("made up by the test"),
        }
    }

    fn ready(&self) -> Result<(), NotReady> {
        self.not_ready.map_or(Ok(()), |reason| Err(NotReady::new(reason)))
    }

    fn doctor(&self) -> serde_json::Value {
        serde_json::json!({"kernel": "made up"})
    }

    fn history(&self, span: TimeSpan, filter: Filter) -> RememberedLines {
        *self.asked.lock().unwrap() = Some((span, filter));
        RememberedLines { extent: EXTENT, lines: Box::new(self.history.clone().into_iter().map(Arc::from)) }
    }

    fn snapshot(&self) -> Result<Snapshot, SourceError> {
        self.snapshots.fetch_add(1, Ordering::SeqCst);
        Ok(made_up_snapshot())
    }

    fn counts(&self, since: Duration) -> Result<SpanCounts, SourceError> {
        *self.asked_since.lock().unwrap() = Some(since);
        Ok(serde_json::from_value(serde_json::json!({
            "schema": 1, "started": "2026-11-21T03:00:00Z", "since": "2026-11-21T03:00:00Z",
            "until": "2026-11-21T03:00:05Z", "sent": 3, "received": 0, "events_lost": 1, "events_forgotten": 0,
            "network_namespaces": 1,
            "series": [{"direction": "sent", "cause": "refused", "reason": "no_socket", "port": 80, "total": 3}],
        }))
        .unwrap())
    }

    fn subscribe(&self, past: Past, filter: Filter) -> Result<(HistoryExtent, Subscription), TooManySubscribers> {
        let skipped = self.remembered.len().saturating_sub(past.last);
        let remembered = self.remembered[skipped..].iter().filter(|event| event.time >= past.since);
        Ok((EXTENT, self.hub.subscribe(filter, remembered.cloned().collect())?))
    }
}

impl FakeSource {
    /// Publishes any line, which need not be an event.
    fn publish(&self, line: &str) {
        self.hub.offer(std::time::Instant::now(), |_| true, || Some(Arc::from(line)));
    }
}

fn made_up_snapshot() -> Snapshot {
    serde_json::from_value(serde_json::json!({
        "schema": 1, "time": "2026-11-21T03:00:05Z", "started": "2026-11-21T03:00:00Z", "version": "0.1.0",
        "host": "web-7", "kernel": "6.18.0", "uptime_seconds": 5, "trend_step_seconds": 5,
        "sent": {"total": 3, "trend": [1, 2]}, "received": {"total": 0},
        "events_lost": {"ring_full": 0, "rate_limited": 0, "slow_subscriber": 0}, "count_overflow": 0, "degraded": [],
        "series": [{"direction": "sent", "cause": "refused", "reason": "no_socket", "port": 80, "total": 3}],
    }))
    .unwrap()
}

fn made_up_event(process: &str) -> Arc<Event> {
    Arc::new(event_with(serde_json::json!({"owner": {"process": process}})))
}

/// A running server on a free port and on a socket in a directory of its own.
struct RunningServer {
    source: Arc<FakeSource>,
    address: SocketAddr,
    socket: PathBuf,
    directory: TempDir,
    stopper: Stopper,
    task: JoinHandle<()>,
}

fn options(directory: &TempDir) -> ServerOptions {
    ServerOptions {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        telemetry_path: TelemetryPath::default(),
        web_config: None,
        socket: Some(SocketOptions { path: directory.path().join("run/rstmon.sock"), group: None }),
        tcp_limits: ConnectionLimits::tcp(),
        unix_limits: connection_limits(),
    }
}

async fn start(source: FakeSource) -> RunningServer {
    start_with(source, |_, _| {}).await
}

/// `adjust` may change the options and put files into the directory.
async fn start_with(source: FakeSource, adjust: impl FnOnce(&mut ServerOptions, &TempDir)) -> RunningServer {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(&directory);
    adjust(&mut options, &directory);
    let server = Server::bind(options, Inherited::default()).await.unwrap();
    let address = server.tcp_addresses().unwrap()[0];
    let socket = server.socket_path().unwrap().to_owned();
    let source = Arc::new(source);
    let (stopper, stopping) = stop_signal();
    let task = tokio::spawn(server.run(Arc::clone(&source) as Arc<dyn Source>, stopping));
    RunningServer { source, address, socket, directory, stopper, task }
}

impl RunningServer {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The whole answer to `GET path`, header and body.
    async fn get(&self, path: &str) -> String {
        self.request("GET", path).await
    }

    async fn request(&self, method: &str, path: &str) -> String {
        exchange(self.connect().await, &request(method, path, "")).await
    }

    fn client(&self) -> Client {
        Client::new(&self.socket)
    }

    async fn stop(self) {
        self.stopper.stop();
        timeout(PATIENCE, self.task).await.expect("the server stops").unwrap();
    }
}

fn request(method: &str, path: &str, header: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{header}\r\n").into_bytes()
}

/// Sends `bytes`, reads until the server closes, and returns what was read, also before an error: a server that answers
/// early and closes may reset the connection.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> String {
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let reading = async {
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..read]);
        }
    };
    timeout(PATIENCE, reading).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[track_caller]
fn assert_status(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "expected {status}, found {answer:?}");
}

#[track_caller]
fn assert_contains(answer: &str, part: &str) {
    let found = answer.to_ascii_lowercase();
    assert!(found.contains(&part.to_ascii_lowercase()), "expected {part:?}, found {answer:?}");
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, poll).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}
