//! The routes on the Unix socket, through the client that rstmon's commands use.

use super::*;
use crate::event::EVENT_SCHEMA;
use futures_util::{FutureExt as _, Stream, StreamExt};
use jiff::SignedDuration;
use std::os::unix::net::UnixListener as StdUnixListener;
use tokio::net::UnixStream;

async fn next(lines: &mut (impl Stream<Item = Result<String, ClientError>> + Unpin)) -> Option<String> {
    timeout(PATIENCE, lines.next()).await.expect("a line").transpose().unwrap()
}

/// The last so many events.
fn last(last: usize) -> Past {
    Past { last, since: Timestamp::MIN }
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A line that has arrived already.
fn next_now(lines: &mut (impl Stream<Item = Result<String, ClientError>> + Unpin)) -> Option<String> {
    lines.next().now_or_never().flatten().transpose().unwrap()
}

#[tokio::test]
async fn events_arrive_as_they_happen_and_end_with_the_daemon() {
    let server = start(FakeSource::default()).await;
    let mut events = server.client().events(last(0), &Filter::default()).await.unwrap();
    for number in 0..3 {
        let line = format!(r#"{{"schema":1,"number":{number}}}"#);
        server.source.publish(&line);
        assert_eq!(next(&mut events).await, Some(line));
    }
    let socket = server.socket.clone();
    server.stop().await;
    assert_eq!(next(&mut events).await, None);
    assert!(!socket.exists());
}

#[tokio::test]
async fn many_events_arrive_in_order() {
    let source = FakeSource { hub: Hub::new(4, 100_000), ..FakeSource::default() };
    let server = start(source).await;
    let mut events = server.client().events(last(0), &Filter::default()).await.unwrap();
    for number in 0..20_000 {
        server.source.publish(&number.to_string());
    }
    for number in 0..20_000 {
        assert_eq!(next(&mut events).await, Some(number.to_string()));
    }
    assert_eq!(server.source.hub.lost().unwrap_or(0), 0);
}

#[tokio::test]
async fn remembered_events_come_first_and_the_daemon_filters() {
    let remembered = ["java", "curl", "java", "Web Content"].map(made_up_event).to_vec();
    let server = start(FakeSource { remembered, ..FakeSource::default() }).await;
    let filter = Filter::parse(&["process=java,Web Content"]).unwrap();
    let mut events = server.client().events(last(3), &filter).await.unwrap();
    server.source.hub.take(&made_up_event("curl"));
    server.source.hub.take(&made_up_event("java"));
    for process in ["java", "Web Content", "java"] {
        let event: serde_json::Value = serde_json::from_str(&next(&mut events).await.unwrap()).unwrap();
        assert_eq!(event["owner"]["process"], process);
    }
}

#[tokio::test]
async fn without_parameters_all_remembered_events_come_first() {
    let server = start(FakeSource { remembered: vec![made_up_event("java"); 3], ..FakeSource::default() }).await;
    let mut stream = UnixStream::connect(&server.socket).await.unwrap();
    stream.write_all(&request("GET", "/v1/events", "")).await.unwrap();
    let mut answer = String::new();
    while answer.matches(r#""process":"java""#).count() < 3 {
        let mut buffer = [0; 4096];
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("three events").unwrap();
        assert_ne!(read, 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
}

#[tokio::test]
async fn a_wrong_filter_is_refused_with_the_fields() {
    let server = start(FakeSource::default()).await;
    let mut last = String::new();
    for path in ["/v1/events?history=many", "/v1/events?sinc=3", "/v1/events?filter=proces%3Djava"] {
        last = exchange(UnixStream::connect(&server.socket).await.unwrap(), &request("GET", path, "")).await;
        assert_status(&last, 400);
        assert_contains(&last, "/v1/events?history=N&filter=WORDS");
    }
    assert_contains(&last, "the fields are process, unit");
}

#[tokio::test]
async fn snapshots_asked_for_at_the_same_time_are_shared() {
    let server = start(FakeSource::default()).await;
    let client = server.client();
    let answers = futures_util::future::join_all((0..20).map(|_| client.snapshot())).await;
    for answer in answers {
        assert_eq!(answer.unwrap(), made_up_snapshot());
    }
    let taken = server.source.snapshots.load(Ordering::SeqCst);
    assert!((1..20).contains(&taken), "{taken} snapshots were taken for 20 clients");
}

#[tokio::test]
async fn a_subscriber_that_leaves_is_forgotten() {
    let server = start(FakeSource::default()).await;
    let events = server.client().events(last(0), &Filter::default()).await.unwrap();
    assert!(server.source.hub.has_subscribers());
    drop(events);
    eventually("the subscription ends", || !server.source.hub.has_subscribers()).await;
    assert_eq!(server.source.hub.subscribers_cut(), 0);
}

#[tokio::test]
async fn a_subscriber_that_takes_nothing_is_cut_off_and_counted() {
    // With a queue that overflows, which the hub notices, and with one that never does, which the write deadline
    // notices.
    for queue_lines in [4, 100_000] {
        let source = FakeSource { hub: Hub::new(2, queue_lines), ..FakeSource::default() };
        let short = Some(Duration::from_millis(200));
        let server = start_with(source, |options, _| options.unix_limits.write = short).await;
        let mut taking = server.client().events(last(0), &Filter::default()).await.unwrap();
        let mut stalled = UnixStream::connect(&server.socket).await.unwrap();
        stalled.write_all(&request("GET", "/v1/events?history=0", "")).await.unwrap();
        stalled.read_exact(&mut [0; 15]).await.unwrap();
        let long = "x".repeat(4096);
        eventually("it is cut off", || {
            server.source.publish(&long);
            // The other subscriber takes everything that has arrived.
            while next_now(&mut taking).is_some() {}
            server.source.hub.subscribers_cut() > 0
        })
        .await;
        assert_eq!(server.source.hub.subscribers_cut(), 1);
        assert!(server.source.hub.has_subscribers(), "the other subscriber stays");
    }
}

#[tokio::test]
async fn a_slow_subscriber_loses_lines_and_learns_how_many() {
    let server = start(FakeSource { hub: Hub::new(1, 16), ..FakeSource::default() }).await;
    let mut events = server.client().events(last(0), &Filter::default()).await.unwrap();
    let long = "x".repeat(4096);
    // Until the socket's buffers and the queue are full.
    while server.source.hub.lost().unwrap_or(0) < 100 {
        server.source.publish(&long);
        tokio::task::yield_now().await;
    }
    let announced = loop {
        let line = next(&mut events).await.unwrap();
        if line != long {
            break line;
        }
        // The gap is announced before the next line that fits into the queue; until then it grows.
        server.source.publish(&long);
    };
    let announced: serde_json::Value = serde_json::from_str(&announced).unwrap();
    assert_eq!(announced["schema"], 1);
    let announced = announced["lost"].as_u64().unwrap();
    let total = server.source.hub.lost().unwrap_or(0);
    assert!((1..=total).contains(&announced), "{announced} announced, {total} lost");
}

#[tokio::test]
async fn subscribers_are_bounded() {
    let server = start(FakeSource { hub: Hub::new(1, 16), ..FakeSource::default() }).await;
    let first = server.client().events(last(0), &Filter::default()).await.unwrap();
    let error = server.client().events(last(0), &Filter::default()).await.unwrap_err();
    assert!(matches!(&error, ClientError::Busy { reason } if reason.contains("1 subscribers")), "found {error:?}");
    drop(first);
}

#[tokio::test]
async fn history_comes_back_line_by_line() {
    let server = start(FakeSource { history: vec![r#"{"a":1}"#, r#"{"a":2}"#], ..FakeSource::default() }).await;
    let span = TimeSpan { since: at("2026-11-21T03:00:00.5Z"), until: at("2026-11-21T04:00:00Z") };
    let filter = Filter::parse(&["process=java,Web Content"]).unwrap();
    let mut lines = server.client().history(span, &filter).await.unwrap();
    assert_eq!(lines.extent, Some(EXTENT));
    assert_eq!(next(&mut lines).await.as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(next(&mut lines).await.as_deref(), Some(r#"{"a":2}"#));
    assert_eq!(next(&mut lines).await, None);
    assert_eq!(*server.source.asked.lock().unwrap(), Some((span, filter)));
}

#[tokio::test]
async fn a_history_without_bounds_is_all_that_is_remembered() {
    let server = start(FakeSource::default()).await;
    let asked = || server.source.asked.lock().unwrap().take();
    server.client().history(TimeSpan::ALWAYS, &Filter::default()).await.unwrap();
    assert_eq!(asked(), Some((TimeSpan::ALWAYS, Filter::default())));
    let ago = |seconds: i64| Timestamp::now() - SignedDuration::from_secs(seconds);
    let (least, path) = (ago(91), request("GET", "/v1/history?since_seconds=90", ""));
    assert_status(&exchange(UnixStream::connect(&server.socket).await.unwrap(), &path).await, 200);
    let (TimeSpan { since, until }, _) = asked().unwrap();
    assert!(least < since && since <= ago(90) && until == Timestamp::MAX, "{since}..{until}");
    let least = ago(92);
    server.client().last_history(Duration::from_millis(90_500)).await.unwrap();
    let (TimeSpan { since, until }, filter) = asked().unwrap();
    assert!(least < since && since <= ago(91) && until == Timestamp::MAX, "{since}..{until}");
    assert_eq!(filter, Filter::default());
}

#[tokio::test]
async fn events_begin_at_a_time() {
    let remembered = |time: &str| Arc::new(event_with(serde_json::json!({"time": time})));
    let remembered = ["2026-11-21T03:00:00Z", "2026-11-21T03:00:09Z"].map(remembered).to_vec();
    let server = start(FakeSource { remembered, ..FakeSource::default() }).await;
    let past = Past { last: usize::MAX, since: at("2026-11-21T03:00:05Z") };
    let mut events = server.client().events(past, &Filter::default()).await.unwrap();
    assert_eq!(events.extent, Some(EXTENT));
    assert_contains(&next(&mut events).await.unwrap(), "03:00:09Z");
    server.source.publish("live");
    assert_eq!(next(&mut events).await.as_deref(), Some("live"));
}

#[tokio::test]
async fn long_histories_arrive_whole() {
    let server = start(FakeSource { history: vec!["0123456789"; 50_000], ..FakeSource::default() }).await;
    let lines = server.client().history(TimeSpan::ALWAYS, &Filter::default()).await.unwrap();
    assert_eq!(timeout(PATIENCE, lines.count()).await.unwrap(), 50_000);
}

#[tokio::test]
async fn counts_of_a_span_are_a_document() {
    let server = start(FakeSource::default()).await;
    let counts = server.client().counts(Duration::from_millis(90_500)).await.unwrap().unwrap();
    assert_eq!((counts.sent, counts.events_lost, counts.series.len()), (3, 1, 1));
    assert_eq!(*server.source.asked_since.lock().unwrap(), Some(Duration::from_secs(91)));
}

#[tokio::test]
async fn doctor_and_version_are_documents() {
    let server = start(FakeSource::default()).await;
    assert_eq!(server.client().doctor().await.unwrap(), serde_json::json!({"kernel": "made up"}));
    let version = server.client().version().await.unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["schema"], EVENT_SCHEMA);
}

#[tokio::test]
async fn wrong_queries_are_refused_with_the_right_ones() {
    let server = start(FakeSource::default()).await;
    for path in [
        "/v1/history?since_seconds=soon",
        "/v1/history?since=5",
        "/v1/history?since_seconds=-1",
        "/v1/history?filter=proces%3Djava",
    ] {
        let answer = exchange(UnixStream::connect(&server.socket).await.unwrap(), &request("GET", path, "")).await;
        assert_status(&answer, 400);
        assert_contains(&answer, "/v1/history?since_seconds=N");
    }
    let path = "/v1/counts?since_seconds=-1";
    let answer = exchange(UnixStream::connect(&server.socket).await.unwrap(), &request("GET", path, "")).await;
    assert_status(&answer, 400);
    assert_contains(&answer, "/v1/counts?since_seconds=N");
    let answer = exchange(UnixStream::connect(&server.socket).await.unwrap(), &request("GET", "/", "")).await;
    assert_status(&answer, 404);
    assert_contains(&answer, "/v1/events\n");
    let answer =
        exchange(UnixStream::connect(&server.socket).await.unwrap(), &request("DELETE", "/v1/events", "")).await;
    assert_status(&answer, 405);
}

#[tokio::test]
async fn no_daemon_is_an_error_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    let error = Client::new(&path).doctor().await.unwrap_err();
    assert!(error.is_no_daemon(), "found {error:?}");
    assert_contains(&error.to_string(), "rstmon run");
    drop(StdUnixListener::bind(&path).unwrap());
    let error = Client::new(&path).doctor().await.unwrap_err();
    assert!(error.is_no_daemon(), "a stale socket: found {error:?}");
}

#[tokio::test]
async fn a_broken_connection_is_an_error_not_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let daemon = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n").await.unwrap();
    };
    let client = Client::new(&path);
    let filter = Filter::default();
    let (events, ()) = tokio::join!(client.events(last(0), &filter), daemon);
    let mut events = events.unwrap();
    assert_eq!(next(&mut events).await.as_deref(), Some("one"));
    let last = timeout(PATIENCE, events.next()).await.unwrap();
    assert!(matches!(last, Some(Err(ClientError::Broken { .. }))), "found {last:?}");
    assert!(events.next().await.is_none());
}

/// A process that listens and answers each request with these bytes.
async fn answered_with(answer: &'static [u8]) -> ClientError {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let daemon = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await.unwrap();
        stream.write_all(answer).await.unwrap();
        // Not closed before the client has ended.
        let _ = stream.read(&mut [0]).await;
    };
    let client = Client::new(&path);
    let ask = async {
        let mut lines = client.history(TimeSpan::ALWAYS, &Filter::default()).await?;
        while futures_util::TryStreamExt::try_next(&mut lines).await?.is_some() {}
        Ok(())
    };
    let (result, ()) = timeout(PATIENCE, async { tokio::join!(ask, daemon) }).await.expect("an end");
    result.unwrap_err()
}

#[tokio::test]
async fn a_daemon_that_stops_answering_is_named_within_five_seconds() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n"] {
        let started = std::time::Instant::now();
        let error = answered_with(answer).await;
        assert!(matches!(error, ClientError::Silent { .. }), "found {error:?}");
        assert!(started.elapsed() < Duration::from_secs(5), "after {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn an_error_text_cannot_steer_the_terminal() {
    for status in ["503 Service Unavailable", "418 I'm a teapot"] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 15\r\n\r\n\x1b[2J\x07\rno\nway\n\u{9b}");
        let error = answered_with(answer.leak().as_bytes()).await.to_string();
        assert!(error.ends_with("?[2J??no way ?"), "found {error:?}");
    }
    let unknown = serde_json::from_str::<crate::explain::Severity>("\"\\u001b[2J\"").unwrap_err();
    let error = ClientError::NotJson { source: unknown }.to_string();
    assert!(error.contains("?[2J") && !error.contains('\x1b'), "found {error:?}");
}
