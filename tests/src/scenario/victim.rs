//! A client that resets a connection while the server's socket, the victim, is in each of the states in which the
//! kernel reports it.

use crate::{
    actor::TcpState,
    connection::Connection,
    scene::{Expected, Scene, Watch},
    stage::Stage,
};
use anyhow::Result;

/// What is expected of a scenario, besides the server's state.
struct Meeting {
    state: &'static str,
    /// Reason and state of the reset that the client sends.
    sent: (&'static str, &'static str),
    sent_because: &'static str,
    received_because: (&'static str, &'static str),
    established_resets: u64,
}

/// The victim is connected and idle.
///
/// # Errors
/// When a step fails.
pub fn established(stage: &Stage) -> Result<Scene> {
    meet(
        stage,
        |_| Ok(()),
        &Meeting {
            state: "established",
            sent: ("tcp_state", "established"),
            sent_because: "linger_abort",
            received_because: ("peer_reset", "likely"),
            established_resets: 2,
        },
    )
}

/// The peer has half-closed the connection, the victim has not closed it.
///
/// # Errors
/// When a step fails.
pub(crate) fn close_wait(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.client.ask("shutdown c")?;
        pair.client.await_state("c", TcpState::FinWait2)?;
        pair.server.await_state("c", TcpState::CloseWait)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "close_wait",
            sent: ("tcp_state", "fin_wait2"),
            sent_because: "linger_abort",
            received_because: ("peer_reset", "likely"),
            established_resets: 1,
        },
    )
}

/// The victim has shut down its side, but the peer has no room for the data before the FIN.
///
/// # Errors
/// When a step fails.
pub fn fin_wait1(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.server.ask("fill c")?;
        pair.server.ask("shutdown c")?;
        pair.server.await_state("c", TcpState::FinWait1)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "fin_wait1",
            sent: ("tcp_abort_on_close", "established"),
            sent_because: "linger_abort",
            received_because: ("peer_aborted", "likely"),
            established_resets: 1,
        },
    )
}

/// The victim has shut down its side, and the peer has acknowledged the FIN.
///
/// # Errors
/// When a step fails.
pub(crate) fn fin_wait2(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.server.ask("shutdown c")?;
        pair.server.await_state("c", TcpState::FinWait2)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "fin_wait2",
            sent: ("tcp_state", "close_wait"),
            sent_because: "linger_abort",
            received_because: ("reset_while_closing", "certain"),
            established_resets: 1,
        },
    )
}

/// Both have shut down their sides, and the victim's FIN waits for room.
///
/// # Errors
/// When a step fails.
pub(crate) fn closing(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.server.ask("fill c")?;
        pair.server.ask("shutdown c")?;
        pair.client.ask("shutdown c")?;
        pair.client.await_state("c", TcpState::FinWait2)?;
        pair.server.await_state("c", TcpState::Closing)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "closing",
            sent: ("tcp_abort_on_close", "fin_wait2"),
            sent_because: "linger_abort",
            received_because: ("peer_aborted", "likely"),
            established_resets: 0,
        },
    )
}

/// The peer has shut down its side first, the victim second, with data still to deliver.
///
/// # Errors
/// When a step fails.
pub(crate) fn last_ack(stage: &Stage) -> Result<Scene> {
    let before = |pair: &mut Connection| {
        pair.client.ask("shutdown c")?;
        pair.server.await_state("c", TcpState::CloseWait)?;
        pair.server.ask("fill c")?;
        pair.server.ask("shutdown c")?;
        pair.server.await_state("c", TcpState::LastAck)
    };
    meet(
        stage,
        before,
        &Meeting {
            state: "last_ack",
            sent: ("tcp_abort_on_close", "fin_wait2"),
            sent_because: "linger_abort",
            received_because: ("peer_aborted", "likely"),
            established_resets: 0,
        },
    )
}

fn meet(stage: &Stage, before: fn(&mut Connection) -> Result<()>, meeting: &Meeting) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    before(&mut pair)?;
    pair.client.ask("set c linger 0")?;
    pair.client.ask("close c")?;
    let (reason, from) = meeting.sent;
    let (cause, confidence) = meeting.received_because;
    Ok(Scene::new(vec![
        Expected::sent(&pair.client_end(), reason, from).because(meeting.sent_because, "certain"),
        Expected::received(&pair.server_end(), meeting.state).because(cause, confidence),
    ])
    .grew(watch, &[("OutRsts", 1), ("EstabResets", meeting.established_resets)])
    .keep(pair))
}
