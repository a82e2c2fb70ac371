//! Common resets of a real nginx.

use super::late;
use crate::{
    actor::{Actor, TcpState},
    connection,
    nginx::{Nginx, NginxSetup},
    scene::{End, Expected, ExpectedNumber, Scene, Watch},
    sockets::{self, Orphan},
    stage::Stage,
    wait::{self, SOON},
};
use anyhow::{Context as _, Result};
use std::net::SocketAddr;

/// A client closes the connection in the middle of a long response.
///
/// # Errors
/// When a step fails.
pub(crate) fn client_cancels_response(stage: &Stage) -> Result<Scene> {
    let nginx = start(stage, NginxSetup::default())?;
    let watch = Watch::on(stage.server())?;
    let (mut browser, worker) = downloading(stage, &nginx)?;
    browser.ask("close c")?;
    let browser_end = End::of(&browser, worker.remote, worker.local);
    Ok(Scene::new(vec![
        Expected::sent(&browser_end, "tcp_abort_on_close", "established").because("closed_with_unread_data", "certain"),
        Expected::received(&worker, "established")
            .because("peer_aborted", "likely")
            .with("unsent_bytes", ExpectedNumber::AtLeast(1)),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnClose", 1), ("EstabResets", 2)])
    .keep((browser, nginx)))
}

/// A client reuses its connection at the moment when nginx closes it for being idle.
///
/// # Errors
/// When a step fails.
pub(crate) fn keepalive_race(stage: &Stage) -> Result<Scene> {
    let nginx = start(stage, NginxSetup { keepalive_seconds: 1, ..NginxSetup::default() })?;
    let watch = Watch::on(stage.server())?;
    let mut pool = stage.client_actor("pool")?;
    let local = connection::dial(stage, &mut pool, None, "c", nginx.address())?;
    pool.ask("get c /small")?;
    wait::until_true("the response", SOON, || Ok(pool.ask("look c")?.get::<u64>("unread")? > 0))?;
    let worker = worker_end(stage, &nginx, local)?;
    let unread: u64 = pool.ask("look c")?.get("unread")?;
    pool.ask(&format!("recv c {unread}"))?;
    pool.await_state("c", TcpState::CloseWait)?;
    late::await_orphan(stage, nginx.address(), local, Orphan::Mini)?;
    pool.ask("get c /small")?;
    let pool_end = End::of(&pool, local, nginx.address());
    Ok(Scene::new(vec![
        Expected::sent(&worker, "tcp_timewait_socket", "time_wait")
            .because("keepalive_race", "likely")
            .with("idle_before_close_ms", ExpectedNumber::Between(900, 5000))
            .with("closed_ms_ago", ExpectedNumber::Between(0, 1000)),
        Expected::received(&pool_end, "close_wait").because("wrote_to_closed_peer", "certain"),
    ])
    .grew(watch, &[("OutRsts", 1), ("EstabResets", 1)])
    .saw(libc::EPIPE, pool.refused("send c 1")?)
    .keep((pool, nginx)))
}

/// A backend closes without having read the request; the proxy in front of it gets the reset.
///
/// # Errors
/// When a step fails.
pub fn backend_aborts_behind_proxy(stage: &Stage) -> Result<Scene> {
    let mut backend = stage.server_actor("backend")?;
    let service = connection::listen(stage, &mut backend, None, 16)?;
    let nginx = start(stage, NginxSetup { backend: Some(service), ..NginxSetup::default() })?;
    let watch = Watch::on(stage.server())?;
    let mut browser = stage.client_actor("browser")?;
    connection::dial(stage, &mut browser, None, "c", nginx.address())?;
    browser.ask("get c /proxy/")?;
    let upstream: SocketAddr = backend.ask("accept l c")?.get("peer")?;
    wait::until_true("the request", SOON, || Ok(backend.ask("look c")?.get::<u64>("unread")? > 0))?;
    wait::until_true("the acknowledgement", SOON, || {
        Ok(sockets::find(stage.server(), upstream, service)?.is_some_and(|socket| socket.send_queue == 0))
    })?;
    let worker = nginx.owner(stage.server(), upstream, service)?.context("no worker has the upstream connection")?;
    backend.ask("close c")?;
    let proxy = End { pid: worker, comm: "nginx".to_owned(), local: upstream, remote: service };
    Ok(Scene::new(vec![
        Expected::sent(&End::of(&backend, service, upstream), "tcp_abort_on_close", "established")
            .because("closed_with_unread_data", "certain"),
        Expected::received(&proxy, "established").because("request_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnClose", 1), ("EstabResets", 2)])
    .keep((browser, backend, nginx)))
}

/// Starts nginx at a port of the server's.
///
/// # Errors
/// When it does not start.
pub(crate) fn start(stage: &Stage, setup: NginxSetup) -> Result<Nginx> {
    Nginx::start(stage.server(), stage.server_address(stage.closed_port()?), setup)
}

/// nginx' end of a client's connection, once a worker has accepted it.
///
/// # Errors
/// When no worker accepts it in time.
pub(crate) fn worker_end(stage: &Stage, nginx: &Nginx, client: SocketAddr) -> Result<End> {
    let pid = wait::until("a worker to accept", SOON, || nginx.owner(stage.server(), nginx.address(), client))?;
    Ok(End { pid, comm: "nginx".to_owned(), local: nginx.address(), remote: client })
}

/// A client in the middle of a long response, and nginx' end of its connection. The response stops when the client's
/// buffer is full, so that nginx has more to send.
///
/// # Errors
/// When a step fails.
pub fn downloading(stage: &Stage, nginx: &Nginx) -> Result<(Actor, End)> {
    let mut browser = stage.client_actor("browser")?;
    let local = connection::dial(stage, &mut browser, None, "c", nginx.address())?;
    browser.ask("get c /big")?;
    let worker = worker_end(stage, nginx, local)?;
    wait::until_true("the response to halt", SOON, || nginx.is_stuck(stage.server(), local))?;
    Ok((browser, worker))
}
