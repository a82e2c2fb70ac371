//! Connections that have not been accepted: the listener is closed, or its queue is full.

use crate::{
    connection::{self, Connection, Recipe},
    scene::{End, Expected, ExpectedNumber, Scene, Watch},
    sockets::{self, Orphan},
    stage::Stage,
    sysctl::Sysctl,
    wait::{self, LATER},
};
use anyhow::Result;

/// A listener is closed with an established connection in its accept queue.
///
/// # Errors
/// When a step fails.
pub fn listener_closed(stage: &Stage) -> Result<Scene> {
    unaccepted(stage, "listener_closed", |pair| pair.server.ask("close l").map(drop))
}

/// The same, because the server is killed.
///
/// # Errors
/// When a step fails.
pub(crate) fn listener_died(stage: &Stage) -> Result<Scene> {
    unaccepted(stage, "process_exit", |pair| pair.server.kill())
}

fn unaccepted(stage: &Stage, cause: &'static str, end: fn(&mut Connection) -> Result<()>) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::make(stage, Recipe { accept: false, ..Recipe::default() })?;
    end(&mut pair)?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_state", "established").because(cause, "certain"),
        Expected::received(&pair.client_end(), "established").because("peer_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnData", 0), ("EstabResets", 2)])
    .saw(libc::ECONNRESET, pair.client.refused("recv c 1")?)
    .keep(pair))
}

/// The accept queue is full when a handshake completes, and `tcp_abort_on_overflow` is set.
///
/// # Errors
/// When a step fails.
pub(crate) fn overflow_with_abort(stage: &Stage) -> Result<Scene> {
    let abort = Sysctl::set(stage.server(), "ipv4/tcp_abort_on_overflow", "1")?;
    let watch = Watch::on(stage.server())?;
    let mut full = FullQueue::prepare(stage, 30)?;
    full.pair.client.ask("send late 9")?;
    let server = full.server_end();
    Ok(Scene::new(vec![
        // The reset is reported for the listener's socket: the connection has none.
        Expected::sent(&server, "invalid_syn", "listen")
            .because("listener_overflow", "certain")
            .with("backlog", ExpectedNumber::Exactly(2))
            .with("backlog_limit", ExpectedNumber::Exactly(1)),
        Expected::received(&full.client_end(), "established").because("request_reset", "likely"),
    ])
    .grew(
        watch,
        &[("OutRsts", 1), ("ListenOverflows", 1), ("ListenDrops", 1), ("EmbryonicRsts", 1), ("EstabResets", 1)],
    )
    .saw(libc::ECONNRESET, full.pair.client.refused("recv late 1")?)
    .keep((full.pair, abort)))
}

/// The same with `tcp_abort_on_overflow` unset, the default: no reset is sent at once. The client is connected; when
/// the server has forgotten the half-open connection, the client's next segment reaches the listener without a
/// handshake.
///
/// # Errors
/// When a step fails.
pub(crate) fn overflow_without_abort(stage: &Stage) -> Result<Scene> {
    // The half-open connection is forgotten after 1 s + 2 s.
    let retries = Sysctl::set(stage.server(), "ipv4/tcp_synack_retries", "1")?;
    let watch = Watch::on(stage.server())?;
    let mut full = FullQueue::prepare(stage, 1)?;
    full.pair.client.ask("send late 9")?;
    wait::until_true("the listener to answer with a reset", LATER, || Ok(watch.growth()?.get("OutRsts") > 0))?;
    Ok(Scene::new(vec![
        Expected::sent(&full.server_end(), "tcp_flags", "listen")
            .because("listener_overflow", "likely")
            .with("backlog", ExpectedNumber::Exactly(2))
            .with("backlog_limit", ExpectedNumber::Exactly(1)),
        Expected::received(&full.client_end(), "established").because("request_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("EmbryonicRsts", 0), ("EstabResets", 1)])
    .saw(libc::ECONNRESET, full.pair.client.refused("recv late 1")?)
    .keep((full.pair, retries)))
}

/// The same, but the queue has room again when the client's segment comes.
///
/// # Errors
/// When a step fails.
pub(crate) fn overflow_over(stage: &Stage) -> Result<Scene> {
    let retries = Sysctl::set(stage.server(), "ipv4/tcp_synack_retries", "1")?;
    let watch = Watch::on(stage.server())?;
    let mut full = FullQueue::prepare(stage, 1)?;
    wait::until_true("the half-open connection to be forgotten", LATER, || {
        Ok(sockets::orphan(stage.server(), full.pair.server_address.port(), full.late.port())? == Orphan::Gone)
    })?;
    full.pair.server.ask("accept l c")?;
    full.pair.client.ask("send late 9")?;
    wait::until_true("the listener to answer with a reset", LATER, || Ok(watch.growth()?.get("OutRsts") > 0))?;
    Ok(Scene::new(vec![
        Expected::sent(&full.server_end(), "tcp_flags", "listen")
            .judged("listener_overflow", "harmful")
            .given(&["listener_was_full"])
            .saying("was full")
            .with("backlog", ExpectedNumber::Exactly(1))
            .with("queue_full_ms_ago", ExpectedNumber::AtLeast(1)),
        Expected::received(&full.client_end(), "established").judged("peer_reset_idle", "harmful"),
    ])
    .grew(watch, &[("OutRsts", 1), ("EmbryonicRsts", 0), ("EstabResets", 1)])
    .saw(libc::ECONNRESET, full.pair.client.refused("recv late 1")?)
    .keep((full.pair, retries)))
}

/// A privileged process destroys a listener with a connection in its accept queue.
///
/// # Errors
/// When a step fails.
pub(crate) fn listener_destroyed(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::make(stage, Recipe { accept: false, ..Recipe::default() })?;
    stage.server().tool(&format!("ss -K -tl sport = :{}", pair.server_address.port()))?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_state", "established").judged("killed", "notice"),
        Expected::received(&pair.client_end(), "established").judged("peer_reset", "benign"),
    ])
    .grew(watch, &[("OutRsts", 1), ("EstabResets", 2)])
    .saw(libc::ECONNRESET, pair.client.refused("recv c 1")?)
    .keep(pair))
}

/// A listener whose queue is full, and one more client whose handshake is complete on the client's side only, because
/// the listener waits for data (`TCP_DEFER_ACCEPT`). A backlog of 1 has room for two connections.
struct FullQueue {
    pair: Connection,
    late: std::net::SocketAddr,
}

impl FullQueue {
    /// `patience` is how many seconds the listener waits for data.
    fn prepare(stage: &Stage, patience: u32) -> Result<Self> {
        let mut server = stage.server_actor("web")?;
        let mut client = stage.client_actor("caller")?;
        let service = connection::listen(stage, &mut server, None, 1)?;
        server.ask(&format!("set l defer-accept {patience}"))?;
        let late = connection::dial(stage, &mut client, None, "late", service)?;
        let first = connection::dial(stage, &mut client, None, "c", service)?;
        client.ask("send c 1")?;
        connection::dial(stage, &mut client, None, "second", service)?;
        client.ask("send second 1")?;
        let pair = Connection { server, client, server_address: service, client_address: first };
        Ok(Self { pair, late })
    }

    fn server_end(&self) -> End {
        End { remote: self.late, ..self.pair.server_end() }
    }

    fn client_end(&self) -> End {
        End { local: self.late, ..self.pair.client_end() }
    }
}
