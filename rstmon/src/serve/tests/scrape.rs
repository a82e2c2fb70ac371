//! Representations of the metrics, and collections shared by many scrapes.

use super::{
    super::exporter::collect::{Representation, SharedCollector},
    *,
};
use flate2::read::GzDecoder;
use futures_util::FutureExt as _;
use std::io::Read as _;

const GZIP: &str = "Accept-Encoding: gzip\r\n";
const OPEN_METRICS: &str = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n";

struct ScrapeAnswer {
    head: String,
    body: Vec<u8>,
}

impl ScrapeAnswer {
    #[track_caller]
    fn assert_header(&self, name: &str, value: &str) {
        let line = format!("\r\n{name}: {value}\r\n");
        assert!(self.head.contains(&line), "expected {line:?}, found {:?}", self.head);
    }

    #[track_caller]
    fn assert_no_header(&self, name: &str) {
        assert!(!self.head.contains(&format!("\r\n{name}:")), "found {name} in {:?}", self.head);
    }

    fn unzipped(&self) -> String {
        let mut text = String::new();
        GzDecoder::new(&self.body[..]).read_to_string(&mut text).unwrap();
        text
    }
}

async fn scrape(server: &RunningServer, method: &str, header: &str) -> ScrapeAnswer {
    let mut stream = server.connect().await;
    stream.write_all(&request(method, "/metrics", header)).await.unwrap();
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes").unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an end of the header") + 4;
    let body = bytes.split_off(end);
    let head = String::from_utf8(bytes).unwrap();
    assert_status(&head, 200);
    ScrapeAnswer { head, body }
}

#[tokio::test]
async fn each_representation_has_its_type_length_and_vary_header() {
    let server = start(FakeSource::default()).await;
    let open_metrics = format!("{TEXT}# EOF\n");
    for (header, kind, gzip, text) in [
        ("", "text/plain; version=0.0.4; charset=utf-8", false, TEXT),
        (GZIP, "text/plain; version=0.0.4; charset=utf-8", true, TEXT),
        (OPEN_METRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8", false, &open_metrics),
        (
            &format!("{OPEN_METRICS}{GZIP}"),
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            true,
            &open_metrics,
        ),
    ] {
        let answer = scrape(&server, "GET", header).await;
        answer.assert_header("content-type", kind);
        answer.assert_header("content-length", &answer.body.len().to_string());
        answer.assert_header("vary", "Accept, Accept-Encoding");
        if gzip {
            answer.assert_header("content-encoding", "gzip");
            assert_eq!(answer.unzipped(), text);
        } else {
            answer.assert_no_header("content-encoding");
            assert_eq!(String::from_utf8_lossy(&answer.body), text);
        }
        // HEAD has the same header and no body.
        let head = scrape(&server, "HEAD", header).await;
        assert!(head.body.is_empty(), "found {:?}", head.body);
        let lines = |head: &str| -> Vec<_> {
            head.lines().filter(|line| !line.starts_with("date")).map(str::to_owned).collect()
        };
        assert_eq!(lines(&head.head), lines(&answer.head), "HEAD and GET with {header:?}");
    }
}

#[tokio::test]
async fn no_client_gets_status_406() {
    let server = start(FakeSource::default()).await;
    let header = "Accept: image/png, text/plain;q=0, */*;q=0\r\nAccept-Encoding: identity;q=0, br\r\n";
    let answer = scrape(&server, "GET", header).await;
    answer.assert_header("content-type", "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(String::from_utf8_lossy(&answer.body), TEXT);
}

#[tokio::test]
async fn a_refusal_is_not_compressed() {
    let server = start(FakeSource::default()).await;
    *server.source.failing.lock().unwrap() = Some(Failing::Error);
    let answer = exchange(server.connect().await, &request("GET", "/metrics", GZIP)).await;
    assert_status(&answer, 500);
    assert_contains(&answer, "the map is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_scrapes_share_the_next_collection() {
    const SCRAPES: usize = 50;
    let source = Arc::new(FakeSource::default());
    let collector = SharedCollector::new(Arc::clone(&source) as Arc<dyn Source>);
    let uncompressed = |format| Representation { format, gzip: false };
    let holder = Arc::clone(&source);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (taken, is_taken) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let _hold = holder.hold.lock();
        taken.send(()).unwrap();
        let _ = held.recv();
    });
    is_taken.recv().unwrap();
    let mut first = Box::pin(collector.scrape(uncompressed(Format::Text)));
    assert!(first.as_mut().now_or_never().is_none());
    eventually("the first collection begins", || source.collected.load(Ordering::SeqCst) == 1).await;
    // These arrive after it has begun.
    let mut waiting: Vec<_> = (0..SCRAPES)
        .map(|number| Box::pin(collector.scrape(uncompressed([Format::Text, Format::OpenMetrics][number % 2]))))
        .collect();
    assert!(waiting.iter_mut().all(|scrape| scrape.as_mut().now_or_never().is_none()));
    drop(release);
    holder.join().unwrap();
    first.await.unwrap();
    for scrape in waiting {
        scrape.await.unwrap();
    }
    let collected = source.collected.load(Ordering::SeqCst);
    assert_eq!(collected, 3, "one for the first, and one per format for the others");
    // No scrape waits any more: the next one starts a collection of its own.
    collector.scrape(uncompressed(Format::Text)).await.unwrap();
    assert_eq!(source.collected.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_no_scrape_waits_for_is_skipped() {
    let source = Arc::new(FakeSource::default());
    let collector = SharedCollector::new(Arc::clone(&source) as Arc<dyn Source>);
    let uncompressed = Representation { format: Format::Text, gzip: false };
    let hold = source.hold.lock().unwrap();
    let mut running = Box::pin(collector.scrape(uncompressed));
    assert!(running.as_mut().now_or_never().is_none());
    let deadline = std::time::Instant::now() + PATIENCE;
    while source.collected.load(Ordering::SeqCst) == 0 {
        assert!(std::time::Instant::now() < deadline, "the first collection never begins");
        std::thread::yield_now();
    }
    let mut cancelled = Box::pin(collector.scrape(uncompressed));
    assert!(cancelled.as_mut().now_or_never().is_none());
    drop(cancelled);
    drop(hold);
    running.await.unwrap();
    collector.scrape(Representation { gzip: true, ..uncompressed }).await.unwrap();
    assert_eq!(source.collected.load(Ordering::SeqCst), 2, "the cancelled scrape was collected");
}
