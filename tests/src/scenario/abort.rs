//! Resets that an application or administrator requests: `SO_LINGER` 0, `TCP_LINGER2`, `connect(AF_UNSPEC)`,
//! `SOCK_DESTROY`.

use crate::{
    actor::TcpState,
    connection::Connection,
    scene::{Expected, ExpectedNumber, Scene, Watch},
    stage::Stage,
};
use anyhow::Result;

/// Number of unread bytes in scenarios about unread data.
pub(crate) const UNREAD: u64 = 1234;

/// `SO_LINGER` with time 0, then close, with all data read.
///
/// # Errors
/// When a step fails.
pub fn linger_zero(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    pair.server.ask("set c linger 0")?;
    pair.server.ask("close c")?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_state", "established").because("linger_abort", "certain"),
        Expected::received(&pair.client_end(), "established").because("peer_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnData", 1), ("TCPAbortOnClose", 0), ("EstabResets", 2)])
    .saw(libc::ECONNRESET, pair.client.refused("recv c 1")?)
    .keep(pair))
}

/// `SO_LINGER` with time 0, then close, with data unread: the kernel checks for unread data first.
///
/// # Errors
/// When a step fails.
pub(crate) fn linger_zero_with_unread_data(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    pair.client_writes(UNREAD)?;
    pair.server.ask("set c linger 0")?;
    pair.server.ask("close c")?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_abort_on_close", "established")
            .because("linger_abort", "certain")
            .with("unread_bytes", ExpectedNumber::Exactly(UNREAD)),
        Expected::received(&pair.client_end(), "established").because("request_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnClose", 1), ("TCPAbortOnData", 0), ("EstabResets", 2)])
    .saw(libc::ECONNRESET, pair.client.refused("recv c 1")?)
    .keep(pair))
}

/// `TCP_LINGER2` below 0: an orphan does not stay in `FIN_WAIT2`.
///
/// # Errors
/// When a step fails.
pub(crate) fn linger2_negative(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    pair.server.ask("set c linger2 -1")?;
    // The FIN has to be acknowledged first: the orphan must be in FIN_WAIT2 when it is closed.
    pair.server.ask("shutdown c")?;
    pair.server.await_state("c", TcpState::FinWait2)?;
    pair.server.ask("close c")?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_abort_on_linger", "fin_wait2").because("linger_abort", "certain"),
        Expected::received(&pair.client_end(), "close_wait").because("peer_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnLinger", 1), ("EstabResets", 1)])
    .keep(pair))
}

/// `TCP_LINGER2` below 0 and a plain close: the acknowledgement of the FIN is answered with a RST.
///
/// # Errors
/// When a step fails.
pub(crate) fn linger2_negative_at_once(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    pair.server.ask("set c linger2 -1")?;
    pair.server.ask("close c")?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_abort_on_data", "fin_wait2").because("linger_abort", "certain"),
        Expected::received(&pair.client_end(), "close_wait").because("peer_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnData", 1), ("EstabResets", 1)])
    .keep(pair))
}

/// `connect(AF_UNSPEC)` on an established connection.
///
/// # Errors
/// When a step fails.
pub fn disconnect(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    pair.client.ask("disconnect c")?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.client_end(), "tcp_state", "established").because("disconnect", "certain"),
        Expected::received(&pair.server_end(), "established").because("peer_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnData", 0), ("EstabResets", 2)])
    .saw(libc::ECONNRESET, pair.server.refused("recv c 1")?)
    .keep(pair))
}

/// An abortive close in `LAST_ACK` while written data has not been sent.
///
/// # Errors
/// When a step fails.
pub(crate) fn disconnect_with_unsent_data(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    pair.client.ask("shutdown c")?;
    pair.server.await_state("c", TcpState::CloseWait)?;
    // The client does not read: its window closes and the rest of the data is not sent.
    pair.server.ask("fill c")?;
    pair.server.ask("shutdown c")?;
    pair.server.await_state("c", TcpState::LastAck)?;
    pair.server.ask("set c linger 0")?;
    pair.server.ask("close c")?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_disconnect_with_data", "last_ack")
            .because("disconnect", "certain")
            // Both causes apply; `SO_LINGER` is visible in the socket.
            .without_reason("linger_abort", "certain")
            .with("unsent_bytes", ExpectedNumber::AtLeast(1)),
        Expected::received(&pair.client_end(), "fin_wait2").because("reset_while_closing", "certain"),
    ])
    .grew(watch, &[("OutRsts", 1), ("EstabResets", 0)])
    .keep(pair))
}

/// `ss -K`: a privileged process destroys the socket of another process.
///
/// # Errors
/// When a step fails.
pub(crate) fn destroyed(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    let (service, peer) = (pair.server_address, pair.client_address);
    stage.server().tool(&format!("ss -K -t src {service} dst {peer}"))?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_state", "established").because("killed", "certain"),
        Expected::received(&pair.client_end(), "established").because("peer_reset", "likely"),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnClose", 0), ("EstabResets", 2)])
    .saw(libc::ECONNABORTED, pair.server.refused("recv c 1")?)
    .saw(libc::ECONNRESET, pair.client.refused("recv c 1")?)
    .keep(pair))
}
