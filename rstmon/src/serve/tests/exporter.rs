//! The routes on TCP.

use super::*;

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let server = start(FakeSource::default()).await;
    let answer = server.get("/metrics").await;
    assert_status(&answer, 200);
    assert_contains(&answer, "\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n");
    assert_contains(&answer, "\r\nx-content-type-options: nosniff\r\n");
    assert!(answer.ends_with("\r\n\r\nrstmon_build_info 1\n"), "found {answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = start(FakeSource::default()).await;
    let answer = server.request("HEAD", "/metrics").await;
    assert_status(&answer, 200);
    assert_contains(&answer, "content-length: 20\r\n");
    assert!(answer.ends_with("\r\n\r\n"), "found {answer:?}");
}

#[tokio::test]
async fn health_and_readiness() {
    let server = start(FakeSource::default()).await;
    let healthy = server.get("/-/healthy").await;
    assert_status(&healthy, 200);
    assert!(healthy.ends_with("rstmon is healthy.\n"), "found {healthy:?}");
    assert_status(&server.get("/-/ready").await, 200);

    let server = start(FakeSource { not_ready: Some("the probe is loading"), ..FakeSource::default() }).await;
    let answer = server.get("/-/ready").await;
    assert_status(&answer, 503);
    assert_contains(&answer, "the probe is loading");
    assert_status(&server.get("/-/healthy").await, 200);
}

#[tokio::test]
async fn the_landing_page_links_the_telemetry_path() {
    let server = start_with(FakeSource::default(), |options, _| {
        options.telemetry_path = "/custom/metrics".parse().unwrap();
    })
    .await;
    let answer = server.get("/").await;
    assert_status(&answer, 200);
    assert_contains(&answer, "text/html");
    assert_contains(&answer, "href=\"/custom/metrics\"");
    assert_contains(&server.get("/custom/metrics").await, "rstmon_build_info 1");
    assert_status(&server.get("/metrics").await, 404);
}

#[tokio::test]
async fn the_telemetry_path_may_replace_the_landing_page() {
    let server = start_with(FakeSource::default(), |options, _| {
        options.telemetry_path = "/".parse().unwrap();
    })
    .await;
    assert_contains(&server.get("/").await, "rstmon_build_info 1");
}

#[tokio::test]
async fn unknown_paths_and_methods_say_what_there_is() {
    let server = start(FakeSource::default()).await;
    let answer = server.get("/metric").await;
    assert_status(&answer, 404);
    assert_contains(&answer, "/metrics\n/-/healthy\n/-/ready\n");
    let answer = server.request("POST", "/metrics").await;
    assert_status(&answer, 405);
    assert_contains(&answer, "allow: GET, HEAD\r\n");
    assert_contains(&answer, "x-content-type-options: nosniff");
}

#[tokio::test]
async fn live_data_is_not_on_tcp() {
    let server = start(FakeSource::default()).await;
    for path in ["/v1/events", "/v1/history", "/v1/doctor"] {
        assert_status(&server.get(path).await, 404);
    }
}

#[tokio::test]
async fn a_failing_or_panicking_source_costs_one_request() {
    let server = start(FakeSource::default()).await;
    *server.source.failing.lock().unwrap() = Some(Failing::Error);
    let answer = server.get("/metrics").await;
    assert_status(&answer, 500);
    assert_contains(&answer, "the map is gone");
    *server.source.failing.lock().unwrap() = Some(Failing::Panic);
    assert_status(&server.get("/metrics").await, 500);
    *server.source.failing.lock().unwrap() = None;
    assert_status(&server.get("/metrics").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapes_collect_one_after_the_other() {
    let server = Arc::new(start(FakeSource::default()).await);
    let scrapes: Vec<_> = (0..8)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.get("/metrics").await })
        })
        .collect();
    for scrape in scrapes {
        assert_status(&scrape.await.unwrap(), 200);
    }
    assert_eq!(server.source.most_at_once.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_collection_is_not_started_twice() {
    let server = start_with(FakeSource::default(), |options, _| {
        options.tcp_limits.answer = Duration::from_millis(50);
    })
    .await;
    let source = Arc::clone(&server.source);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (taken, is_taken) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let _hold = source.hold.lock();
        taken.send(()).unwrap();
        let _ = held.recv();
    });
    is_taken.recv().unwrap();
    for _ in 0..3 {
        assert_status(&server.get("/metrics").await, 503);
    }
    assert_eq!(server.source.most_at_once.load(Ordering::SeqCst), 1);
    assert_eq!(server.source.collecting.load(Ordering::SeqCst), 1);
    drop(release);
    holder.join().unwrap();
    eventually("the stuck collection ends", || server.source.collecting.load(Ordering::SeqCst) == 0).await;
    assert_status(&server.get("/metrics").await, 200);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_scrape() {
    let server = start(FakeSource::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(b"HEAD /-/healthy HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert_status(&String::from_utf8(answer).unwrap(), 200);
    }
    // An idle connection does not hold up the stop.
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_the_running_scrape_finish() {
    let server = start(FakeSource::default()).await;
    let source = Arc::clone(&server.source);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (taken, is_taken) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _hold = source.hold.lock();
        taken.send(()).unwrap();
        let _ = held.recv();
    });
    is_taken.recv().unwrap();
    let stream = server.connect().await;
    let scrape = tokio::spawn(async move { exchange(stream, &request("GET", "/metrics", "")).await });
    server.source.started.notified().await;
    server.stopper.stop();
    drop(release);
    assert_status(&scrape.await.unwrap(), 200);
    server.stop().await;
}
