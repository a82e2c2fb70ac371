//! Clients that are broken, slow, greedy or malicious.

use super::*;

#[tokio::test]
async fn an_oversized_header_is_431() {
    let server = start(FakeSource::default()).await;
    let long = format!("X-Long: {}\r\n", "x".repeat(64 * 1024));
    let answer = exchange(server.connect().await, &request("GET", "/metrics", &long)).await;
    assert_status(&answer, 431);
    let many = "X-Many: 1\r\n".repeat(200);
    let answer = exchange(server.connect().await, &request("GET", "/metrics", &many)).await;
    assert_status(&answer, 431);
}

#[tokio::test]
async fn a_half_sent_request_is_cut() {
    let server = start_with(FakeSource::default(), |options, _| {
        options.tcp_limits.header = Duration::from_millis(50);
    })
    .await;
    for half in ["", "GET /metrics HTTP/1.1\r\nHost:"] {
        // `exchange` returns only when the server closes.
        let answer = exchange(server.connect().await, half.as_bytes()).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "found {answer:?}");
    }
    assert_status(&server.get("/metrics").await, 200);
}

#[tokio::test]
async fn an_idle_connection_is_cut() {
    let server = start_with(FakeSource::default(), |options, _| {
        options.tcp_limits.idle = Some(Duration::from_millis(50));
    })
    .await;
    let kept_alive = b"GET /-/healthy HTTP/1.1\r\nHost: test\r\n\r\n";
    assert_status(&exchange(server.connect().await, kept_alive).await, 200);
}

#[tokio::test]
async fn a_body_is_neither_awaited_nor_kept() {
    let server = start(FakeSource::default()).await;
    // Announces a gigabyte and sends none of it.
    let announcement = request("GET", "/metrics", "Content-Length: 1000000000\r\n");
    assert_status(&exchange(server.connect().await, &announcement).await, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let server = start_with(FakeSource::default(), |options, _| {
        options.tcp_limits.write = Some(Duration::from_millis(100));
        options.tcp_limits.connections = 1;
    })
    .await;
    let mut greedy = server.connect().await;
    // Sends requests until the answers fill all buffers on the way; the server then waits for this client to read. The
    // write fails once the server has cut the connection.
    let page = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1000);
    let requests = async { while greedy.write_all(&page).await.is_ok() {} };
    timeout(PATIENCE, requests).await.expect("the connection is cut");
    // The only slot is free again.
    assert_status(&server.get("/metrics").await, 200);
}

#[tokio::test]
async fn idle_connections_make_room_for_new_ones() {
    let connections = 8;
    let server = start_with(FakeSource::default(), |options, _| options.tcp_limits.connections = connections).await;
    let mut idle = Vec::new();
    // More clients than slots: each sends one request and stays connected.
    for _ in 0..3 * connections {
        let mut stream = server.connect().await;
        stream.write_all(b"HEAD /-/healthy HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        let mut status = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut status)).await.expect("an answer").unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        idle.push(stream);
    }
    server.stop().await;
}

#[tokio::test]
async fn connections_wait_for_a_slot() {
    let server = start_with(FakeSource::default(), |options, _| options.tcp_limits.connections = 2).await;
    let server = Arc::new(server);
    let scrapes: Vec<_> = (0..32)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move { server.get("/metrics").await })
        })
        .collect();
    for scrape in scrapes {
        assert_status(&scrape.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_stuck_client_does_not_hold_up_the_stop() {
    let server = start_with(FakeSource::default(), |options, _| {
        options.tcp_limits.grace = Duration::from_millis(50);
    })
    .await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /metrics HT").await.unwrap();
    server.stop().await;
}

/// Deterministic mutations of valid requests: nothing panics, hangs or stops the server.
#[tokio::test(flavor = "multi_thread")]
async fn mutated_requests_are_answered_or_refused() {
    const ROUNDS: u64 = 600;
    let server = start_with(FakeSource::default(), |options, _| {
        options.tcp_limits.header = Duration::from_millis(20);
        options.tcp_limits.idle = Some(Duration::from_millis(20));
    })
    .await;
    let seeds = [
        request("GET", "/metrics", ""),
        request("HEAD", "/-/ready?x=%00&y", "Expect: 100-continue\r\nContent-Length: 5\r\n"),
        request("POST", "/", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
        request("GET", "http://[::1]:80/metrics", "Upgrade: websocket\r\n"),
        b"GET / HTTP/1.0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
    ];
    let mut random = SplitMix64(0x5eed);
    for round in 0..ROUNDS {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            random.mutate(&mut bytes);
        }
        let exchange = timeout(PATIENCE / 2, exchange(server.connect().await, &bytes));
        let readable = String::from_utf8_lossy(&bytes);
        let answer = exchange.await.unwrap_or_else(|_| panic!("round {round}: {readable:?} hangs"));
        let well_formed = answer.is_empty() || answer.starts_with("HTTP/1.");
        assert!(well_formed, "round {round}: {readable:?} got {answer:?}");
    }
    assert_status(&server.get("/metrics").await, 200);
    server.stop().await;
}

/// The pseudo-random generator splitmix64: the same bytes on every run.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, u8::try_from(self.below(256)).unwrap()),
            3 => drop(bytes.drain(at..(at + self.below(8)).min(bytes.len()))),
            4 => {
                let copy = bytes[at..(at + self.below(32)).min(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => drop(bytes.splice(at..at, std::iter::repeat_n(b'%', 300))),
        }
    }
}

/// Opens connections that send half a request, and opens a new one for each that is cut.
fn slowloris(address: SocketAddr, clients: usize) -> Vec<JoinHandle<()>> {
    let attack = move || async move {
        while let Ok(mut stream) = TcpStream::connect(address).await {
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ").await;
            let _ = stream.read(&mut [0]).await;
        }
    };
    (0..clients).map(|_| tokio::spawn(attack())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_do_not_keep_others_out() {
    let server = start_with(FakeSource::default(), |options, _| {
        options.tcp_limits.connections = 8;
        options.tcp_limits.evict_after = Some(Duration::from_millis(20));
        // Only eviction ends the slow connections.
        options.tcp_limits.header = Duration::from_hours(1);
    })
    .await;
    let mut idle = server.connect().await;
    idle.write_all(b"HEAD /-/healthy HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();
    let attack = slowloris(server.address, 40);
    for _ in 0..20 {
        assert_status(&server.get("/metrics").await, 200);
    }
    // The client that has sent a whole request before is not evicted while there are others to evict.
    idle.write_all(b"HEAD /-/healthy HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
    timeout(PATIENCE, idle.read_exact(&mut [0; 100])).await.expect("an answer").unwrap();
    attack.iter().for_each(JoinHandle::abort);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_on_the_socket_does_not_keep_its_members_out() {
    const CROWD: usize = 40;
    let server = start_with(FakeSource::default(), |options, _| {
        options.unix_limits.connections = 8;
        options.unix_limits.evict_after = Some(Duration::from_millis(20));
        // Only eviction ends the silent connections.
        options.unix_limits.header = Duration::from_hours(1);
    })
    .await;
    let mut follower =
        server.client().events(Past { last: 0, since: Timestamp::MIN }, &Filter::default()).await.unwrap();
    let silent = |socket: PathBuf| async move {
        while let Ok(mut stream) = tokio::net::UnixStream::connect(&socket).await {
            let _ = stream.read(&mut [0]).await;
        }
    };
    let crowd: Vec<_> = (0..CROWD).map(|_| tokio::spawn(silent(server.socket.clone()))).collect();
    for _ in 0..20 {
        timeout(PATIENCE, server.client().version()).await.expect("an answer").unwrap();
    }
    // A follower is silent, too, and keeps its place.
    server.source.publish("line");
    let line = timeout(PATIENCE, futures_util::TryStreamExt::try_next(&mut follower)).await.expect("a line").unwrap();
    assert_eq!(line.as_deref(), Some("line"));
    crowd.iter().for_each(JoinHandle::abort);
    server.stop().await;
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_400() {
    let server = start(FakeSource::default()).await;
    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host: a\r\nHost: a\r\n", "Host: a b\r\n"] {
        let asked = format!("GET /metrics HTTP/1.1\r\n{hosts}\r\n");
        assert_status(&exchange(server.connect().await, asked.as_bytes()).await, 400);
        let socket = tokio::net::UnixStream::connect(&server.socket).await.unwrap();
        assert_status(&exchange(socket, asked.replace("/metrics", "/v1/version").as_bytes()).await, 400);
    }
    let answer = exchange(server.connect().await, b"GET /metrics HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200"), "HTTP/1.0 needs none, found {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_too_much_still_reads_the_refusal() {
    const MEGABYTE: usize = 1024 * 1024;
    let server = start(FakeSource::default()).await;
    for (head, status) in [
        ("GET /metrics HTTP/1.1\r\nX-Long: ", 431),
        ("POST /metrics HTTP/1.1\r\nHost: test\r\nContent-Length: 10485760\r\n\r\n", 405),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..10 {
            stream.write_all(&vec![b'x'; MEGABYTE]).await.expect("a reset while sending");
        }
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("a reset instead of the answer");
        assert_status(&answer, status);
    }
}
