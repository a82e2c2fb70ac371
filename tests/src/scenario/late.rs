//! Data that arrives after the receiver has closed the connection.
//!
//! A closed connection lives on as an orphan in `FIN_WAIT1`, as an orphan or a mini socket in `FIN_WAIT2`, and as a
//! mini socket in `TIME_WAIT`; the kernel answers late data differently in each (`tcp_input.c`, `tcp_minisocks.c`).

use crate::{
    actor::{Actor, TcpState},
    connection::Connection,
    scene::{End, Expected, ExpectedNumber, Scene, Watch},
    sockets::{self, Orphan},
    stage::Stage,
    sysctl::Sysctl,
    wait::{self, SOON},
};
use anyhow::Result;
use std::net::SocketAddr;

/// Length of the late write.
const LATE: u64 = 312;

/// The orphan still has data to send for which the peer has no room. The kernel runs `tcp_reset` for the late data, so
/// that `tcp_receive_reset` fires although no reset was received.
///
/// # Errors
/// When a step fails.
pub(crate) fn in_fin_wait1(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    pair.server.ask("fill c")?;
    pair.server.ask("close c")?;
    pair.client.ask(&format!("send c {LATE}"))?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_abort_on_data", "fin_wait1").because("write_after_close", "certain"),
        Expected::received(&pair.client_end(), "established").because("request_reset", "likely"),
    ])
    .with_false_receive()
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnData", 1), ("EstabResets", 1)])
    .saw(libc::ECONNRESET, pair.client.refused("send c 1")?)
    .keep(pair))
}

/// A full socket in `FIN_WAIT2`: only if `tcp_fin_timeout` or `TCP_LINGER2` is longer than `TIME_WAIT` lasts (60 s).
///
/// # Errors
/// When a step fails.
pub(crate) fn in_fin_wait2(stage: &Stage) -> Result<Scene> {
    let timeout = Sysctl::set(stage.server(), "ipv4/tcp_fin_timeout", "120")?;
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    close_and_be_noticed(stage, &mut pair, Orphan::Full(TcpState::FinWait2 as u8))?;
    pair.client.ask(&format!("send c {LATE}"))?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_abort_on_data", "fin_wait2").because("request_timeout", "likely"),
        wrote_to_closed_peer(&pair),
    ])
    .with_false_receive()
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnData", 1), ("EstabResets", 1)])
    .saw(libc::EPIPE, pair.client.refused("send c 1")?)
    .keep((pair, timeout)))
}

/// A mini socket, the usual case.
///
/// # Errors
/// When a step fails.
pub fn in_time_wait(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    close_and_be_noticed(stage, &mut pair, Orphan::Mini)?;
    pair.client.ask(&format!("send c {LATE}"))?;
    Ok(Scene::new(vec![answered_by_mini_socket(&pair), wrote_to_closed_peer(&pair)])
        .grew(watch, &[("OutRsts", 1), ("TCPAbortOnData", 0), ("EstabResets", 1)])
        .saw(libc::EPIPE, pair.client.refused("send c 1")?)
        .keep(pair))
}

/// The same after the process that closed has ended: only a tombstone names the owner.
///
/// # Errors
/// When a step fails.
pub fn after_exit(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    close_and_be_noticed(stage, &mut pair, Orphan::Mini)?;
    let reset = answered_by_mini_socket(&pair);
    pair.server.exit(0)?;
    pair.client.ask(&format!("send c {LATE}"))?;
    Ok(Scene::new(vec![reset, wrote_to_closed_peer(&pair)])
        .grew(watch, &[("OutRsts", 1), ("EstabResets", 1)])
        .saw(libc::EPIPE, pair.client.refused("send c 1")?)
        .keep(pair))
}

/// The kernel keeps nothing of the connection (no `TIME_WAIT` left) and there is no listener: to the kernel the segment
/// matches no connection. Only a tombstone shows that a local process has closed it.
///
/// # Errors
/// When a step fails.
pub(crate) fn after_the_kernel_forgot(stage: &Stage) -> Result<Scene> {
    forgotten(
        stage,
        |server| server.ask("close l").map(drop),
        |end| Expected { state: None, ..Expected::sent(end, "no_socket", "") },
    )
}

/// The same with the listener still there: it gets the late data, without a handshake.
///
/// # Errors
/// When a step fails.
pub(crate) fn after_the_kernel_forgot_but_listens(stage: &Stage) -> Result<Scene> {
    forgotten(stage, |_| Ok(()), |end| Expected::sent(end, "tcp_flags", "listen"))
}

fn forgotten(stage: &Stage, meanwhile: fn(&mut Actor) -> Result<()>, answer: fn(&End) -> Expected) -> Result<Scene> {
    let buckets = Sysctl::set(stage.server(), "ipv4/tcp_max_tw_buckets", "0")?;
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    meanwhile(&mut pair.server)?;
    close_and_be_noticed(stage, &mut pair, Orphan::Gone)?;
    pair.client.ask(&format!("send c {LATE}"))?;
    let reset = answer(&pair.server_end()).because("request_timeout", "likely");
    Ok(Scene::new(vec![reset, wrote_to_closed_peer(&pair)])
        .grew(watch, &[("OutRsts", 1), ("TCPTimeWaitOverflow", 1), ("EstabResets", 1)])
        .saw(libc::EPIPE, pair.client.refused("send c 1")?)
        .keep((pair, buckets)))
}

/// The server closes; the client's kernel acknowledges the FIN, but its process does not read. Until the
/// acknowledgement, which may be delayed by 200 ms, arrives, the server's socket is in `FIN_WAIT1` and would answer
/// differently.
fn close_and_be_noticed(stage: &Stage, pair: &mut Connection, leaves: Orphan) -> Result<()> {
    pair.server.ask("close c")?;
    pair.client.await_state("c", TcpState::CloseWait)?;
    await_orphan(stage, pair.server_address, pair.client_address, leaves)
}

/// Waits until the socket that was closed at the server has become what `leaves` says.
///
/// # Errors
/// When it does not in time.
pub(crate) fn await_orphan(stage: &Stage, local: SocketAddr, remote: SocketAddr, leaves: Orphan) -> Result<()> {
    wait::until_true(&format!("the closed socket to be {leaves:?}"), SOON, || {
        Ok(sockets::orphan(stage.server(), local.port(), remote.port())? == leaves)
    })
}

fn answered_by_mini_socket(pair: &Connection) -> Expected {
    let reset = Expected::sent(&pair.server_end(), "tcp_timewait_socket", "time_wait");
    reset.because("request_timeout", "likely").with("closed_ms_ago", ExpectedNumber::Between(0, 10_000))
}

fn wrote_to_closed_peer(pair: &Connection) -> Expected {
    Expected::received(&pair.client_end(), "close_wait")
        .because("wrote_to_closed_peer", "certain")
        .with("unacked_bytes", ExpectedNumber::AtLeast(LATE))
}
