//! Clients that are slow, numerous, or send garbage: well-behaved clients are served, no reset is lost, memory is
//! bounded.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess},
    hostile::{Provocation, SlowClients, forget_peak, peak_kib, report},
    http,
    machine::MachineLock,
    metrics::Metrics,
    random::SplitMix,
    wait::{LATER, SOON},
    watched::RESETS,
};
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// How long Prometheus waits for an answer by default.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most growth of memory under attack, compared to the daemon at rest.
const MOST_GROWTH_KIB: u64 = 32 * 1024;

/// A daemon, resets that are provoked during the attack, and the daemon's memory before it.
struct Siege {
    daemon: DaemonProcess,
    provocation: Provocation,
    calm_kib: u64,
    _machine: MachineLock,
}

impl Siege {
    fn begin() -> Self {
        let machine = MachineLock::exclusive().unwrap();
        let daemon = DaemonProcess::start().unwrap();
        daemon.scrape().unwrap();
        forget_peak(daemon.pid()).unwrap();
        let calm_kib = peak_kib(daemon.pid()).unwrap();
        Self { provocation: Provocation::begin().unwrap(), daemon, calm_kib, _machine: machine }
    }

    /// Expects that every reset was counted, that memory is bounded, and that the daemon exits normally.
    fn end(self, what: &str) {
        let Self { daemon, provocation, calm_kib, .. } = self;
        let provoked = provocation.end(&daemon).unwrap();
        let growth = peak_kib(daemon.pid()).unwrap() - calm_kib;
        report(&format!(
            "{what}: {provoked} resets during the attack, all counted; {growth} KiB more than the {calm_kib} at rest"
        ));
        assert!(growth < MOST_GROWTH_KIB, "{what} took {growth} KiB");
        daemon.stop().unwrap();
    }
}

#[test]
fn slow_clients_do_not_keep_a_scraper_out() {
    const CLIENTS: usize = 600;
    const SCRAPES: usize = 10;
    if !daemon::unless_ready("slowloris") {
        return;
    }
    let siege = Siege::begin();
    let attack = SlowClients::attack(siege.daemon.address(), CLIENTS);
    let mut slowest = Duration::ZERO;
    for scrape in 0..SCRAPES {
        let started = Instant::now();
        siege.daemon.scrape().unwrap_or_else(|error| panic!("scrape {scrape}: {error:#}"));
        slowest = slowest.max(started.elapsed());
    }
    report(&format!("slowloris: the slowest of {SCRAPES} scrapes took {slowest:?}"));
    assert!(slowest < SCRAPE_TIMEOUT, "a scrape took {slowest:?}");
    drop(attack);
    siege.end("slowloris");
}

#[test]
fn a_thousand_scrapes_at_once_are_all_answered() {
    const SCRAPES: usize = 1000;
    if !daemon::unless_ready("parallel scrapes") {
        return;
    }
    let siege = Siege::begin();
    let address = siege.daemon.address();
    let together = Barrier::new(SCRAPES);
    let started = Instant::now();
    let answers: Vec<_> = thread::scope(|scope| {
        let scrape = || {
            together.wait();
            let mut stream = TcpStream::connect_timeout(&address, LATER)?;
            stream.set_read_timeout(Some(LATER))?;
            http::exchange(&mut stream, "/metrics", "")
        };
        let threads: Vec<_> = (0..SCRAPES).map(|_| scope.spawn(scrape)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut served = 0;
    for answer in answers {
        let answer = answer.expect("a scrape was neither answered nor refused");
        match answer.status {
            200 => {
                let metrics = Metrics::parse(&answer.body).unwrap();
                assert!(metrics.count(RESETS, &[]) > 0, "an answer without resets");
                served += 1;
            }
            503 => {}
            other => panic!("a scrape was answered {other}: {}", answer.body),
        }
    }
    report(&format!("parallel scrapes: {served} of {SCRAPES} served in {:?}", started.elapsed()));
    assert!(served > SCRAPES / 2, "only {served} were served");
    siege.end("parallel scrapes");
}

#[test]
fn headers_of_ten_megabytes_are_refused_with_an_answer() {
    const BYTES: usize = 10 * 1024 * 1024;
    const CLIENTS: usize = 16;
    if !daemon::unless_ready("large headers") {
        return;
    }
    let siege = Siege::begin();
    let address = siege.daemon.address();
    let one_line = [b"GET /metrics HTTP/1.1\r\nHost: test\r\nX-Long: ".to_vec(), vec![b'x'; BYTES]].concat();
    let line = b"X-Many: 0123456789012345678901234567890123456789\r\n";
    let many_lines = [b"GET /metrics HTTP/1.1\r\n".to_vec(), line.repeat(BYTES / line.len())].concat();
    let long_path = [b"GET /".to_vec(), vec![b'x'; BYTES]].concat();
    for (what, request) in [("one line", &one_line), ("many lines", &many_lines), ("a long path", &long_path)] {
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(move || {
                    let mut stream = TcpStream::connect_timeout(&address, SOON).unwrap();
                    stream.set_read_timeout(Some(LATER)).unwrap();
                    stream.write_all(request).unwrap_or_else(|error| panic!("{what}: sending: {error}"));
                    stream.shutdown(Shutdown::Write).unwrap();
                    let mut answer = String::new();
                    stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{what}: reading: {error}"));
                    let refused = ["HTTP/1.1 431 ", "HTTP/1.1 414 "].iter().any(|status| answer.starts_with(status));
                    assert!(refused, "{what}: answered {answer:?}");
                });
            }
        });
        siege.daemon.scrape().unwrap();
    }
    siege.end("large headers");
}

#[test]
fn random_bytes_on_both_sockets_do_no_harm() {
    const ROUNDS: usize = 400;
    const MOST_BYTES: usize = 20_000;
    if !daemon::unless_ready("random bytes") {
        return;
    }
    let siege = Siege::begin();
    let (address, path) = (siege.daemon.address(), siege.daemon.socket());
    let beginnings: [&[u8]; 5] =
        [b"", b"GET /metrics HTTP/1.1\r\n", b"GET ", b"\x16\x03\x01", b"GET /v1/events?filter= HTTP/1.1\r\nHost: "];
    let mut random = SplitMix(0x05ee_d0fa_5bad_b17e);
    for round in 0..ROUNDS {
        let length = random.below(MOST_BYTES);
        let bytes = [beginnings[random.below(beginnings.len())], &random.bytes(length)].concat();
        let tcp = TcpStream::connect_timeout(&address, SOON).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        let answer = talk(&tcp, &bytes, || tcp.shutdown(Shutdown::Write));
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "TCP, round {round}: {:?}", text(&answer));
        let unix = UnixStream::connect(&path).unwrap();
        unix.set_read_timeout(Some(SOON)).unwrap();
        let answer = talk(&unix, &bytes, || unix.shutdown(Shutdown::Write));
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "Unix, round {round}: {:?}", text(&answer));
    }
    siege.daemon.scrape().unwrap();
    // The Unix socket still works.
    let socket = path.display().to_string();
    let doctor = daemon::rstmon(&["doctor", "--json", "--socket", &socket]).unwrap();
    assert!(doctor.status.success(), "doctor: {}", String::from_utf8_lossy(&doctor.stderr));
    siege.end("random bytes");
}

/// Sends bytes, ends its side, and reads the answer. The server may close the connection at any time, but has to.
fn talk<S>(stream: S, bytes: &[u8], end: impl Fn() -> std::io::Result<()>) -> Vec<u8>
where
    S: std::io::Read + std::io::Write,
{
    let mut stream = stream;
    let _ = stream.write_all(bytes);
    let _ = end();
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the server does not close the connection");
    }
    answer
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}

#[test]
fn all_attacks_together() {
    if !daemon::unless_ready("all together") {
        return;
    }
    let siege = Siege::begin();
    let address: SocketAddr = siege.daemon.address();
    let attack = SlowClients::attack(address, 200);
    thread::scope(|scope| {
        for seed in 0..8 {
            scope.spawn(move || {
                let mut random = SplitMix(seed);
                for _ in 0..50 {
                    let Ok(tcp) = TcpStream::connect_timeout(&address, SOON) else { continue };
                    let length = random.below(1 << 16);
                    // Closed without reading: half of these closes reset the connection, and are counted as well.
                    let _ = (&tcp).write_all(&random.bytes(length));
                }
            });
            scope.spawn(move || {
                for _ in 0..5 {
                    let scraped =
                        http::get_with(address, "/metrics", "Accept: application/openmetrics-text\r\n").unwrap();
                    assert_eq!(scraped.status, 200);
                    rstmon_tests::openmetrics::parse(&scraped.body).unwrap();
                }
            });
        }
    });
    drop(attack);
    siege.end("all together");
}
