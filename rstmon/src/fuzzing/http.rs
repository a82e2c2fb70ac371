//! Bytes that a client sends to the metrics server, to the same server with a password, and to the server on the Unix
//! socket.
//!
//! Holds: for any bytes the connection ends soon after the client's end does; an answer begins as HTTP with a status of
//! success, redirection or a client error, never a server error.
//!
//! One connection may last longer: a follower of events that sent more than its request. hyper does not read while it
//! answers, so that it notices the follower's leaving only at the next event that passes the filter.

use crate::{
    event::{counted::SpanCounts, filter::Filter, snapshot::Snapshot, span::TimeSpan},
    metrics::Format,
    serve::{NotReady, Past, RememberedLines, Source, SourceError, fuzzing::Servers},
    sink::{
        history::HistoryExtent,
        hub::{Hub, Subscription, TooManySubscribers},
    },
};
use jiff::Timestamp;
use std::{
    pin::pin,
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    runtime::{Builder, Runtime},
    time::timeout,
};

/// Two users with hashes of the lowest cost.
const WEB_CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/web_config/users.yml");
/// Far longer than an answer takes: reaching it means that the server hangs.
const PATIENCE: Duration = Duration::from_secs(10);
const PIPE_BYTES: usize = 64 * 1024;

/// Silence after which a follower of events ends the connection.
const QUIET: Duration = Duration::from_millis(50);

struct FuzzServers {
    runtime: Runtime,
    open: Servers,
    guarded: Servers,
}

static SETUP: LazyLock<FuzzServers> = LazyLock::new(|| {
    let source = Arc::new(Fixed::default());
    FuzzServers {
        runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
        open: Servers::new(source.clone(), None).expect("a server"),
        guarded: Servers::new(source, Some(WEB_CONFIG.into())).expect("a guarded server"),
    }
});

/// Sends the bytes, closes, and reads the answer.
pub(crate) fn run(bytes: &[u8]) {
    let FuzzServers { runtime, open, guarded } = &*SETUP;
    runtime.block_on(async {
        talk(bytes, |stream| open.tcp(stream)).await;
        talk(bytes, |stream| open.unix(stream)).await;
        if mentions_password(bytes) {
            talk(bytes, |stream| guarded.tcp(stream)).await;
        }
    });
}

/// Without the header the answer is always 401.
fn mentions_password(bytes: &[u8]) -> bool {
    bytes.windows(13).any(|part| part.eq_ignore_ascii_case(b"authorization"))
}

async fn talk<F: Future<Output = ()>>(bytes: &[u8], serve: impl FnOnce(DuplexStream) -> F) {
    let (mut client, server) = duplex(PIPE_BYTES);
    let mut answer = Vec::new();
    let conversation = async {
        // The server may close early, so that errors of sending are no fault.
        let _ = client.write_all(bytes).await;
        let _ = client.shutdown().await;
        let follows = |answer: &[u8]| answer.windows(6).any(|part| part == b"ndjson");
        loop {
            match timeout(if follows(&answer) { QUIET } else { PATIENCE }, client.read_buf(&mut answer)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return false,
                Err(_) => {
                    assert!(follows(&answer), "neither an end of the connection nor an answer");
                    return true;
                }
            }
        }
    };
    let both = async {
        let (mut serving, mut conversation) = (pin!(serve(server)), pin!(conversation));
        let followed = tokio::select! {
            () = serving.as_mut() => { conversation.await; true }
            followed = conversation.as_mut() => followed,
        };
        if !followed {
            serving.await;
        }
    };
    timeout(2 * PATIENCE, both).await.expect("the connection ends");
    judge(&answer);
}

fn judge(answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let head = answer.get(..12).unwrap_or(answer);
    let status = head
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    let shown = String::from_utf8_lossy(head);
    let status = status.unwrap_or_else(|| panic!("not an HTTP answer: {shown:?}"));
    assert!((200..500).contains(&status), "answered {status}");
    let text = String::from_utf8_lossy(answer);
    assert!(text.contains("\r\n\r\n"), "the header of the answer has no end: {text:?}");
}

const EXTENT: HistoryExtent = HistoryExtent { complete_since: Timestamp::UNIX_EPOCH, has_forgotten: false };

/// A source that has some data of every kind and never fails.
#[derive(Default)]
struct Fixed {
    hub: Hub,
}

impl Source for Fixed {
    fn metrics(&self, _: Format) -> Result<String, SourceError> {
        Ok("# TYPE rstmon_build_info gauge\nrstmon_build_info 1\n".to_owned())
    }

    fn ready(&self) -> Result<(), NotReady> {
        Ok(())
    }

    fn doctor(&self) -> serde_json::Value {
        serde_json::json!({"kernel": "made up"})
    }

    fn history(&self, span: TimeSpan, _filter: Filter) -> RememberedLines {
        let count = if span.since == Timestamp::MIN { 0 } else { 3 };
        RememberedLines { extent: EXTENT, lines: Box::new(std::iter::repeat_n(Arc::from(r#"{"schema":1}"#), count)) }
    }

    fn snapshot(&self) -> Result<Snapshot, SourceError> {
        Ok(serde_json::from_value(serde_json::json!({
            "schema": 1, "time": "2026-11-21T03:00:00Z", "started": "2026-11-21T02:00:00Z", "version": "0",
            "host": "made up", "kernel": "6", "uptime_seconds": 1, "trend_step_seconds": 1, "sent": {"total": 0},
            "received": {"total": 0}, "events_lost": {"ring_full": 0, "rate_limited": 0, "slow_subscriber": 0},
            "count_overflow": 0, "degraded": [], "series": [],
        }))?)
    }

    fn counts(&self, _since: Duration) -> Result<SpanCounts, SourceError> {
        Ok(serde_json::from_value(serde_json::json!({
            "schema": 1, "started": "2026-11-21T02:00:00Z", "since": "2026-11-21T02:00:00Z", "until": "2026-11-21T03:00:00Z",
            "sent": 0, "received": 0, "events_lost": 0, "events_forgotten": 0, "network_namespaces": 1, "series": [],
        }))?)
    }

    fn subscribe(&self, _past: Past, filter: Filter) -> Result<(HistoryExtent, Subscription), TooManySubscribers> {
        Ok((EXTENT, self.hub.subscribe(filter, Vec::new())?))
    }
}
