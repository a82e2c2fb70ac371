//! Verdicts about servers, proxies and clients that others wrote.

use super::{
    talk::LATE,
    web::{start, worker_end},
};
use crate::{
    actor::{Actor, TcpState},
    connection,
    nginx::NginxSetup,
    program::Program,
    scene::{ANY, End, Expected, ExpectedNumber, Scene, Watch},
    scratch,
    sockets::{self, Orphan},
    stage::Stage,
    wait::{self, LATER, SOON},
};
use anyhow::{Context as _, Result};
use rustix::process::Signal;
use std::{fs, net::SocketAddr};
use tempfile::TempDir;

/// The first lines of a request, as an actor says them.
const PART: &str = "GET_/small_HTTP/1.1|Host:_test|";

/// A client of nginx sends a part of its header and is timed out, by a close or by a reset.
///
/// # Errors
/// When a step fails.
pub(crate) fn header_timeout(stage: &Stage, by_reset: bool) -> Result<Scene> {
    let server_directives =
        if by_reset { "client_header_timeout 1s; reset_timedout_connection on;" } else { "client_header_timeout 1s;" };
    let nginx = start(stage, NginxSetup { server_directives, ..NginxSetup::default() })?;
    let watch = Watch::on(stage.server())?;
    let mut client = stage.client_actor("caller")?;
    let local = connection::dial(stage, &mut client, None, "c", nginx.address())?;
    client.ask(&format!("say c {PART}"))?;
    let worker = worker_end(stage, &nginx, local)?;
    let client_end = End::of(&client, local, nginx.address());
    let resets = if by_reset {
        client.await_state("c", TcpState::Close)?;
        vec![
            Expected::sent(&worker, "tcp_state", "established")
                .judged("linger_abort", "notice")
                .given(&["role=accepted", "phase=request"]),
            Expected::received(&client_end, "established")
                .judged("request_reset", "harmful")
                .given(&["role=opened", "phase=request"]),
        ]
    } else {
        await_closed(stage, &mut client, nginx.address(), local)?;
        client.ask(&format!("send c {LATE}"))?;
        vec![
            Expected::sent(&worker, "tcp_timewait_socket", "time_wait")
                .judged("request_timeout", "notice")
                .given(&["role=accepted", "phase=request"]),
            Expected::received(&client_end, "close_wait")
                .judged("wrote_to_closed_peer", "harmful")
                .given(&["role=opened"]),
        ]
    };
    Ok(Scene::new(resets).grew(watch, &[("OutRsts", 1)]).keep((client, nginx)))
}

/// nginx answers, shuts its side down, reads on until its client has been silent for a second (`lingering_close`), and
/// closes; then the client writes.
///
/// # Errors
/// When a step fails.
pub(crate) fn lingering_close(stage: &Stage) -> Result<Scene> {
    let server_directives = "lingering_close always; lingering_timeout 1s;";
    let nginx = start(stage, NginxSetup { server_directives, ..NginxSetup::default() })?;
    let watch = Watch::on(stage.server())?;
    let mut client = stage.client_actor("caller")?;
    let local = connection::dial(stage, &mut client, None, "c", nginx.address())?;
    let worker = worker_end(stage, &nginx, local)?;
    client.ask("say c GET_/small_HTTP/1.1|Host:_test|Connection:_close||")?;
    await_closed(stage, &mut client, nginx.address(), local)?;
    client.ask(&format!("send c {LATE}"))?;
    Ok(Scene::new(vec![
        Expected::sent(&worker, "tcp_timewait_socket", "time_wait")
            .judged("write_after_close", "notice")
            .given(&["role=accepted", "phase=half_closed"])
            // Since the last close, not since the shutdown.
            .with("closed_ms_ago", ExpectedNumber::Between(0, 900)),
        Expected::received(&End::of(&client, local, nginx.address()), "close_wait")
            .judged("wrote_to_closed_peer", "harmful")
            .given(&["role=opened"]),
    ])
    .grew(watch, &[("OutRsts", 1)])
    .keep((client, nginx)))
}

/// nginx rejects an upload by a 413, reads on for a second (`lingering_time`) and closes in the middle of it. Segments
/// that are in flight then are answered by further resets: how many there are depends on the two CPUs.
///
/// # Errors
/// When a step fails.
pub(crate) fn rejected_upload(stage: &Stage) -> Result<Scene> {
    /// More than fits through the loopback device until nginx closes.
    const UPLOAD: u64 = 1 << 40;
    let server_directives = "client_max_body_size 1k; lingering_time 1s;";
    let nginx = start(stage, NginxSetup { server_directives, ..NginxSetup::default() })?;
    let watch = Watch::on(stage.server())?;
    let mut client = stage.client_actor("caller")?;
    let local = connection::dial(stage, &mut client, None, "c", nginx.address())?;
    let worker = worker_end(stage, &nginx, local)?;
    client.ask(&format!("say c POST_/small_HTTP/1.1|Host:_test|Content-Length:_{UPLOAD}||"))?;
    let errno = client.refused(&format!("send c {UPLOAD}"))?;
    let echoes = watch.growth()?.get("OutRsts").saturating_sub(1);
    let mut resets = vec![
        Expected::sent(&worker, "tcp_abort_on_close", "established")
            .judged("closed_with_unread_data", "harmful")
            .given(&["role=accepted", "phase=request"])
            .with("unread_bytes", ExpectedNumber::AtLeast(1)),
        Expected::received(&End::of(&client, local, nginx.address()), "established")
            .judged("request_reset", "harmful")
            .given(&["role=opened", "phase=request"])
            .saying("answer"),
    ];
    let echo = Expected::sent(&worker, "tcp_flags", "listen").judged("already_reset", "benign").perhaps_unowned();
    resets.extend((0..echoes).map(|_| echo.clone()));
    Ok(Scene::new(resets)
        .grew(watch, &[("OutRsts", 1 + echoes), ("TCPAbortOnClose", 1)])
        .saw(libc::ECONNRESET, errno)
        .keep((client, nginx)))
}

/// nginx gives up on a backend (`proxy_read_timeout`), whose answer comes afterwards.
///
/// # Errors
/// When a step fails.
pub(crate) fn read_timeout(stage: &Stage) -> Result<Scene> {
    let mut backend = stage.server_actor("backend")?;
    let service = connection::listen(stage, &mut backend, None, 16)?;
    let setup =
        NginxSetup { backend: Some(service), server_directives: "proxy_read_timeout 1s;", ..NginxSetup::default() };
    let nginx = start(stage, setup)?;
    let watch = Watch::on(stage.server())?;
    let mut browser = stage.client_actor("browser")?;
    connection::dial(stage, &mut browser, None, "c", nginx.address())?;
    browser.ask("get c /proxy/")?;
    let upstream = accept_request(&mut backend)?;
    let worker = nginx.owner(stage.server(), upstream, service)?.context("no worker has the upstream connection")?;
    let worker = End { pid: worker, comm: "nginx".to_owned(), local: upstream, remote: service };
    let resets = gave_up(stage, &mut backend, &worker)?;
    Ok(Scene::new(resets).grew(watch, &[("OutRsts", 1)]).keep((browser, backend, nginx)))
}

/// curl gives up on a server (`--max-time`), whose answer comes afterwards.
///
/// # Errors
/// When a step fails.
pub(crate) fn curl_gives_up(stage: &Stage) -> Result<Scene> {
    client_gives_up(stage, "curl", |service| {
        ["--silent", "--max-time", "1", &format!("http://{service}/")].map(str::to_owned).to_vec()
    })
}

/// Python's `http.client` gives up on a server (`timeout`), whose answer comes afterwards.
///
/// # Errors
/// When a step fails.
pub(crate) fn python_gives_up(stage: &Stage) -> Result<Scene> {
    client_gives_up(stage, "python3", |service| {
        let program = format!(
            "import http.client, sys\n\
             connection = http.client.HTTPConnection('{service}', timeout=1)\n\
             connection.request('GET', '/')\n\
             try: connection.getresponse()\n\
             except TimeoutError: connection.close()\n\
             sys.stdin.read()\n"
        );
        vec!["-c".to_owned(), program]
    })
}

fn client_gives_up(stage: &Stage, name: &str, arguments: fn(SocketAddr) -> Vec<String>) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut server = stage.server_actor("web")?;
    let service = connection::listen(stage, &mut server, None, 16)?;
    let arguments = arguments(service);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = Program::start(stage.client(), name, &arguments)?;
    let local = accept_request(&mut server)?;
    let end = client.end(local, service)?;
    let resets = gave_up(stage, &mut server, &end)?;
    Ok(Scene::new(resets).grew(watch, &[("OutRsts", 1)]).keep((server, client)))
}

/// Accepts a connection in slot `c` and reads what comes first; returns the peer's address.
fn accept_request(server: &mut Actor) -> Result<SocketAddr> {
    let peer = server.ask("accept l c")?.get("peer")?;
    let unread: u64 = wait::until("the request", SOON, || {
        let unread: u64 = server.ask("look c")?.get("unread")?;
        Ok((unread > 0).then_some(unread))
    })?;
    server.ask(&format!("recv c {unread}"))?;
    Ok(peer)
}

/// Waits until a program has closed its connection to `server`, which then answers.
fn gave_up(stage: &Stage, server: &mut Actor, client: &End) -> Result<Vec<Expected>> {
    wait::until_true("the client to close", LATER, || {
        let left = sockets::orphan(stage.client(), client.local.port(), client.remote.port())?;
        Ok(left == Orphan::Mini && server.ask("look c")?.get::<u8>("state")? == TcpState::CloseWait as u8)
    })?;
    server.ask(&format!("send c {LATE}"))?;
    Ok(vec![
        Expected::sent(client, "tcp_timewait_socket", "time_wait")
            .judged("gave_up_waiting", "notice")
            .given(&["role=opened", "phase=request"]),
        Expected::received(&End::of(server, client.remote, client.local), "close_wait")
            .judged("wrote_to_closed_peer", "notice")
            .given(&["role=accepted"]),
    ])
}

/// nginx closes an idle TLS connection, and openssl answers its `close_notify` by its own. It is stopped meanwhile, so
/// that its answer does not come before the close.
///
/// # Errors
/// When a step fails.
pub(crate) fn tls_idle_close(stage: &Stage) -> Result<Scene> {
    let nginx = start(stage, NginxSetup { keepalive_seconds: 1, tls: true, ..NginxSetup::default() })?;
    let watch = Watch::on(stage.server())?;
    let service = nginx.address();
    let arguments = ["s_client", "-quiet", "-connect", &service.to_string()];
    let mut client = Program::start(stage.client(), "openssl", &arguments)?;
    let local = wait::until("the connection", SOON, || sockets::connected_to(stage.client(), service))?;
    let worker = worker_end(stage, &nginx, local)?;
    let end = client.end(local, service)?;
    client.write("GET /small HTTP/1.1\r\nHost: test\r\n\r\n")?;
    wait::until_true("the answer", SOON, || Ok(client.written()?.contains("small")))?;
    client.signal(Signal::STOP)?;
    wait::until_true("nginx to close", LATER, || {
        Ok(sockets::orphan(stage.server(), service.port(), local.port())? == Orphan::Mini)
    })?;
    client.signal(Signal::CONT)?;
    wait::until_true("the goodbye", SOON, || Ok(watch.growth()?.get("OutRsts") > 0))?;
    Ok(Scene::new(vec![
        Expected::sent(&worker, "tcp_timewait_socket", "time_wait")
            .judged("late_goodbye", "benign")
            .given(&["role=accepted"])
            .with("segment_bytes", ExpectedNumber::Between(24, 31)),
        Expected::received(&end, "close_wait").judged("wrote_to_closed_peer", "benign").given(&["role=opened"]),
    ])
    .grew(watch, &[("OutRsts", 1)])
    .keep((client, nginx)))
}

/// `HAProxy` checks a server by HTTP and aborts the connection when it has its answer.
///
/// # Errors
/// When a step fails.
pub(crate) fn haproxy_check(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut server = stage.server_actor("web")?;
    let service = connection::listen(stage, &mut server, None, 16)?;
    let haproxy = Haproxy::start(stage, "mode http\noption httpchk GET /", &format!("{service} check inter 60s"))?;
    let check = accept_request(&mut server)?;
    server.ask("say c HTTP/1.1_200_OK|Content-Length:_100|| 100")?;
    server.await_state("c", TcpState::Close)?;
    let sent = Expected::sent(&haproxy.program.end(check, service)?, "", "established");
    Ok(Scene::new(vec![
        // The answer may have been read or not.
        Expected { reason: None, ..sent }.judged("linger_abort", "benign").given(&["role=opened", "phase=answer"]),
        Expected::received(&End::of(&server, service, check), "established")
            // By whether the answer had been acknowledged.
            .judged(ANY, "notice")
            .given(&["role=accepted", "phase=answer"]),
    ])
    .grew(watch, &[("OutRsts", 1)])
    .keep((server, haproxy)))
}

/// `HAProxy` ends an idle TCP session (`timeout client`, `timeout server`): a FIN and, right behind it, a reset to the
/// server.
///
/// # Errors
/// When a step fails.
pub(crate) fn haproxy_idle(stage: &Stage) -> Result<Scene> {
    session(stage, true, ("idle_abort", "phase=idle"), "peer_reset")
}

/// `HAProxy` gives up on a server that owes an answer, in the same way.
///
/// # Errors
/// When a step fails.
pub(crate) fn haproxy_gives_up(stage: &Stage) -> Result<Scene> {
    session(stage, false, ("gave_up_waiting", "phase=request"), "peer_aborted")
}

fn session(stage: &Stage, answered: bool, sent: (&'static str, &'static str), received: &'static str) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut server = stage.server_actor("web")?;
    let service = connection::listen(stage, &mut server, None, 16)?;
    let haproxy = Haproxy::start(stage, "mode tcp", &service.to_string())?;
    let mut client = stage.client_actor("caller")?;
    connection::dial(stage, &mut client, None, "c", haproxy.address)?;
    client.ask(&format!("send c {LATE}"))?;
    let upstream = accept_request(&mut server)?;
    if answered {
        server.ask(&format!("send c {LATE}"))?;
        client.ask(&format!("recv c {LATE}"))?;
    }
    let end = haproxy.program.end(upstream, service)?;
    server.await_state("c", TcpState::Close)?;
    let abort = Expected::sent(&end, "tcp_state", "");
    Ok(Scene::new(vec![
        Expected { state: None, ..abort }.judged(sent.0, "notice").given(&["role=opened", sent.1]),
        Expected::received(&End::of(&server, service, upstream), "close_wait")
            .judged(received, "notice")
            .given(&["role=accepted"]),
    ])
    .grew(watch, &[("OutRsts", 1)])
    .keep((client, server, haproxy)))
}

/// `HAProxy` with one listener and one server behind it, and timeouts of a second.
struct Haproxy {
    program: Program,
    address: SocketAddr,
    _directory: TempDir,
}

impl Haproxy {
    fn start(stage: &Stage, mode: &str, server: &str) -> Result<Self> {
        let address = stage.server_address(stage.closed_port()?);
        let directory = scratch::directory()?;
        let path = directory.path().join("haproxy.cfg");
        let timeouts = "timeout connect 5s\ntimeout client 1s\ntimeout server 1s";
        fs::write(&path, format!("listen main\n{timeouts}\n{mode}\nbind {address}\nserver one {server}\n"))?;
        let program = Program::start(stage.server(), "haproxy", &["-db", "-f", &path.display().to_string()])?;
        wait::until_true("HAProxy to listen", SOON, || {
            Ok(sockets::orphan(stage.server(), address.port(), 0)? == Orphan::Full(TcpState::Listen as u8))
        })?;
        Ok(Self { program, address, _directory: directory })
    }
}

/// Waits until a server has closed its end of a client's connection, and only its mini socket is left.
fn await_closed(stage: &Stage, client: &mut Actor, server: SocketAddr, local: SocketAddr) -> Result<()> {
    client.await_state("c", TcpState::CloseWait)?;
    wait::until_true("the server to close", LATER, || {
        Ok(sockets::orphan(stage.server(), server.port(), local.port())? == Orphan::Mini)
    })
}
